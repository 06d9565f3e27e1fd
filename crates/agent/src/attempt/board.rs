//! What all attempts of this node show to the outside: the link reports from it, the relay and the deletions look things up.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::life::{Life, Phase};
use crate::runtime::Job;

/// One attempt, as it is now.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) job: Job,
    pub(crate) life: Life,
    /// Counts the attempts in the order in which this agent took them.
    pub(crate) turn: u64,
}

impl Entry {
    pub(crate) fn workload(&self) -> &str {
        &self.job.assignment.workload_id
    }

    pub(crate) fn generation(&self) -> u64 {
        self.job.assignment.generation
    }

    /// Whether it may write to the volume `volume_id`.
    pub(crate) fn holds_volume(&self, volume_id: &str) -> bool {
        self.life.phase != Phase::Ended && self.job.spec().volume_id == volume_id
    }
}

/// All attempts that this node holds.
#[derive(Debug)]
pub(crate) struct Board {
    entries: Mutex<BTreeMap<String, Entry>>,
    changes: watch::Sender<u64>,
}

impl Board {
    pub(crate) fn new() -> Self {
        Self {
            entries: Mutex::default(),
            changes: watch::channel(0).0,
        }
    }

    /// Sees each change, or several at once.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(crate) fn put(&self, entry: Entry) {
        self.lock().insert(entry.job.id().to_owned(), entry);
        self.changed();
    }

    pub(crate) fn remove(&self, attempt: &str) {
        self.lock().remove(attempt);
        self.changed();
    }

    pub(crate) fn get(&self, attempt: &str) -> Option<Entry> {
        self.lock().get(attempt).cloned()
    }

    /// All attempts, by identifier.
    pub(crate) fn all(&self) -> Vec<Entry> {
        self.lock().values().cloned().collect()
    }

    /// The attempt of a workload with this generation.
    pub(crate) fn find(&self, workload: &str, generation: u64) -> Option<Entry> {
        let same =
            |entry: &&Entry| entry.workload() == workload && entry.generation() == generation;
        self.lock().values().find(same).cloned()
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Held for lookups only, so a panic elsewhere cannot have left it half changed.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
