//! What goes wrong: on the node, and with the reports of it.

use chrono::TimeDelta;
use contracts::scheduler::v1::{AttemptEnd, AttemptEnded, AttemptState, Fault, WorkloadState};
use contracts::to_wire_time;
use kernel::Clock as _;
use testkit::{Engine, eventually};

use crate::house::{House, spec};

async fn faults_of_the_platform_are_tried_again(engine: Engine) {
    let house = House::open(engine).await;
    let node = house.node("box", 4_000, 8_192).await;
    let mut agent = house.agent(&node).await;
    let workload = house.submit("r1", spec(1_000, 1_024)).await;
    for generation in 1..=3 {
        let mut run = agent.assigned().await;
        assert_eq!(run.assignment.generation, generation);
        agent.say(run.starting()).await;
        agent.say(run.broken_by_platform()).await;
    }
    let over = house.workload(&workload.id).await;
    assert_eq!(
        (over.state(), over.reason.as_str()),
        (WorkloadState::Failed, "no space left")
    );
    let attempt = over.attempt.unwrap();
    assert_eq!(
        (attempt.generation, attempt.end(), attempt.fault()),
        (3, AttemptEnd::Failed, Fault::Platform)
    );
    assert_eq!(
        house
            .number("SELECT COUNT(*) FROM attempts WHERE state = 5")
            .await,
        3
    );
    assert_eq!(
        house.number("SELECT free_memory_mib FROM nodes").await,
        8_192
    );
    let ends = eventually("three ends", || async {
        let ends: Vec<AttemptEnded> = house.nats.events().await;
        (ends.len() == 3).then_some(ends)
    })
    .await;
    assert!(
        ends.iter()
            .all(|end| end.attempt.as_ref().unwrap().billable_from.is_none()),
        "what never ran costs nothing"
    );
}

async fn a_fault_of_the_user_is_not(engine: Engine) {
    let house = House::open(engine).await;
    let node = house.node("box", 4_000, 8_192).await;
    let mut agent = house.agent(&node).await;
    let workload = house.submit("r1", spec(1_000, 1_024)).await;
    let mut run = agent.assigned().await;
    agent.say(run.running(0)).await;
    agent
        .say(run.ended(AttemptEnd::Failed, Fault::User, "out of memory"))
        .await;
    let over = house.workload(&workload.id).await;
    assert_eq!(
        (over.state(), over.reason.as_str()),
        (WorkloadState::Failed, "out of memory")
    );
    assert_eq!(over.attempt.unwrap().generation, 1);
}

async fn reports_count_once_and_forward(engine: Engine) {
    let house = House::open(engine).await;
    let node = house.node("box", 4_000, 8_192).await;
    let mut agent = house.agent(&node).await;
    let workload = house.submit("r1", spec(1_000, 1_024)).await;
    let mut run = agent.assigned().await;
    let (starting, running) = (run.starting(), run.running(0));
    let from = to_wire_time(house.clock.now());
    agent.say(running.clone()).await;
    let before = house.workload(&workload.id).await;
    assert_eq!(
        before.attempt.as_ref().unwrap().state(),
        AttemptState::Running
    );

    house.clock.advance(TimeDelta::seconds(30));
    // The older one comes late; the newer one comes twice.
    agent.say(starting).await;
    agent.say(running).await;
    assert_eq!(house.workload(&workload.id).await, before);

    let end = run.ended(AttemptEnd::Completed, Fault::Unspecified, "done");
    let late = run.running(30);
    agent.say(end.clone()).await;
    let over = house.workload(&workload.id).await;
    agent.say(late).await;
    agent.say(end).await;
    assert_eq!(
        house.workload(&workload.id).await,
        over,
        "an end is the end"
    );
    assert_eq!(
        over.attempt.unwrap().billable_until,
        Some(from),
        "nothing more was confirmed"
    );
}

async fn reports_of_something_else_change_nothing(engine: Engine) {
    let house = House::open(engine).await;
    let (one, other) = (
        house.node("one", 4_000, 8_192).await,
        house.node("other", 1_000, 1_024).await,
    );
    let (mut agent, mut stranger) = (house.agent(&one).await, house.agent(&other).await);
    let workload = house.submit("r1", spec(2_000, 1_024)).await;
    let mut first = agent.assigned().await;
    agent.say(first.broken_by_platform()).await;
    let mut second = agent.assigned().await;
    agent.say(second.running(0)).await;
    let before = house.workload(&workload.id).await;

    // Of the generation before, under the name of the new attempt, of nobody's, and of another node's.
    agent.say(first.broken_by_platform()).await;
    let mut wrong = second.clone();
    wrong.assignment.generation = 1;
    agent.say(wrong.broken_by_platform()).await;
    wrong.assignment.attempt_id = "at-?".to_owned();
    agent.say(wrong.broken_by_platform()).await;
    stranger.say(second.clone().broken_by_platform()).await;
    assert_eq!(house.workload(&workload.id).await, before);
}

/// The monotonic clock of another boot says nothing of this run.
async fn another_boot_counts_nothing(engine: Engine) {
    let house = House::open(engine).await;
    let node = house.node("box", 4_000, 8_192).await;
    let mut agent = house.agent(&node).await;
    let workload = house.submit("r1", spec(1_000, 1_024)).await;
    let mut run = agent.assigned().await;
    agent.say(run.running(0)).await;
    let before = house.workload(&workload.id).await.attempt.unwrap();
    house.clock.advance(TimeDelta::seconds(100));
    let mut other = run.running(90);
    other.boot_id = "boot-2".to_owned();
    agent.say(other).await;
    let after = house.workload(&workload.id).await.attempt.unwrap();
    assert_eq!(after.confirmed_until, before.confirmed_until);
}

testkit::on_each_engine!(
    faults_of_the_platform_are_tried_again,
    a_fault_of_the_user_is_not,
    reports_count_once_and_forward,
    reports_of_something_else_change_nothing,
    another_boot_counts_nothing,
);
