//! The waiting sandboxes of one node: which there are, which there should be, and the loop that makes the one into the other.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chassis::Result;
use contracts::inventory::v1::{WarmPool, WarmPools};
use kernel::Clock;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::MEMORY_MIB;
use super::demand::Demand;
use super::metrics::Metrics;
use super::waiting::Waiting;
use crate::attempt::{Folder, waiting};
use crate::config::AgentConfig;
use crate::files;
use crate::isolation::Isolation;
use crate::moment::up_ms;
use crate::runtime::process::ProcessRuntime;
use crate::runtime::process::sandbox::Kind;

/// Pause between looks at what waits.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Pauses after failures in one environment, in milliseconds: the first, and the longest.
const FIRST_PAUSE_MS: u64 = 2_000;
const LONGEST_PAUSE_MS: u64 = 600_000;

/// The waiting sandboxes of one node.
#[derive(Debug)]
pub(crate) struct Pool {
    /// How many there may be; 0 = none.
    most: u32,
    state: Mutex<State>,
    changed: Notify,
    clock: Arc<dyn Clock>,
    /// Where the demand is kept.
    file: PathBuf,
    pub(super) metrics: Metrics,
    /// This machine could not show a volume in a sandbox that was there: its kernel or its file system is too old for it.
    shows_none: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    demand: Demand,
    /// The demand is not on the disk as it is here.
    unsaved: bool,
    waiting: Vec<Waiting>,
    troubles: BTreeMap<String, Trouble>,
}

/// What went wrong in one environment since a sandbox of it was last of use.
#[derive(Debug, Default)]
struct Trouble {
    failures: u32,
    /// Not tried before this moment of the boot, in milliseconds.
    not_before_ms: u64,
}

impl Pool {
    /// A pool of at most as many sandboxes as `config` allows; of none where this machine cannot keep them apart and limited.
    pub(crate) fn new(config: &AgentConfig, isolation: &Isolation, clock: Arc<dyn Clock>) -> Self {
        let able =
            isolation.kind == Kind::Root && isolation.own_users && isolation.cgroups.is_some();
        if config.warm > 0 && !able {
            tracing::info!(
                "no sandboxes wait for notebooks: that needs a sandbox made by root, and limits"
            );
        }
        let file = config.data_dir.join("warm.json");
        let demand = files::read_json(&file).unwrap_or_else(|error| {
            tracing::warn!(path = %file.display(), %error, "what was in demand cannot be read");
            None
        });
        let state = State {
            demand: demand.unwrap_or_default(),
            ..State::default()
        };
        Self {
            most: if able { config.warm } else { 0 },
            state: Mutex::new(state),
            changed: Notify::new(),
            clock,
            file,
            metrics: Metrics::new(),
            shows_none: AtomicBool::new(false),
        }
    }

    /// Whether a volume that has files can be shown in a sandbox that is there, as far as is known.
    pub(super) fn shows_volumes(&self) -> bool {
        !self.shows_none.load(Ordering::Relaxed)
    }

    /// It cannot: starts with files are made anew from here on.
    pub(super) fn shows_none(&self) {
        self.shows_none.store(true, Ordering::Relaxed);
    }

    /// Memory that is set aside for them, in MiB.
    pub(crate) fn reserved_mib(&self) -> u32 {
        self.most.saturating_mul(MEMORY_MIB)
    }

    /// A notebook is started in this environment.
    pub(super) fn note(&self, digest: &str, name: &str) {
        let now = self.now();
        let mut state = self.lock();
        state.demand.note(digest, name, now);
        state.unsaved = true;
        drop(state);
        self.changed.notify_one();
    }

    /// Takes one that waits in this environment out of the pool.
    pub(super) fn take(&self, digest: &str) -> Option<Waiting> {
        let mut state = self.lock();
        let at = state.waiting.iter().position(|one| one.digest == digest)?;
        Some(state.waiting.remove(at))
    }

    /// One waits from here on.
    pub(super) fn put(&self, waiting: Waiting) {
        self.lock().waiting.push(waiting);
    }

    /// One was of use: what went wrong before is over.
    pub(super) fn was_of_use(&self, digest: &str) {
        self.lock().troubles.remove(digest);
    }

    /// One could not be made or used, or ended while it waited.
    pub(super) fn failed(&self, digest: &str) {
        self.metrics.failed();
        let mut state = self.lock();
        let trouble = state.troubles.entry(digest.to_owned()).or_default();
        let pause = FIRST_PAUSE_MS.saturating_mul(1 << trouble.failures.min(16));
        trouble.failures += 1;
        trouble.not_before_ms = up_ms() + pause.min(LONGEST_PAUSE_MS);
    }

    fn wanted(&self) -> BTreeMap<String, u32> {
        let now = self.now();
        self.lock().demand.wanted(now, self.most)
    }

    /// Those that ended by themselves.
    fn take_dead(&self) -> Vec<Waiting> {
        self.lock()
            .waiting
            .extract_if(.., |one| !one.is_alive())
            .collect()
    }

    /// Those that nobody is expected for.
    fn take_surplus(&self, wanted: &BTreeMap<String, u32>) -> Vec<Waiting> {
        let mut left = wanted.clone();
        let surplus = |one: &mut Waiting| match left.get_mut(&one.digest) {
            Some(count) if *count > 0 => {
                *count -= 1;
                false
            }
            _ => true,
        };
        self.lock().waiting.extract_if(.., surplus).collect()
    }

