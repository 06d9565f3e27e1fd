//! What waits in one queue, by kind: of jobs with the same gang that may all be stopped, or all not, the first in turn stands for all.

use std::collections::BTreeMap;

use super::gang::Gang;
use super::job::{Job, Turn};

/// The gang, and whether it may be stopped: guarantees ask for that.
pub(super) type Kind = (Gang, bool);

pub(super) fn kind_of(job: &Job) -> Kind {
    (job.gang.clone(), job.preemptible)
}

/// The jobs that wait in one queue.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting {
    kinds: BTreeMap<Kind, BTreeMap<Turn, Job>>,
}

impl Waiting {
    pub(super) fn insert(&mut self, job: Job) {
        let kind = self.kinds.entry(kind_of(&job)).or_default();
        kind.insert(job.turn(), job);
    }

    pub(super) fn remove(&mut self, job: &Job) {
        let of = kind_of(job);
        if let Some(kind) = self.kinds.get_mut(&of) {
            kind.remove(&job.turn());
            if kind.is_empty() {
                self.kinds.remove(&of);
            }
        }
    }

    /// The first in turn of each kind: where it does not start, no other of its kind does.
    pub(super) fn firsts(&self) -> impl Iterator<Item = &Job> {
        self.kinds.values().filter_map(|kind| kind.values().next())
    }

    /// The first in turn of this kind.
    pub(super) fn first_of(&self, kind: &Kind) -> Option<&Job> {
        self.kinds.get(kind)?.values().next()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }
}
