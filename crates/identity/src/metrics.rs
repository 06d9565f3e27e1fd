//! What identity counts.

use chassis::{Error, Result};
use opentelemetry::metrics::Counter;
use opentelemetry::{KeyValue, global};

/// What identity counts.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    exchanges: Counter<u64>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let exchanges = global::meter("quire")
            .u64_counter("quire_key_exchanges")
            .with_description("keys shown for a token, by outcome")
            .build();
        Self { exchanges }
    }

    /// A key was shown.
    pub(crate) fn exchanged<T>(&self, outcome: &Result<T>) {
        let outcome = match outcome {
            Ok(_) => "granted",
            Err(Error::Unauthenticated(_)) => "refused",
            Err(_) => "failed",
        };
        self.exchanges.add(1, &[KeyValue::new("outcome", outcome)]);
    }
}
