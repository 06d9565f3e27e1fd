//! Crashes drawn from a seed while notebooks live: whatever is killed and whenever, nothing is lost or doubled.
//!
//! `QUIRE_TEST_SEED` gives the seed, which is printed; without it a run has the same one each time. `QUIRE_TEST_SOAK` is the number
//! of lives a run: `scripts/test --soak` asks for 50, and for a run of each program alone.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use testkit::Faults;
use tokio::task::JoinSet;

use crate::installation::Installation;
use crate::invariants;
use crate::life::{Life, live};
use crate::rest::Rest;
use crate::split::SERVICES;
use crate::wiring::Wiring;

/// What may be killed beside the services.
const OTHERS: [&str; 5] = ["edge", "gateway", "agent", "nats", "postgres"];
/// Notebooks that live at the same time.
const AT_ONCE: usize = 3;
/// Lives in a run that is not a soak.
const LIVES: u64 = 3;
/// Lives with each program in a soak that names no number.
const SOAK_LIVES: u64 = 50;

/// A number that whoever starts the tests tells them.
#[allow(
    clippy::disallowed_methods,
    reason = "how long to test is no configuration of the product"
)]
fn told(name: &str) -> Option<u64> {
    let number = std::env::var(name).ok()?;
    Some(
        number
            .parse()
            .unwrap_or_else(|_| panic!("{name} is no number: {number:?}")),
    )
}

pub(crate) fn seed() -> u64 {
    told("QUIRE_TEST_SEED").unwrap_or(1)
}

/// Lives in each run of a soak; `None` when this is none.
pub(crate) fn soak() -> Option<u64> {
    told("QUIRE_TEST_SOAK")
}

/// One crash.
#[derive(Clone, Copy, Debug)]
struct Crash {
    /// How long nothing happens before.
    after: Duration,
    program: &'static str,
    /// How long the program is away.
    away: Duration,
}

/// Crashes, one after the other, all of them decided by the seed.
#[derive(Debug)]
struct Storm {
    random: StdRng,
    programs: Vec<&'static str>,
    /// Longest time between two crashes, in milliseconds.
    calm: u64,
}

impl Storm {
    fn new(seed: u64, programs: Vec<&'static str>) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
            // Whoever leads is followed after the end of the lease, four seconds: killed more often than that it never leads.
            calm: if programs.len() == 1 { 8_000 } else { 2_500 },
            programs,
        }
    }

    fn next(&mut self) -> Crash {
        let random = &mut self.random;
        let mut milliseconds =
            |from: u64, until: u64| Duration::from_millis(random.random_range(from..until));
        let (after, short, long) = (
            milliseconds(200, self.calm),
            milliseconds(0, 1_000),
            milliseconds(2_000, 6_000),
        );
        let program = self.programs[self.random.random_range(0..self.programs.len())];
        let away = if self.random.random_bool(0.15) {
            long
        } else {
            short
        };
        Crash {
            after,
            program,
            away,
        }
    }
}

/// Lives that have begun and those that are to come.
struct Lives {
    rest: Rest,
    seed: u64,
    left: std::ops::Range<u64>,
    running: JoinSet<Life>,
    over: Vec<Life>,
}

impl Lives {
    /// Beside those that are `over`, `number` more.
    fn begin(rest: Rest, seed: u64, number: u64, over: Vec<Life>) -> Self {
        let mut lives = Self {
            rest,
            seed,
            left: 1..number + 1,
            running: JoinSet::new(),
            over,
        };
        for _ in 0..AT_ONCE {
            lives.next();
        }
        lives
    }

    fn next(&mut self) {
        if let Some(number) = self.left.next() {
            self.running
                .spawn(live(self.rest.clone(), self.seed, number));
        }
    }

    /// Goes on for `time`; `false` when all lives are over.
    async fn go_on(&mut self, time: Duration) -> bool {
        let until = tokio::time::Instant::now() + time;
        while let Ok(ended) = tokio::time::timeout_at(until, self.running.join_next()).await {
            let Some(life) = ended else {
                return false;
            };
            self.over.push(life.unwrap());
            self.next();
        }
        true
    }

    async fn finish(&mut self) {
        while self.go_on(Duration::from_secs(60)).await {}
    }
}

