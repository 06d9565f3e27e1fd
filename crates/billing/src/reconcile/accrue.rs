//! Posts what running attempts owe so far, so that balances are never far behind.

use std::sync::Arc;
use std::time::Duration;

use chassis::Result;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::store::attempt::Due;

const PERIOD: Duration = Duration::from_secs(60);

/// Runs until `cancel`. Nobody nudges it: a minute is soon enough.
pub(crate) async fn run(app: App, cancel: CancellationToken) -> Result<()> {
    super::repeat("accrue", PERIOD, Arc::default(), cancel, || {
        app.post(Due::All)
    })
    .await
}
