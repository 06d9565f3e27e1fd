//! What the scheduler counts.

use std::time::Duration;

use chassis::telemetry::Tally;
use opentelemetry::metrics::{Counter, Gauge, Histogram};
use opentelemetry::{KeyValue, global};

/// What the scheduler counts. The gauges are the leader's: on a standby all of them read 0.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    placements: Counter<u64>,
    /// Decisions of placement passes, by policy and by what was decided.
    decisions: Counter<u64>,
    /// How long placement passes take, by policy.
    pass_seconds: Histogram<f64>,
    /// Workloads that were told to make room.
    preemptions: Counter<u64>,
    pub(crate) ends: Counter<u64>,
    pub(crate) overdue: Counter<u64>,
    /// Changes of the queues that operators write down, by what was done.
    queue_changes: Counter<u64>,
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
            decisions: counter(
                "quire_placement_decisions",
                "decisions of placement passes, by policy and by what was decided",
            ),
            pass_seconds: meter
                .f64_histogram("quire_placement_pass_seconds")
                .with_description("time of one placement pass over all that waits, by policy")
                .build(),
            preemptions: counter(
                "quire_preemptions",
                "workloads that were told to make room for others",
            ),
            ends: counter("quire_attempt_ends", "attempts that ended, by how"),
            overdue: counter(
                "quire_attempts_overdue",
                "attempts that stayed too long in a state",
            ),
            queue_changes: counter(
                "quire_queue_changes",
                "changes of the queues that are written down, by what was done",
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

    /// An operator has changed the queues.
    pub(crate) fn queues_changed(&self, what: &'static str) {
        self.queue_changes.add(1, &[KeyValue::new("change", what)]);
    }

    /// A placement pass is over.
    pub(crate) fn passed(&self, policy: &'static str, placed: u64, waiting: u64, took: Duration) {
        let label = KeyValue::new("policy", policy);
        self.placements.add(placed, &[]);
        for (decision, count) in [("place", placed), ("wait", waiting)] {
            let labels = [label.clone(), KeyValue::new("decision", decision)];
            self.decisions.add(count, &labels);
        }
        self.pass_seconds.record(took.as_secs_f64(), &[label]);
    }

    /// A workload was told to make room.
    pub(crate) fn preempted(&self) {
        self.preemptions.add(1, &[]);
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
