//! What the notebook service counts.

use chassis::telemetry::Tally;
use opentelemetry::metrics::Counter;
use opentelemetry::{KeyValue, global};

use crate::domain::idle::Verdict;

/// What the notebook service counts.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    /// Notebooks that are not deleted, by state.
    pub(crate) notebooks: Tally,
    /// Looks at running notebooks, by what came of them.
    idle_looks: Counter<u64>,
    changes: Counter<u64>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            notebooks: Tally::new(
                "quire_notebooks",
                "notebooks that are not deleted, by state",
                "state",
            ),
            idle_looks: global::meter("quire")
                .u64_counter("quire_notebook_idle_looks")
                .with_description("looks whether a running notebook is idle, by what came of them")
                .build(),
            changes: global::meter("quire")
                .u64_counter("quire_notebook_changes")
                .with_description(
                    "restarts, other machine types, other tokens, forks and shares that people wished for",
                )
                .build(),
        }
    }

    /// A notebook was judged.
    pub(crate) fn judged(&self, verdict: &Verdict) {
        let verdict = match verdict {
            Verdict::Active { .. } => "active",
            Verdict::Rests => "rests",
            Verdict::StopsAt { .. } => "stops",
        };
        self.idle_looks.add(1, &[KeyValue::new("verdict", verdict)]);
    }

    /// Counts that somebody changed this of a notebook.
    pub(crate) fn changed(&self, what: &'static str) {
        self.changes.add(1, &[KeyValue::new("what", what)]);
    }
}
