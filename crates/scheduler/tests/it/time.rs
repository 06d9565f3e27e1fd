//! Time: what may run only so long, and what takes too long.

use chrono::TimeDelta;
use contracts::scheduler::v1::{AttemptState, WorkloadSpec, WorkloadState};
use contracts::to_wire_time;
use kernel::Clock as _;
use testkit::Engine;

use crate::house::{House, spec};

async fn the_longest_duration_ends_it(engine: Engine) {
    let house = House::open(engine).await;
    let node = house.node("box", 4_000, 8_192).await;
    let mut agent = house.agent(&node).await;
    let limited = WorkloadSpec {
        max_duration_seconds: 120,
        ..spec(1_000, 1_024)
    };
    let workload = house.submit("r1", limited).await;
    let mut run = agent.assigned().await;
    house.clock.advance(TimeDelta::seconds(500));
    agent.say(run.running(0)).await;
    let until = house.clock.now() + TimeDelta::seconds(120);
    let attempt = house.workload(&workload.id).await.attempt.unwrap();
    assert_eq!(
        attempt.run_until,
        Some(to_wire_time(until)),
        "from running on, not from its place"
    );

    house.clock.advance(TimeDelta::seconds(119));
    agent.say(run.running(119)).await;
    assert_eq!(
        house.workload(&workload.id).await.attempt.unwrap().state(),
        AttemptState::Running
    );
    house.clock.advance(TimeDelta::seconds(1));
    assert_eq!(
        agent.told_to_stop().await.reason,
        "reached its maximum duration"
    );
    agent.say(run.stopped(Some(120))).await;
    let over = house.workload(&workload.id).await;
    assert_eq!(
        (over.state(), over.reason.as_str()),
        (WorkloadState::Stopped, "reached its maximum duration")
    );
    assert_eq!(
        over.attempt.unwrap().billable_until,
        Some(to_wire_time(until))
    );
}

/// An agent that connects again is told how long it may run.
async fn the_end_of_time_is_told_at_hello(engine: Engine) {
    let house = House::open(engine).await;
    let node = house.node("box", 4_000, 8_192).await;
    let mut agent = house.agent(&node).await;
    let limited = WorkloadSpec {
        max_duration_seconds: 120,
        ..spec(1_000, 1_024)
    };
    house.submit("r1", limited).await;
    let mut run = agent.assigned().await;
    agent.say(run.running(0)).await;
    let until = house.clock.now() + TimeDelta::seconds(120);
    drop(agent);
    let mut again = house.agent_that_holds(&node, vec![run.running(1)]).await;
    assert_eq!(
        again.wanted().await.assignments[0].run_until,
        Some(to_wire_time(until))
    );
}

async fn what_is_stuck_is_called_so(engine: Engine) {
    let house = House::open(engine).await;
    let node = house.node("box", 4_000, 8_192).await;
    let workload = house.submit("r1", spec(1_000, 1_024)).await;
    house
        .until(&workload.id, "a place", |found| found.attempt.is_some())
        .await;
    let fresh = house.explain(&workload.id).await.summary;
    assert!(
        fresh.starts_with("has a place; its node is being told") && !fresh.contains("stuck"),
        "{fresh}"
    );
    house.clock.advance(TimeDelta::seconds(31));
    let stuck = house.explain(&workload.id).await.summary;
    assert!(stuck.ends_with("; stuck: so since 31 s"), "{stuck}");

    let mut agent = house.agent(&node).await;
    let mut run = agent.assigned().await;
    agent.say(run.starting()).await;
    house.clock.advance(TimeDelta::seconds(1_800));
    let starting = house.explain(&workload.id).await.summary;
    assert_eq!(starting, "is being started: prepares python");
    house.clock.advance(TimeDelta::seconds(1));
    let stuck = house.explain(&workload.id).await.summary;
    assert_eq!(
        stuck,
        "is being started: prepares python; stuck: so since 1801 s"
    );
}

testkit::on_each_engine!(
    the_longest_duration_ends_it,
    the_end_of_time_is_told_at_hello,
    what_is_stuck_is_called_so,
);
