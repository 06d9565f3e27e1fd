//! The loops of inventory: the observer looks for silent nodes, on a timer, one replica at a time by lease; and the keys of nodes
//! that are gone end, on a timer and at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chassis::tasks::repeat;
use chassis::telemetry::COUNT_EVERY;
use chassis::{Result, lease};
use chrono::TimeDelta;
use kernel::id::EventId;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::domain::silence::{Verdict, Watch, judge};

const LEASE: &str = "silence";
/// Its holder resolves; should two do so, the first one's answer holds.
const RESOLVER: &str = "environments";
/// Looks are at most so far apart: the lease must not end between two of them.
const LOOK: Duration = Duration::from_secs(1);

/// One replica's observer.
#[derive(Debug)]
struct Observer {
    app: App,
    name: String,
    timeout: TimeDelta,
    watch: Mutex<Watch>,
    /// The broken network has been reported.
    reported: AtomicBool,
}

/// Takes nodes for silent that were not heard for `timeout`, of nodes that are heard each `heartbeat`, until `cancel`.
///
/// # Errors
/// Never.
pub(crate) async fn observe(
    app: App,
    timeout: Duration,
    heartbeat: Duration,
    cancel: CancellationToken,
) -> Result<()> {
    let timeout = TimeDelta::from_std(timeout).unwrap_or(TimeDelta::MAX);
    let observer = Arc::new(Observer {
        app,
        name: EventId::generate().into(),
        timeout,
        watch: Mutex::new(Watch::new(timeout)),
        reported: AtomicBool::new(false),
    });
    let look = move || {
        let observer = observer.clone();
        async move { observer.look().await }
    };
    repeat(
        "looking for silent nodes",
        Arc::default(),
        heartbeat.min(LOOK),
        cancel,
        look,
    )
    .await
}

/// Has the keys of nodes that are gone ended, until `cancel`.
///
/// # Errors
/// Never.
pub(crate) async fn end_keys(app: App, period: Duration, cancel: CancellationToken) -> Result<()> {
    let nudge = app.departures.clone();
    repeat("ending the keys of nodes", nudge, period, cancel, || {
        app.end_keys()
    })
    .await
}

/// Resolves the packages of environments, one replica at a time, until `cancel`.
///
/// # Errors
/// Never.
pub(crate) async fn resolve(app: App, period: Duration, cancel: CancellationToken) -> Result<()> {
    let nudge = app.unresolved.clone();
    let name: String = EventId::generate().into();
    repeat("resolving environments", nudge, period, cancel, || async {
        let now = app.clock.now();
        match lease::acquire(&app.database, RESOLVER, &name, now).await? {
            Some(_) => app.resolve_waiting().await,
            None => Ok(()),
        }
    })
    .await
}

/// Counts nodes, until `cancel`.
///
/// # Errors
/// Never.
pub(crate) async fn count(app: App, cancel: CancellationToken) -> Result<()> {
    let nudge = Arc::default();
    repeat("counting nodes", nudge, COUNT_EVERY, cancel, || app.count()).await
}

impl Observer {
    async fn look(&self) -> Result<()> {
        let now = self.app.clock.now();
        let leading = lease::acquire(&self.app.database, LEASE, &self.name, now).await?;
        let epoch = leading.as_ref().map(|held| held.epoch);
        let may_judge = self
            .watch
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .may_judge(epoch, now);
        let Some(leading) = leading.filter(|_| may_judge) else {
            return Ok(());
        };
        match judge(&self.app.ready_nodes().await?, self.timeout, now) {
            Verdict::Silent(silent) => {
                self.reported.store(false, Ordering::Relaxed);
                if !silent.is_empty() {
                    self.app.mark_silent(&leading, &silent).await?;
                }
            }
            Verdict::TooMany { late, ready } => {
                if !self.reported.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        late,
                        ready,
                        "many nodes are silent at once, as when a network breaks; none is marked"
                    );
                }
            }
        }
        Ok(())
    }
}
