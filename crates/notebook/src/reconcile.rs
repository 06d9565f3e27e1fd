//! The loops of the notebook service.

use std::sync::Arc;
use std::time::Duration;

use chassis::Result;
use chassis::tasks::repeat;
use tokio_util::sync::CancellationToken;

use crate::app::App;

/// Notebooks that are not as wanted are looked at this often; changes wake the loop before.
const MEND: Duration = Duration::from_secs(1);
/// The scheduler is asked about all that move or run this often; its events come before.
const LOOK: Duration = Duration::from_secs(5);
/// Routes are compared with the rows this often.
const ROUTES: Duration = Duration::from_secs(15);
/// Idle notebooks are looked for this often.
const IDLE: Duration = Duration::from_secs(20);

pub(crate) async fn mend(app: App, cancel: CancellationToken) -> Result<()> {
    repeat(
        "mending notebooks",
        app.changed.clone(),
        MEND,
        cancel,
        || app.mend_all(false),
    )
    .await
}

pub(crate) async fn look(app: App, cancel: CancellationToken) -> Result<()> {
    repeat("looking at workloads", Arc::default(), LOOK, cancel, || {
        app.mend_all(true)
    })
    .await
}

pub(crate) async fn routes(app: App, cancel: CancellationToken) -> Result<()> {
    repeat("comparing routes", Arc::default(), ROUTES, cancel, || {
        app.compare_routes()
    })
    .await
}

pub(crate) async fn idle(app: App, cancel: CancellationToken) -> Result<()> {
    repeat(
        "looking for idle notebooks",
        Arc::default(),
        IDLE,
        cancel,
        || app.stop_idle(),
    )
    .await
}
