//! The loops of the scheduler. Each mends a difference, on a timer and on a nudge.

use std::sync::Arc;
use std::time::Duration;

use chassis::tasks::repeat;
use chassis::{Result, lease};
use tokio_util::sync::CancellationToken;

use crate::app::App;

/// The leader renews its lease this often.
const RENEW: Duration = Duration::from_secs(1);
/// Placement and dispatching look at least this often; nudges wake them before.
const NET: Duration = Duration::from_secs(1);
/// Nodes are compared with inventory this often; events come before.
const NODES: Duration = Duration::from_secs(5);

/// Holds the lease while this replica can, and says so to the others.
pub(crate) async fn lead(app: App, cancel: CancellationToken) -> Result<()> {
    let holder = kernel::id::EventId::generate().to_string();
    let mut led = false;
    while !cancel.is_cancelled() {
        let held = match lease::acquire(&app.database, "leader", &holder, app.clock.now()).await {
            Ok(held) => held,
            Err(error) => {
                tracing::warn!(%error, "renewing the leader's lease");
                None
            }
        };
        if held.is_some() != led {
            led = held.is_some();
            tracing::info!(leads = led, "leadership changed");
        }
        app.leadership.set(held);
        app.placeable.notify_one();
        app.dispatchable.notify_one();
        tokio::select! {
            () = cancel.cancelled() => {}
            () = tokio::time::sleep(RENEW) => {}
        }
    }
    if let Ok(held) = app.leadership.held() {
        app.leadership.set(None);
        lease::release(&app.database, &held).await?;
    }
    Ok(())
}

/// Places what waits.
pub(crate) async fn place(app: App, cancel: CancellationToken) -> Result<()> {
    let nudge = app.placeable.clone();
    repeat("placing", nudge, NET, cancel, || async {
        while app.place_queued().await? {}
        Ok(())
    })
    .await
}

/// Tells agents what they have not taken up.
pub(crate) async fn dispatch(app: App, cancel: CancellationToken) -> Result<()> {
    let nudge = app.dispatchable.clone();
    repeat("dispatching", nudge, NET, cancel, || app.dispatch()).await
}

/// Compares nodes with inventory.
pub(crate) async fn nodes(app: App, cancel: CancellationToken) -> Result<()> {
    repeat("comparing nodes", Arc::default(), NODES, cancel, || {
        app.sync_nodes()
    })
    .await
}

/// Minds maximum durations and states that last too long.
pub(crate) async fn mind_the_time(app: App, cancel: CancellationToken) -> Result<()> {
    repeat("minding the time", Arc::default(), NODES, cancel, || {
        app.mind_the_time()
    })
    .await
}
