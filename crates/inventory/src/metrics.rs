//! What inventory counts.

use std::time::Duration;

use chassis::telemetry::Tally;
use opentelemetry::KeyValue;
use opentelemetry::metrics::Histogram;

/// What inventory counts.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    /// Nodes, by whether they answer.
    pub(crate) nodes: Tally,
    resolve_seconds: Histogram<f64>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            nodes: Tally::new("quire_nodes", "nodes, by whether they answer", "liveness"),
            resolve_seconds: opentelemetry::global::meter("quire")
                .f64_histogram("quire_environment_resolve_seconds")
                .with_description(
                    "time to resolve the packages of an environment, by what came of it",
                )
                .with_unit("s")
                .build(),
        }
    }

    /// Notes that an environment was resolved, or could not be.
    pub(crate) fn resolved(&self, outcome: &'static str, took: Duration) {
        let attributes = [KeyValue::new("outcome", outcome)];
        self.resolve_seconds.record(took.as_secs_f64(), &attributes);
    }
}
