//! Lives of notebooks as their user sees them, with the moments that were seen: what is billed must lie between them.

use std::time::Instant;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;

use crate::rest::{Rest, read_file, write_file};

/// A run of a notebook by the test's own clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// Before it was asked for.
    asked: Instant,
    /// After it was seen running.
    seen: Instant,
    /// Before it was asked to stop.
    stopping: Instant,
    /// After it was seen stopped.
    stopped: Instant,
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (start, run, stop) = (
            self.seen.duration_since(self.asked),
            self.stopping.duration_since(self.seen),
            self.stopped.duration_since(self.stopping),
        );
        write!(
            f,
            "running after {start:.1?}, for {run:.1?}, over after {stop:.1?}"
        )
    }
}

/// How much less may be billed than was seen: a report may be so long on its way, and what the scheduler cannot know of is not
/// billed.
const ON_THE_WAY_MS: i64 = 1_000;

impl Run {
    /// Fewest and most milliseconds that this run can have cost.
    pub(crate) fn bounds(&self) -> (i64, i64) {
        let milliseconds = |from: Instant, until: Instant| {
            i64::try_from(until.duration_since(from).as_millis()).unwrap()
        };
        let least = milliseconds(self.seen, self.stopping) - ON_THE_WAY_MS;
        (least.max(1), milliseconds(self.asked, self.stopped) + 1)
    }
}

/// A run that has begun.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begun {
    asked: Instant,
    seen: Instant,
}

impl Begun {
    /// It was asked for at `asked`, and runs now.
    pub(crate) fn now(asked: Instant) -> Self {
        Self {
            asked,
            seen: Instant::now(),
        }
    }

    /// It was asked to stop at `stopping`, and has stopped by now.
    pub(crate) fn ended(self, stopping: Instant) -> Run {
        Run {
            asked: self.asked,
            seen: self.seen,
            stopping,
            stopped: Instant::now(),
        }
    }
}

/// A notebook that has lived, and its runs in their order.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    pub(crate) notebook: String,
    pub(crate) runs: Vec<Run>,
}

/// What a user does with a notebook, drawn.
#[derive(Clone, Copy, Debug)]
struct Plan {
    /// Writes a file, and finds it after a new start.
    writes: bool,
    /// Starts it a second time.
    restarts: bool,
    /// Deletes it while it runs, instead of stopping it first.
    deletes_running: bool,
    /// How long each run is left alone.
    stays: std::time::Duration,
}

impl Plan {
    fn draw(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        Self {
            writes: random.random_bool(0.6),
            restarts: random.random_bool(0.4),
            deletes_running: random.random_bool(0.3),
            stays: std::time::Duration::from_millis(random.random_range(500..4_000)),
        }
    }
}

/// Lives through one notebook; what happens in it depends on `seed` alone.
pub(crate) async fn live(rest: Rest, seed: u64, number: u64) -> Life {
    let plan = Plan::draw(seed.wrapping_mul(1_000).wrapping_add(number));
    let name = format!("life-{seed}-{number}");
    let mut asked = Instant::now();
    let created = rest.create(&name).await;
    let id = created["id"].as_str().unwrap().to_owned();
    let jupyter = rest.jupyter(&created);
    let mut runs = Vec::new();
    for start in 0..=u32::from(plan.restarts) {
        if start > 0 {
            asked = Instant::now();
            rest.start(&id).await;
        }
        rest.wait_for(&id, "Running").await;
        let begun = Begun::now(asked);
        if plan.writes {
            if start > 0 {
                assert_eq!(read_file(&jupyter).await, name, "files stay");
            }
            write_file(&jupyter, &name).await;
        }
        tokio::time::sleep(plan.stays).await;
        let last = start == u32::from(plan.restarts);
        let stopping = Instant::now();
        if !(last && plan.deletes_running) {
            rest.stop(&id).await;
            rest.wait_for(&id, "Stopped").await;
        } else {
            rest.delete(&id).await;
        }
        let run = begun.ended(stopping);
        eprintln!("{name}: {run}");
        runs.push(run);
    }
    rest.delete(&id).await;
    Life { notebook: id, runs }
}

/// The identifier in the JSON of a notebook.
pub(crate) fn id(notebook: &Value) -> String {
    notebook["id"].as_str().unwrap().to_owned()
}
