//! Closes the months that are over.

use std::sync::Arc;
use std::time::Duration;

use chassis::Result;
use tokio_util::sync::CancellationToken;

use crate::app::App;

const PERIOD: Duration = Duration::from_secs(60);

/// Runs until `cancel`. Nobody nudges it: a month takes its time.
pub(crate) async fn run(app: App, cancel: CancellationToken) -> Result<()> {
    super::repeat("round", PERIOD, Arc::default(), cancel, || app.round()).await
}
