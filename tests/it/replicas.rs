//! Two of each service behind one address: whichever is killed, the other one does its work, and nothing happens twice.

use std::time::{Duration, Instant};

use crate::installation::Installation;
use crate::invariants;
use crate::life::{Begun, Life, id, live};
use crate::rest::{Rest, patiently};
use crate::split::{SERVICES, Split};
use crate::storm::seed;
use crate::wiring::Wiring;

/// The longest time without a leader that places work.
const TAKEOVER: Duration = Duration::from_secs(5);

fn two_of_each() -> Installation {
    Installation::start_wired(Wiring {
        replicas: true,
        ..Wiring::default()
    })
}

/// How often a notebook has been given a place, by the scheduler's own rows.
fn placed(split: &Split, notebook: &str) -> usize {
    let attempts = format!(
        "SELECT a.id FROM attempts a JOIN workloads w ON w.id = a.workload_id WHERE w.owner_id = '{notebook}'"
    );
    split
        .query("scheduler", &attempts)
        .unwrap_or_default()
        .len()
}

/// The leading scheduler is killed: the standby gives work a place within seconds, and what ran before runs on.
#[tokio::test(flavor = "multi_thread")]
async fn a_standby_takes_over_from_a_leader_that_was_killed() {
    let mut quire = two_of_each();
    let rest = Rest::of(&quire);
    let asked = Instant::now();
    let before = id(&rest.create("before").await);
    rest.wait_for(&before, "Running").await;
    let first = Begun::now(asked);
    let epoch = quire.split().leader_epoch().unwrap();

    let asked = Instant::now();
    quire.split().kill("scheduler");
    let after = id(&rest.create("after").await);
    let split = &*quire.split();
    patiently("a place from the standby", || async {
        (placed(split, &after) == 1).then_some(())
    })
    .await;
    let took = asked.elapsed();
    eprintln!("the standby placed work {took:?} after the leader was killed");
    assert!(quire.split().leader_epoch().unwrap() > epoch);
    assert!(took < TAKEOVER, "took {took:?}");
    rest.wait_for(&after, "Running").await;
    let second = Begun::now(asked);

    // The one that led stands by now. Whichever an agent reaches first, it finds the leader.
    quire.split().restart("scheduler");
    for _ in 0..2 {
        quire.split().kill("agent");
        quire.split().restart("agent");
        let name = format!("found-{}", Instant::now().duration_since(asked).as_millis());
        let found = id(&rest.create(&name).await);
        rest.wait_for(&found, "Running").await;
        rest.delete(&found).await;
    }
    assert_eq!(
        (
            placed(quire.split(), &before),
            placed(quire.split(), &after)
        ),
        (1, 1),
        "nothing was placed twice"
    );
    let mut runs = Vec::new();
    for (notebook, begun) in [(before, first), (after, second)] {
        let stopping = Instant::now();
        rest.stop(&notebook).await;
        rest.wait_for(&notebook, "Stopped").await;
        runs.push((notebook, begun.ended(stopping)));
    }
    let split = &*quire.split();
    for (notebook, run) in runs {
        let statement = format!(
            "SELECT sum(c.milliseconds) FROM charges c JOIN attempts a ON a.id = c.attempt_id WHERE a.owner_id = '{notebook}' AND a.settled_at IS NOT NULL"
        );
        let billed: i64 = patiently("the run to be settled", || async {
            split
                .query("billing", &statement)?
                .first()?
                .first()?
                .parse()
                .ok()
        })
        .await;
        let (least, most) = run.bounds();
        assert!(
            (least..=most).contains(&billed),
            "{least} <= {billed} <= {most}"
        );
        rest.delete(&notebook).await;
    }
    assert_eq!(rest.audit().await, serde_json::json!([]));
}

/// One replica of each service is killed while notebooks live, one after the other and without coming back at once.
#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_is_enough() {
    let mut quire = two_of_each();
    let rest = Rest::of(&quire);
    let mut lives: Vec<Life> = Vec::new();
    for (number, first_of) in [true, false].into_iter().enumerate() {
        let name = |service: &str| match first_of {
            true => service.to_owned(),
            false => format!("{service}#2"),
        };
        let programs: Vec<String> = SERVICES.into_iter().chain(["gateway"]).map(name).collect();
        programs
            .iter()
            .for_each(|program| quire.split().kill(program));
        let number = u64::try_from(number).unwrap() * 2;
        let (one, two) = tokio::join!(
            live(rest.clone(), seed(), number),
            live(rest.clone(), seed(), number + 1)
        );
        lives.extend([one, two]);
        programs
            .iter()
            .for_each(|program| quire.split().restart(program));
    }
    invariants::hold(quire.split(), &rest, &lives).await;
    assert_eq!(quire.split().raise_fallen(), Vec::<String>::new());
}