/// Lives through `number` notebooks while `programs` are killed, then holds everything against the invariants.
async fn weather(quire: &mut Installation, seed: u64, number: u64, programs: Vec<&'static str>) {
    eprintln!("storm: seed {seed}, {number} lives, crashes of {programs:?}");
    let mut storm = Storm::new(seed, programs);
    // A first one in peace installs the environment: an agent that is killed more often than that takes begins it anew each time.
    let first = live(Rest::of(quire), seed, 0).await;
    let mut lives = Lives::begin(Rest::of(quire), seed, number, vec![first]);
    let mut fallen = Vec::new();
    let mut crashes = 0;
    loop {
        let crash = storm.next();
        if !lives.go_on(crash.after).await {
            break;
        }
        fallen.extend(quire.split().raise_fallen());
        eprintln!("storm: {crash:?}");
        tokio::task::block_in_place(|| quire.split().crash(crash.program));
        lives.go_on(crash.away).await;
        tokio::task::block_in_place(|| quire.split().recover(crash.program));
        crashes += 1;
    }
    fallen.extend(quire.split().raise_fallen());
    let rest = Rest::of(quire);
    invariants::hold(quire.split(), &rest, &lives.over).await;
    assert_eq!(
        fallen,
        Vec::<String>::new(),
        "programs outlive the crash of others"
    );
    eprintln!(
        "storm: {crashes} crashes, {} lives, nothing lost or doubled",
        lives.over.len()
    );
}

fn all_programs() -> Vec<&'static str> {
    SERVICES.into_iter().chain(OTHERS).collect()
}

/// `kill -9` of each program, drawn from a seed.
#[tokio::test(flavor = "multi_thread")]
async fn crashes_lose_and_double_nothing() {
    let mut quire = Installation::start_split();
    weather(&mut quire, seed(), soak().unwrap_or(LIVES), all_programs()).await;
}

/// Events come twice, late and in another order, and the bus forgets everything once: correctness never depends on them.
#[tokio::test(flavor = "multi_thread")]
async fn events_that_come_wrong_or_not_at_all_change_nothing() {
    let seed = seed();
    eprintln!("events: seed {seed}");
    let faults = Faults {
        seed,
        twice: 0.2,
        late: 0.2,
        swapped: 0.2,
        longest_delay: Duration::from_secs(3),
    };
    let wiring = Wiring {
        faults: Some(faults),
        ..Wiring::default()
    };
    let mut quire = Installation::start_wired(wiring);
    let mut lives = Lives::begin(Rest::of(&quire), seed, soak().unwrap_or(LIVES), Vec::new());
    let wiped_after = StdRng::seed_from_u64(seed).random_range(5_000..15_000);
    assert!(
        lives.go_on(Duration::from_millis(wiped_after)).await,
        "all is over before the folder is wiped"
    );
    eprintln!("events: the folder of JetStream is wiped");
    tokio::task::block_in_place(|| quire.split().nats.restart(true));
    lives.finish().await;
    let rest = Rest::of(&quire);
    invariants::hold(quire.split(), &rest, &lives.over).await;
    assert_eq!(quire.split().raise_fallen(), Vec::<String>::new());
    let happened = quire.split().extras.events.as_ref().unwrap().happened();
    eprintln!("events: {happened:?}");
    for count in [happened.twice, happened.late, happened.swapped] {
        assert!(count > 0, "{happened:?}");
    }
}

/// Each program alone, again and again: a test of its own, so that one can be asked for.
macro_rules! alone {
    ($($program:ident),* $(,)?) => {
        const ALONE: &[&str] = &[$(stringify!($program)),*];

        mod alone {
            $(#[tokio::test(flavor = "multi_thread")]
            #[ignore = "takes minutes: scripts/test --soak"]
            async fn $program() {
                super::crash_alone(stringify!($program)).await;
            })*
        }
    };
}
alone!(
    identity, inventory, volume, scheduler, billing, notebook, journal, edge, gateway, agent, nats,
    postgres,
);

async fn crash_alone(program: &'static str) {
    let mut quire = Installation::start_split();
    let number = soak().unwrap_or(SOAK_LIVES);
    weather(&mut quire, seed(), number, vec![program]).await;
}

#[test]
fn every_program_is_crashed_alone_too() {
    assert_eq!(ALONE, all_programs());
}

#[test]
fn a_seed_decides_the_whole_storm() {
    let draw = |seed| {
        let mut storm = Storm::new(seed, all_programs());
        (0..200)
            .map(|_| format!("{:?}", storm.next()))
            .collect::<Vec<_>>()
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
    let drawn = draw(1).join(" ");
    for program in all_programs() {
        assert!(drawn.contains(program), "{program} is never killed");
    }
}
