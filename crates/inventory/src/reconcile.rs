//! The observer: looks for silent nodes, on a timer. One replica observes, by lease.

use std::time::Duration;

use chassis::{Result, lease};
use chrono::TimeDelta;
use kernel::id::EventId;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::domain::silence::{Verdict, Watch, judge};

const LEASE: &str = "silence";
/// Looks are at most so far apart: the lease must not end between two of them.
const LOOK: Duration = Duration::from_secs(1);

/// One replica's observer.
#[derive(Debug)]
pub(crate) struct Observer {
    app: App,
    name: String,
    timeout: TimeDelta,
    every: Duration,
    watch: Watch,
    /// The broken network has been reported.
    reported: bool,
}

impl Observer {
    /// An observer that takes a node for silent after `timeout`, of nodes that are heard each `heartbeat`.
    pub(crate) fn new(app: App, timeout: Duration, heartbeat: Duration) -> Self {
        let timeout = TimeDelta::from_std(timeout).unwrap_or(TimeDelta::MAX);
        Self {
            app,
            name: EventId::generate().into(),
            timeout,
            every: heartbeat.min(LOOK),
            watch: Watch::new(timeout),
            reported: false,
        }
    }

    /// Looks until `cancel`.
    ///
    /// # Errors
    /// Never by itself: what fails is logged and tried again.
    pub(crate) async fn run(mut self, cancel: CancellationToken) -> Result<()> {
        while !cancel.is_cancelled() {
            if let Err(error) = self.look().await {
                let error = chassis::error::chain(&error);
                tracing::warn!(error, "looking for silent nodes; trying again");
            }
            tokio::select! {
                () = cancel.cancelled() => {}
                () = tokio::time::sleep(self.every) => {}
            }
        }
        Ok(())
    }

    async fn look(&mut self) -> Result<()> {
        let now = self.app.clock.now();
        let Some(leading) = lease::acquire(&self.app.database, LEASE, &self.name, now).await?
        else {
            self.watch.stand_by();
            return Ok(());
        };
        if !self.watch.may_judge(leading.epoch, now) {
            return Ok(());
        }
        match judge(&self.app.ready_nodes().await?, self.timeout, now) {
            Verdict::Silent(silent) => {
                self.reported = false;
                if !silent.is_empty() {
                    self.app.mark_silent(&leading, &silent).await?;
                }
            }
            Verdict::TooMany { late, ready } if !self.reported => {
                self.reported = true;
                tracing::warn!(
                    late,
                    ready,
                    "many nodes are silent at once: the network is broken, or the nodes are; none is marked"
                );
            }
            Verdict::TooMany { .. } => {}
        }
        Ok(())
    }
}
