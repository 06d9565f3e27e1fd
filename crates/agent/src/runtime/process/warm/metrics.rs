//! What is counted of waiting sandboxes.

use opentelemetry::metrics::{Counter, Gauge};
use opentelemetry::{KeyValue, global};

/// What is counted.
#[derive(Debug)]
pub(super) struct Metrics {
    ready: Gauge<u64>,
    starts: Counter<u64>,
    failures: Counter<u64>,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let meter = global::meter("quire");
        Self {
            ready: meter
                .u64_gauge("quire_agent_warm_ready")
                .with_description("finished sandboxes that wait for notebooks")
                .build(),
            starts: meter
                .u64_counter("quire_agent_warm_starts")
                .with_description(
                    "starts of notebooks, by whether they took over a finished sandbox",
                )
                .build(),
            failures: meter
                .u64_counter("quire_agent_warm_failures")
                .with_description(
                    "finished sandboxes that could not be made, or ended while they waited",
                )
                .build(),
        }
    }

    pub(super) fn ready(&self, count: usize) {
        self.ready.record(u64::try_from(count).unwrap_or(0), &[]);
    }

    pub(super) fn started(&self, how: &'static str) {
        self.starts.add(1, &[KeyValue::new("how", how)]);
    }

    pub(super) fn failed(&self) {
        self.failures.add(1, &[]);
    }
}