    /// An environment that lacks one and may be tried.
    fn lacking(&self, wanted: &BTreeMap<String, u32>) -> Option<String> {
        let (state, now) = (self.lock(), up_ms());
        let lacks = |(digest, count): &(&String, &u32)| {
            let there = state.waiting.iter().filter(|one| one.digest == **digest);
            let tried = state.troubles.get(*digest);
            there.count() < usize::try_from(**count).unwrap_or(usize::MAX)
                && tried.is_none_or(|trouble| trouble.not_before_ms <= now)
        };
        wanted.iter().find(lacks).map(|(digest, _)| digest.clone())
    }

    /// The demand, when it has changed since it was last asked for.
    fn unsaved(&self) -> Option<Vec<u8>> {
        let mut state = self.lock();
        std::mem::take(&mut state.unsaved).then(|| serde_json::to_vec(&state.demand).ok())?
    }

    fn now(&self) -> i64 {
        self.clock.now().timestamp_micros()
    }

    /// Held for lookups only, so a panic elsewhere cannot have left it half changed.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ProcessRuntime {
    /// Keeps as many sandboxes waiting as are in demand, until `cancel`; then none.
    ///
    /// # Errors
    /// Never by itself.
    pub(crate) async fn keep_warm(self: Arc<Self>, cancel: CancellationToken) -> Result<()> {
        if self.pool.most == 0 {
            cancel.cancelled().await;
            return Ok(());
        }
        while !cancel.is_cancelled() {
            // Not broken off: what is half made must be known to be removed.
            if self.mend_pool(&cancel).await {
                continue;
            }
            tokio::select! {
                () = cancel.cancelled() => {}
                () = self.pool.changed.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
        // Only these: what an attempt takes over meanwhile is its.
        let left = std::mem::take(&mut self.pool.lock().waiting);
        for waiting in left {
            self.end_waiting(&waiting.job.folder).await;
        }
        Ok(())
    }

    /// One step towards what is wanted; true when there may be another at once.
    async fn mend_pool(self: &Arc<Self>, cancel: &CancellationToken) -> bool {
        if let Some(demand) = self.pool.unsaved()
            && let Err(error) = files::write_async(self.pool.file.clone(), demand).await
        {
            tracing::warn!(%error, "keeping what is in demand");
        }
        for dead in self.pool.take_dead() {
            tracing::warn!(sandbox = dead.job.id(), "a waiting sandbox ended by itself");
            self.pool.failed(&dead.digest);
            self.end_waiting(&dead.job.folder).await;
        }
        let wanted = self.pool.wanted();
        for surplus in self.pool.take_surplus(&wanted) {
            let folder = surplus.job.folder.clone();
            drop(surplus);
            self.end_waiting(&folder).await;
        }
        let made = self.make_lacking(&wanted, cancel).await;
        self.pool.metrics.ready(self.pool.lock().waiting.len());
        made
    }

    /// Makes one sandbox where one is lacking, in an environment that is on this node: none is built for it.
    async fn make_lacking(
        self: &Arc<Self>,
        wanted: &BTreeMap<String, u32>,
        cancel: &CancellationToken,
    ) -> bool {
        let Some(digest) = self.pool.lacking(wanted) else {
            return false;
        };
        let made = match self.environments.present(&digest) {
            Some(environment) => self.make_waiting(&digest, &environment, cancel).await,
            None => Err("its environment is not on this node".to_owned()),
        };
        match made {
            Ok(waiting) => self.pool.put(waiting),
            Err(_) if cancel.is_cancelled() => {}
            Err(problem) => {
                tracing::warn!(
                    environment = digest,
                    problem,
                    "no sandbox can wait for notebooks"
                );
                self.pool.failed(&digest);
            }
        }
        true
    }

    /// Ends what was left waiting by an agent that died. Before there is any of this agent's.
    pub(crate) async fn end_left_waiting(self: &Arc<Self>) {
        let folder = waiting(&self.config.data_dir);
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let (data, run) = (&self.config.data_dir, &self.config.run_dir);
            self.end_waiting(&Folder::of_waiting(data, run, &name))
                .await;
        }
    }

    /// What waits here, for whoever asks about this node.
    pub(crate) fn warm_pools(&self) -> WarmPools {
        let wanted = self.pool.wanted();
        let state = self.pool.lock();
        let in_pool = |one: &Waiting, digest: &str| one.digest == digest;
        let pools = wanted.iter().map(|(digest, wanted)| {
            let there = state.waiting.iter().filter(|one| in_pool(one, digest));
            WarmPool {
                environment: state.demand.name(digest).to_owned(),
                environment_digest: digest.clone(),
                ready: u32::try_from(there.clone().count()).unwrap_or(u32::MAX),
                wanted: *wanted,
                memory_mib: there.map(|one| self.memory_mib(one.job.id())).sum(),
                failures: state
                    .troubles
                    .get(digest)
                    .map_or(0, |trouble| trouble.failures),
            }
        });
        WarmPools {
            most: self.pool.most,
            reserved_mib: self.pool.reserved_mib(),
            pools: pools.collect(),
        }
    }

    /// Memory that a sandbox uses now, in MiB.
    fn memory_mib(&self, sandbox: &str) -> u32 {
        let used = self.isolation.group(sandbox).map(|group| group.memory_used);
        let bytes = used.and_then(|file| std::fs::read_to_string(file).ok());
        let bytes: u64 = bytes.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        u32::try_from(bytes >> 20).unwrap_or(u32::MAX)
    }
}
