//! What billing counts.

use opentelemetry::metrics::Counter;
use opentelemetry::{KeyValue, global};

/// Metrics `quire_postings` and `quire_usage_inputs`.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    postings: Counter<u64>,
    inputs: Counter<u64>,
}

impl Metrics {
    /// Counters of this process.
    pub(crate) fn new() -> Self {
        let meter = global::meter("quire");
        Self {
            postings: meter
                .u64_counter("quire_postings")
                .with_description("ledger transactions posted, by kind")
                .build(),
            inputs: meter
                .u64_counter("quire_usage_inputs")
                .with_description("raw usage inputs kept, by what became of them")
                .build(),
        }
    }

    /// Counts transactions of one kind.
    pub(crate) fn postings(&self, kind: &'static str, count: u64) {
        self.postings.add(count, &[KeyValue::new("kind", kind)]);
    }

    /// Counts one raw input.
    pub(crate) fn input(&self, outcome: &'static str) {
        self.inputs.add(1, &[KeyValue::new("outcome", outcome)]);
    }
}
