//! What inventory counts.

use chassis::telemetry::Tally;

/// What inventory counts.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    /// Nodes, by whether they answer.
    pub(crate) nodes: Tally,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            nodes: Tally::new("quire_nodes", "nodes, by whether they answer", "liveness"),
        }
    }
}
