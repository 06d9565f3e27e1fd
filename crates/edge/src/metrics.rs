//! What the door counts.

use std::time::Duration;

use opentelemetry::metrics::{Counter, Histogram, UpDownCounter};
use opentelemetry::{KeyValue, global};

/// What the door counts.
#[derive(Debug)]
pub(crate) struct Metrics {
    requests: Counter<u64>,
    limits: Counter<u64>,
    bytes: Counter<u64>,
    upstream_errors: Counter<u64>,
    overhead: Histogram<f64>,
    relays: UpDownCounter<i64>,
    relay_streams: UpDownCounter<i64>,
    relays_refused: Counter<u64>,
    /// Connections that are open.
    pub(crate) connections: UpDownCounter<i64>,
    /// WebSockets that are open.
    pub(crate) websockets: UpDownCounter<i64>,
}

/// Counts one as long as it lasts.
#[derive(Debug)]
pub(crate) struct Open(UpDownCounter<i64>, Vec<KeyValue>);

impl Open {
    fn new(gauge: &UpDownCounter<i64>, labels: Vec<KeyValue>) -> Self {
        gauge.add(1, &labels);
        Self(gauge.clone(), labels)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.add(-1, &self.1);
    }
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// To the notebook.
    In,
    /// To the visitor.
    Out,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let meter = global::meter("quire");
        let counter = |name, description| {
            meter
                .u64_counter(name)
                .with_description(description)
                .build()
        };
        let gauge = |name, description| {
            meter
                .i64_up_down_counter(name)
                .with_description(description)
                .build()
        };
        Self {
            requests: counter("quire_edge_requests", "requests, by what became of them"),
            limits: counter(
                "quire_edge_limits",
                "what was refused or closed, by the limit it reached",
            ),
            bytes: counter(
                "quire_edge_bytes",
                "bytes of bodies and websockets, by direction",
            ),
            upstream_errors: counter(
                "quire_edge_upstream_errors",
                "failed tries to reach a notebook, by kind",
            ),
            overhead: meter
                .f64_histogram("quire_edge_overhead_seconds")
                .with_description(
                    "time from a request's head until the notebook's connection has it",
                )
                .build(),
            relays: gauge(
                "quire_edge_relays",
                "connections of agents that are open, by node",
            ),
            relay_streams: gauge(
                "quire_edge_relay_streams",
                "streams to workloads of other hosts that are open",
            ),
            relays_refused: counter(
                "quire_edge_relays_refused",
                "connections to the relay that showed no certificate of a node",
            ),
            connections: gauge("quire_edge_connections", "connections that are open"),
            websockets: gauge("quire_edge_websockets", "websockets that are open"),
        }
    }

    /// A request was answered.
    pub(crate) fn request(&self, outcome: &'static str) {
        self.requests.add(1, &[KeyValue::new("outcome", outcome)]);
    }

    /// A limit was reached.
    pub(crate) fn limit(&self, limit: &'static str) {
        self.limits.add(1, &[KeyValue::new("limit", limit)]);
    }

    /// Bytes went through.
    pub(crate) fn bytes(&self, direction: Direction, bytes: usize) {
        let direction = match direction {
            Direction::In => "in",
            Direction::Out => "out",
        };
        self.bytes
            .add(bytes as u64, &[KeyValue::new("direction", direction)]);
    }

    /// A notebook could not be reached.
    pub(crate) fn upstream_error(&self, kind: &'static str) {
        self.upstream_errors.add(1, &[KeyValue::new("kind", kind)]);
    }

    /// A request was handed on.
    pub(crate) fn handed_on(&self, took: Duration) {
        self.overhead.record(took.as_secs_f64(), &[]);
    }

    /// A connection of an agent is open as long as the value lasts.
    pub(crate) fn relay(&self, node: &str) -> Open {
        Open::new(&self.relays, vec![KeyValue::new("node", node.to_owned())])
    }

    /// A stream to a workload of another host is open as long as the value lasts.
    pub(crate) fn relay_stream(&self) -> Open {
        Open::new(&self.relay_streams, Vec::new())
    }

    /// A connection to the relay was refused.
    pub(crate) fn relay_refused(&self) {
        self.relays_refused.add(1, &[]);
    }
}
