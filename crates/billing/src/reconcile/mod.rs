//! The loops: each takes no input, reads the whole state and mends the difference, on a timer and on a nudge. Any number of replicas
//! may run them; the pen lets one write at a time.

pub(crate) mod accrue;
pub(crate) mod meter;
pub(crate) mod round;
pub(crate) mod settle;

use std::sync::Arc;
use std::time::Duration;

use chassis::Result;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Does `work` now, then after each `period` and each nudge, until `cancel`. What fails is logged and tried again.
async fn repeat<F: Future<Output = Result<()>>>(
    name: &'static str,
    period: Duration,
    nudge: Arc<Notify>,
    cancel: CancellationToken,
    mut work: impl FnMut() -> F,
) -> Result<()> {
    while !cancel.is_cancelled() {
        if let Err(error) = work().await {
            tracing::warn!(
                name,
                error = chassis::error::chain(&error),
                "a loop failed; it tries again"
            );
        }
        tokio::select! {
            () = cancel.cancelled() => {}
            () = nudge.notified() => {}
            () = tokio::time::sleep(period) => {}
        }
    }
    Ok(())
}
