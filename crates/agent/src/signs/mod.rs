//! Signs that workloads work, measured beside them: processor time, GPUs, network, programs in terminals. Measured again and again
//! while a workload runs, and told to edges that ask; what Jupyter knows of itself is asked of Jupyter.

mod count;
mod watch;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chassis::{Error, Result};
use tokio_util::sync::CancellationToken;

use crate::attempt::{Board, Phase};
use crate::machine::Gpus;
use crate::moment::up_ms;
use crate::runtime::{Job, Runtime};
use count::count;
pub(crate) use watch::Sign;
use watch::{Counted, Watch};

/// After so many missed measurements nothing is known any more.
const MISSED: u32 = 3;

/// What is known of all workloads of this node.
#[derive(Debug)]
pub(crate) struct Signs {
    board: Arc<Board>,
    runtime: Arc<dyn Runtime>,
    gpus: Gpus,
    every: Duration,
    watches: Mutex<HashMap<String, Watch>>,
}

impl Signs {
    pub(crate) fn new(
        board: Arc<Board>,
        runtime: Arc<dyn Runtime>,
        gpus: Gpus,
        every: Duration,
    ) -> Self {
        Self {
            board,
            runtime,
            gpus,
            every,
            watches: Mutex::default(),
        }
    }

    /// Measures all that runs, until `cancel`.
    ///
    /// # Errors
    /// When measuring ends by itself, which it does not.
    pub(crate) async fn run(self: Arc<Self>, cancel: CancellationToken) -> Result<()> {
        let mut ticks = tokio::time::interval(self.every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = cancel.cancelled() => return Ok(()),
                _ = ticks.tick() => {}
            }
            let signs = self.clone();
            tokio::task::spawn_blocking(move || signs.measure())
                .await
                .map_err(|error| Error::internal("measuring workloads", error))?;
        }
    }

    /// The signs of an attempt; `None` before its first measurement, empty where this node can measure nothing.
    pub(crate) fn of(&self, attempt: &str) -> Option<Vec<Sign>> {
        let longest = self.every.saturating_mul(MISSED).as_millis();
        let longest = u64::try_from(longest).unwrap_or(u64::MAX);
        let watches = self.lock();
        Some(watches.get(attempt)?.signs(up_ms(), longest))
    }

    fn measure(&self) {
        let running: Vec<Job> = self
            .board
            .all()
            .into_iter()
            .filter(|entry| entry.life.phase == Phase::Running)
            .map(|entry| entry.job)
            .collect();
        let counted: Vec<(&Job, Counted)> = running
            .iter()
            .map(|job| {
                let group = self.runtime.group(job);
                let uuids = &job.assignment.gpu_uuids;
                (job, count(group.as_ref(), &self.gpus, uuids))
            })
            .collect();
        let mut watches = self.lock();
        watches.retain(|attempt, _| running.iter().any(|job| job.id() == attempt));
        for (job, counted) in counted {
            match watches.get_mut(job.id()) {
                Some(watch) => watch.take(counted),
                None => {
                    watches.insert(job.id().to_owned(), Watch::begin(counted));
                }
            }
        }
    }

    /// Held for lookups and sums only, so a panic elsewhere cannot have left it half changed.
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Watch>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
