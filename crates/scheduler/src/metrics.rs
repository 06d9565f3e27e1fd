//! What the scheduler counts.

use chassis::telemetry::Tally;
use opentelemetry::global;
use opentelemetry::metrics::{Counter, Gauge};

/// What the scheduler counts. The gauges are the leader's: on a standby all of them read 0.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    pub(crate) placements: Counter<u64>,
    pub(crate) ends: Counter<u64>,
    pub(crate) overdue: Counter<u64>,
    /// Workloads that wait, by their dominant obstacle.
    pub(crate) queue: Tally,
    /// Attempts that have not ended, by state.
    pub(crate) open_attempts: Tally,
    leader: Gauge<u64>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let meter = global::meter("quire");
        let counter = |name: &'static str, description: &'static str| {
            meter
                .u64_counter(name)
                .with_description(description)
                .build()
        };
        Self {
            placements: counter("quire_placements", "attempts that got a place"),
            ends: counter("quire_attempt_ends", "attempts that ended, by how"),
            overdue: counter(
                "quire_attempts_overdue",
                "attempts that stayed too long in a state",
            ),
            queue: Tally::new(
                "quire_queue",
                "workloads that wait, by what is short",
                "reason",
            ),
            open_attempts: Tally::new(
                "quire_open_attempts",
                "attempts that have not ended, by state",
                "state",
            ),
            leader: meter
                .u64_gauge("quire_leader")
                .with_description("1 where this replica of the scheduler leads")
                .build(),
        }
    }

    /// Whether this replica leads now.
    pub(crate) fn leads(&self, leads: bool) {
        self.leader.record(leads.into(), &[]);
        if !leads {
            self.queue.set::<&str>([]);
            self.open_attempts.set::<&str>([]);
        }
    }
}
