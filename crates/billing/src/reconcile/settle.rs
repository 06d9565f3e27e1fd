//! Posts the rest of what ended attempts owe.

use std::time::Duration;

use chassis::Result;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::store::attempt::Due;

const PERIOD: Duration = Duration::from_secs(10);

/// Runs until `cancel`.
pub(crate) async fn run(app: App, cancel: CancellationToken) -> Result<()> {
    super::repeat("settle", PERIOD, app.nudges.settle.clone(), cancel, || {
        app.post(Due::Ended)
    })
    .await
}
