//! The loops of the notebook service.

use std::sync::Arc;

use bus::Bus;
use chassis::tasks::repeat;
use chassis::telemetry::COUNT_EVERY;
use chassis::{Result, Tasks};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::config::Periods;

/// Starts all of them.
pub(crate) fn start(tasks: &mut Tasks, app: &App, bus: &Bus, periods: Periods) {
    let cancel = tasks.cancel();
    tasks.start("mend", mend(app.clone(), periods, cancel.clone()));
    tasks.start("look", look(app.clone(), periods, cancel.clone()));
    tasks.start("bring", bring(app.clone(), periods, cancel.clone()));
    let compared = routes(app.clone(), bus.clone(), periods, cancel.clone());
    tasks.start("routes", compared);
    tasks.start("lost", lost(app.clone(), periods, cancel.clone()));
    tasks.start("projects", projects(app.clone(), periods, cancel.clone()));
    tasks.start("idle", idle(app.clone(), periods, cancel.clone()));
    tasks.start("count", count(app.clone(), cancel));
}

async fn mend(app: App, periods: Periods, cancel: CancellationToken) -> Result<()> {
    let nudge = app.changed.clone();
    repeat("mending notebooks", nudge, periods.mend, cancel, || {
        Box::pin(app.mend_all(false))
    })
    .await
}

async fn look(app: App, periods: Periods, cancel: CancellationToken) -> Result<()> {
    let nudge = Arc::default();
    repeat("looking at workloads", nudge, periods.look, cancel, || {
        Box::pin(app.mend_all(true))
    })
    .await
}

async fn bring(app: App, periods: Periods, cancel: CancellationToken) -> Result<()> {
    let nudge = app.provisioned.clone();
    repeat("bringing files", nudge, periods.mend, cancel, || {
        app.bring_all()
    })
    .await
}

async fn routes(app: App, bus: Bus, periods: Periods, cancel: CancellationToken) -> Result<()> {
    let nudge = Arc::default();
    repeat("comparing routes", nudge, periods.routes, cancel, || {
        app.compare_routes(&bus)
    })
    .await
}

async fn lost(app: App, periods: Periods, cancel: CancellationToken) -> Result<()> {
    let nudge = Arc::default();
    repeat(
        "looking for lost files",
        nudge,
        periods.routes,
        cancel,
        || app.compare_lost(),
    )
    .await
}

async fn projects(app: App, periods: Periods, cancel: CancellationToken) -> Result<()> {
    let nudge = Arc::default();
    repeat(
        "removing closed projects",
        nudge,
        periods.routes,
        cancel,
        || app.delete_closed(),
    )
    .await
}

async fn idle(app: App, periods: Periods, cancel: CancellationToken) -> Result<()> {
    let nudge = app.idle_changed.clone();
    repeat("looking for idle ones", nudge, periods.idle, cancel, || {
        app.look_for_idle()
    })
    .await
}

async fn count(app: App, cancel: CancellationToken) -> Result<()> {
    let nudge = Arc::default();
    repeat("counting notebooks", nudge, COUNT_EVERY, cancel, || {
        app.count()
    })
    .await
}
