//! What volume counts.

use chassis::telemetry::Tally;

/// What volume counts.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    /// Volumes that have files or may get some, by state.
    pub(crate) volumes: Tally,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            volumes: Tally::new(
                "quire_volumes",
                "volumes that are not deleted, by state",
                "state",
            ),
        }
    }
}
