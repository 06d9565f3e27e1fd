//! What journal does by itself: it forgets what is old, and counts what could not be handled.

use std::sync::Arc;
use std::time::Duration;

use chassis::Result;
use chassis::tasks::repeat;
use opentelemetry::global;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::app::App;

/// How often old events are looked for.
const FORGET_EVERY: Duration = Duration::from_secs(600);
/// How often the dead letters are counted.
const COUNT_EVERY: Duration = Duration::from_secs(15);

/// Removes events that are older than they are kept, until `cancel`.
///
/// # Errors
/// Never.
pub(crate) async fn forget_old(app: App, cancel: CancellationToken) -> Result<()> {
    let stop = cancel.clone();
    let round = move || {
        let (app, stop) = (app.clone(), stop.clone());
        async move {
            // A batch a transaction: nobody waits long for the write lock.
            while !stop.is_cancelled() && app.forget_batch().await? {}
            Ok(())
        }
    };
    let nobody = Arc::new(Notify::new());
    repeat("forgetting old events", nobody, FORGET_EVERY, cancel, round).await
}

/// Measures how many events could not be handled, until `cancel`.
///
/// # Errors
/// Never.
pub(crate) async fn count_letters(app: App, cancel: CancellationToken) -> Result<()> {
    let gauge = global::meter("quire")
        .u64_gauge("quire_dead_letters")
        .with_description("events that a service could not handle and nobody has sent again")
        .build();
    let round = move || {
        let (app, gauge) = (app.clone(), gauge.clone());
        async move {
            gauge.record(app.count_letters().await?, &[]);
            Ok(())
        }
    };
    let nobody = Arc::new(Notify::new());
    repeat("counting dead letters", nobody, COUNT_EVERY, cancel, round).await
}
