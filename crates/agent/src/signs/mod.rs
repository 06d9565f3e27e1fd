//! Signs that workloads work, measured beside them: processor time, GPUs, network, programs in terminals. Measured again and again
//! while a workload runs, and told to edges that ask; what Jupyter knows of itself is asked of Jupyter.

mod count;
mod watch;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chassis::{Error, Result};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::attempt::{Board, Phase};
use crate::machine::Gpus;
use crate::moment::up_ms;
use crate::runtime::{Job, Runtime};
use count::{count, memory_bytes};
pub(crate) use watch::Sign;
use watch::{Counted, Watch};

/// After so many missed measurements nothing is known any more.
const MISSED: u32 = 3;

/// What a workload has used and uses; absent = this node cannot tell.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Usage {
    /// When, in milliseconds of this boot.
    pub at_ms: u64,
    /// Processor time since it began, in microseconds.
    pub cpu_us: Option<u64>,
    /// Processors that it may use, in thousandths; 0 = all.
    pub milli_cores: u32,
    /// Memory now: what could be given back at once, such as files that were read, is not counted.
    pub memory_bytes: Option<u64>,
    /// Memory that it may use; 0 = not limited.
    pub memory_mib: u32,
    /// Bytes over its own network since it began, both ways.
    pub network_bytes: Option<u64>,
    /// Use of its GPUs, the highest of all.
    pub gpu_percent: Option<u32>,
}

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

    /// What a workload uses, measured now.
    ///
    /// # Errors
    /// When it cannot be measured at all.
    pub(crate) async fn usage(self: &Arc<Self>, job: &Job) -> Result<Usage> {
        let (signs, job) = (self.clone(), job.clone());
        let measured = tokio::task::spawn_blocking(move || {
            let group = signs.runtime.group(&job);
            let counted = count(group.as_ref(), &signs.gpus, &job.assignment.gpu_uuids);
            let resources = job.spec().resources.clone().unwrap_or_default();
            Usage {
                at_ms: counted.at_ms,
                cpu_us: counted.cpu_us,
                milli_cores: resources.milli_cores,
                memory_bytes: group.and_then(|group| memory_bytes(&group)),
                memory_mib: resources.memory_mib,
                network_bytes: counted.network.map(|(bytes, _)| bytes),
                gpu_percent: counted.gpu.and_then(std::result::Result::ok),
            }
        });
        measured
            .await
            .map_err(|error| Error::internal("measuring a workload", error))
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
