//! What waits in queues and runs, and what is decided about it.

use serde::{Deserialize, Serialize};

use super::gang::Gang;
use crate::domain::engine::{Place, Ranking};

/// What waits or runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Job {
    /// Its number; of jobs that came at the same time the smaller goes first.
    pub(crate) id: u64,
    /// The leaf of the tree that it waits in.
    pub(crate) queue: usize,
    pub(crate) gang: Gang,
    pub(crate) priority: i32,
    pub(crate) submitted_ms: u64,
    /// Since when it waits for a place: since then it is patient.
    pub(crate) waits_since_ms: u64,
    /// Whether it may be stopped for others.
    pub(crate) preemptible: bool,
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It makes room for another. Without notice it is stopped at once and waits again; with notice it still has its places.
    Preempt { id: u64, by: u64 },
    /// It starts there, one place a member.
    Start {
        id: u64,
        places: Vec<Place>,
        /// How the place of the first member was chosen.
        ranking: Ranking,
    },
}

/// Times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rules {
    /// After so long, use counts half.
    pub(crate) half_life_ms: u64,
    /// Who has run for less is not stopped for others.
    pub(crate) min_run_ms: u64,
    /// Who has waited for longer gets nodes set aside.
    pub(crate) patience_ms: u64,
    /// Who still runs so long after nodes were set aside, and may be stopped, is stopped.
    pub(crate) drain_ms: u64,
    /// Who makes room is told before, and gives its places back later: what it makes room for waits until then.
    pub(crate) with_notice: bool,
}

/// Place in a queue: priority turned round, arrival, number.
pub(super) type Turn = (std::cmp::Reverse<i32>, u64, u64);

impl Job {
    pub(super) fn turn(&self) -> Turn {
        (std::cmp::Reverse(self.priority), self.submitted_ms, self.id)
    }
}
