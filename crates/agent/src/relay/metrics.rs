//! What the relay to edges counts.

use opentelemetry::global;
use opentelemetry::metrics::{Counter, UpDownCounter};

/// What is counted.
#[derive(Debug)]
pub(crate) struct Metrics {
    connections: UpDownCounter<i64>,
    streams: UpDownCounter<i64>,
    commands: UpDownCounter<i64>,
    /// Tries to reach an edge that failed.
    pub(super) dial_failures: Counter<u64>,
}

/// Counts one as long as it lasts.
#[derive(Debug)]
pub(super) struct Open(UpDownCounter<i64>);

impl Open {
    fn new(gauge: &UpDownCounter<i64>) -> Self {
        gauge.add(1, &[]);
        Self(gauge.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.add(-1, &[]);
    }
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let meter = global::meter("quire");
        let gauge = |name, description| {
            meter
                .i64_up_down_counter(name)
                .with_description(description)
                .build()
        };
        Self {
            connections: gauge(
                "quire_agent_relay_connections",
                "connections to edges that are open",
            ),
            streams: gauge(
                "quire_agent_relay_streams",
                "streams of edges to workloads that are open",
            ),
            commands: gauge(
                "quire_agent_commands",
                "commands of people that run inside workloads",
            ),
            dial_failures: meter
                .u64_counter("quire_agent_relay_dial_failures")
                .with_description("tries to reach an edge that failed")
                .build(),
        }
    }

    /// A connection to an edge is open as long as the value lasts.
    pub(super) fn connection(&self) -> Open {
        Open::new(&self.connections)
    }

    /// A command runs inside a workload as long as the value lasts.
    pub(super) fn command(&self) -> Open {
        Open::new(&self.commands)
    }

    /// A stream to a workload is open as long as the value lasts.
    pub(super) fn stream(&self) -> Open {
        Open::new(&self.streams)
    }
}
