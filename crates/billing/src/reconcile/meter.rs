//! Takes in what changed in the scheduler's list, so that no hour goes unbilled when an event does not arrive.

use std::time::Duration;

use chassis::Result;
use tokio_util::sync::CancellationToken;

use crate::app::App;

const PERIOD: Duration = Duration::from_secs(5);

/// Runs until `cancel`.
pub(crate) async fn run(app: App, cancel: CancellationToken) -> Result<()> {
    super::repeat("meter", PERIOD, app.nudges.meter.clone(), cancel, || {
        app.catch_up()
    })
    .await
}
