//! What the notebook service counts.

use chassis::telemetry::Tally;
use opentelemetry::metrics::Counter;
use opentelemetry::{KeyValue, global};

/// What the notebook service counts.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    /// Notebooks that are not deleted, by state.
    pub(crate) notebooks: Tally,
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
            changes: global::meter("quire")
                .u64_counter("quire_notebook_changes")
                .with_description(
                    "restarts, other machine types and other tokens that people wished for",
                )
                .build(),
        }
    }

    /// Counts that somebody changed this of a notebook.
    pub(crate) fn changed(&self, what: &'static str) {
        self.changes.add(1, &[KeyValue::new("what", what)]);
    }
}
