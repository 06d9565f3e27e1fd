//! The loops of the scheduler. Each mends a difference, on a timer and on a nudge.

use std::sync::Arc;
use std::time::Duration;

use chassis::tasks::repeat;
use chassis::{Result, lease};
use tokio_util::sync::CancellationToken;

use crate::app::App;

/// Holds the lease while this replica can, and says so to the others.
pub(crate) async fn lead(app: App, renew: Duration, cancel: CancellationToken) -> Result<()> {
    let holder = kernel::id::EventId::generate().to_string();
    while !cancel.is_cancelled() {
        let held = match lease::acquire(&app.database, "leader", &holder, app.clock.now()).await {
            Ok(held) => held,
            Err(error) => {
                tracing::warn!(%error, "renewing the leader's lease");
                None
            }
        };
        let leads = held.is_some();
        app.metrics.leads(leads);
        if app.leadership.set(held) {
            tracing::info!(leads, "leadership changed");
            app.placeable.notify_one();
            app.dispatchable.notify_one();
        }
        tokio::select! {
            () = cancel.cancelled() => {}
            () = tokio::time::sleep(renew) => {}
        }
    }
    if let Ok(held) = app.leadership.held() {
        app.leadership.set(None);
        lease::release(&app.database, &held).await?;
    }
    Ok(())
}

/// Places what waits.
pub(crate) async fn place(app: App, period: Duration, cancel: CancellationToken) -> Result<()> {
    let nudge = app.placeable.clone();
    repeat("placing", nudge, period, cancel, || app.place_queued()).await
}

/// Tells agents what they have not taken up.
pub(crate) async fn dispatch(app: App, period: Duration, cancel: CancellationToken) -> Result<()> {
    let nudge = app.dispatchable.clone();
    repeat("dispatching", nudge, period, cancel, || app.dispatch()).await
}

/// Compares nodes with inventory.
pub(crate) async fn nodes(app: App, period: Duration, cancel: CancellationToken) -> Result<()> {
    repeat("comparing nodes", Arc::default(), period, cancel, || {
        app.sync_nodes()
    })
    .await
}

/// Draws from the state of nodes what follows for the work on them, and for the files on those that are gone.
pub(crate) async fn follow(app: App, period: Duration, cancel: CancellationToken) -> Result<()> {
    let nudge = app.node_changes.clone();
    repeat("following nodes", nudge, period, cancel, || async {
        app.follow_nodes().await?;
        app.settle_gone_nodes().await
    })
    .await
}

/// Minds maximum durations and states that last too long.
pub(crate) async fn mind_the_time(
    app: App,
    period: Duration,
    cancel: CancellationToken,
) -> Result<()> {
    repeat("minding the time", Arc::default(), period, cancel, || {
        app.mind_the_time()
    })
    .await
}
