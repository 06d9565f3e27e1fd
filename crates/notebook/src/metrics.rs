//! What the notebook service counts.

use chassis::telemetry::Tally;

/// What the notebook service counts.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    /// Notebooks that are not deleted, by state.
    pub(crate) notebooks: Tally,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            notebooks: Tally::new(
                "quire_notebooks",
                "notebooks that are not deleted, by state",
                "state",
            ),
        }
    }
}
