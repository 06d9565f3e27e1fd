//! What waits in one queue, by kind: of jobs with the same gang the first in turn stands for all.

use std::collections::BTreeMap;

use super::gang::Gang;
use super::job::{Job, Turn};

/// The jobs that wait in one queue.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting {
    kinds: BTreeMap<Gang, BTreeMap<Turn, Job>>,
}

impl Waiting {
    pub(super) fn insert(&mut self, job: Job) {
        let kind = self.kinds.entry(job.gang.clone()).or_default();
        kind.insert(job.turn(), job);
    }

    pub(super) fn remove(&mut self, job: &Job) {
        if let Some(kind) = self.kinds.get_mut(&job.gang) {
            kind.remove(&job.turn());
            if kind.is_empty() {
                self.kinds.remove(&job.gang);
            }
        }
    }

    /// The first in turn of each kind: where it does not start, no other of its kind does.
    pub(super) fn firsts(&self) -> impl Iterator<Item = &Job> {
        self.kinds.values().filter_map(|kind| kind.values().next())
    }

    /// The first in turn of this kind.
    pub(super) fn first_of(&self, gang: &Gang) -> Option<&Job> {
        self.kinds.get(gang)?.values().next()
    }
}
