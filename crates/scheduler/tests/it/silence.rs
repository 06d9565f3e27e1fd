//! Silent nodes: what keeps its place waits there, what moves goes elsewhere.

use chrono::TimeDelta;
use contracts::inventory::v1::NodeChanged;
use contracts::inventory::v1::NodeLiveness::{Ready, Silent};
use contracts::scheduler::v1::{AttemptEnd, AttemptState, OnSilence, WorkloadSpec, WorkloadState};
use contracts::to_wire_time;
use kernel::Clock as _;
use sea_orm::ConnectionTrait as _;
use testkit::Engine;

use crate::house::{House, OFTEN_MS, spec};

async fn what_keeps_its_place_waits_for_its_node(engine: Engine) {
    let house = House::open(engine).await;
    let node = house.node("box", 4_000, 8_192).await;
    house.node("elsewhere", 4_000, 8_192).await;
    let mut agent = house.agent(&node).await;
    let workload = house
        .submit(
            "r1",
            WorkloadSpec {
                node_id: node.id.clone(),
                ..spec(1_000, 1_024)
            },
        )
        .await;
    let mut run = agent.assigned().await;
    agent.say(run.running(0)).await;

    house.clock.advance(TimeDelta::seconds(10));
    let since = Some(to_wire_time(house.clock.now()));
    let node = house.liveness(&node, Silent).await;
    let silent = house
        .until(&workload.id, "silence", |found| {
            found.attempt.as_ref().unwrap().unreachable_since.is_some()
        })
        .await;
    assert_eq!(silent.state(), WorkloadState::Active);
    let attempt = silent.attempt.unwrap();
    assert_eq!(
        (attempt.state(), attempt.unreachable_since),
        (AttemptState::Running, since)
    );
    let why = house.explain(&workload.id).await;
    assert_eq!(
        why.summary,
        "its node does not answer; it goes on there and is not moved"
    );

    house.clock.advance(TimeDelta::seconds(50));
    house.liveness(&node, Ready).await;
    let back = house
        .until(&workload.id, "its return", |found| {
            found.attempt.as_ref().unwrap().unreachable_since.is_none()
        })
        .await;
    assert_eq!(
        back.attempt.as_ref().unwrap().state(),
        AttemptState::Running
    );
    // The silence is proved continuous, and costs.
    agent.say(run.running(60)).await;
    let attempt = house.workload(&workload.id).await.attempt.unwrap();
    assert_eq!(
        (attempt.generation, attempt.confirmed_until),
        (1, Some(to_wire_time(house.clock.now())))
    );
}

async fn what_moves_goes_elsewhere(engine: Engine) {
    let house = House::open(engine).await;
    let node = house.node("box", 4_000, 8_192).await;
    let mut agent = house.agent(&node).await;
    let moves = WorkloadSpec {
        on_silence: OnSilence::Move.into(),
        retries: 0,
        ..spec(1_000, 1_024)
    };
    let workload = house.submit("r1", moves).await;
    let mut run = agent.assigned().await;
    agent.say(run.running(0)).await;
    let confirmed = house
        .workload(&workload.id)
        .await
        .attempt
        .unwrap()
        .confirmed_until;
    drop(agent);
    house.clock.advance(TimeDelta::seconds(30));
    house.liveness(&node, Silent).await;
    let waits = house
        .until(&workload.id, "the queue", |found| {
            found.reason.contains("node box is silent")
        })
        .await;
    let lost = waits.attempt.unwrap();
    assert_eq!(
        (lost.end(), lost.billable_until),
        (AttemptEnd::Lost, confirmed),
        "silence that ended in lost is not billed"
    );

    let other = house.node("other", 4_000, 8_192).await;
    let mut elsewhere = house.agent(&other).await;
    let mut second = elsewhere.assigned().await;
    assert_eq!(second.assignment.generation, 2);
    elsewhere.say(second.running(0)).await;
    // The old node comes back with what nobody wants any more.
    let mut again = house.agent_that_holds(&node, vec![run.running(60)]).await;
    let wanted = again.wanted().await;
    assert_eq!(
        (
            wanted.assignments.len(),
            wanted.stops[0].attempt_id.as_str()
        ),
        (0, run.attempt_id())
    );
    again.say(run.stopped(Some(61))).await;
    let attempt = house.workload(&workload.id).await.attempt.unwrap();
    assert_eq!(
        (attempt.generation, attempt.state()),
        (2, AttemptState::Running)
    );
    assert_eq!(
        house
            .number("SELECT COUNT(*) FROM attempts WHERE ended = 4")
            .await,
        1
    );
}

/// The news was taken over, and whoever did it was interrupted before it drew anything from it.
async fn news_that_nobody_followed_is_followed_later(engine: Engine) {
    let mut house = House::open(engine).await;
    let node = house.node("box", 4_000, 8_192).await;
    let mut agent = house.agent(&node).await;
    let workload = house.submit("r1", spec(1_000, 1_024)).await;
    let mut run = agent.assigned().await;
    agent.say(run.running(0)).await;
    house.replicas.pop().unwrap().stop().await.unwrap();
    let silent = format!(
        "UPDATE nodes SET liveness = {}, revision = 2",
        i32::from(Silent)
    );
    house
        .tables()
        .await
        .execute_unprepared(&silent)
        .await
        .unwrap();
    house.add_replica(OFTEN_MS).await;
    house
        .until(&workload.id, "silence", |found| {
            found.attempt.as_ref().unwrap().unreachable_since.is_some()
        })
        .await;
}

/// Nothing new goes to a silent node, and no event is needed to know that it is one.
async fn silence_is_seen_without_its_event(engine: Engine) {
    let house = House::open(engine).await;
    let mut node = house.node("box", 4_000, 8_192).await;
    (node.liveness, node.revision) = (Silent.into(), 2);
    house
        .inventory
        .nodes
        .lock()
        .unwrap()
        .insert(node.id.clone(), node.clone());
    house.knows(&node).await;
    let workload = house.submit("r1", spec(1_000, 1_024)).await;
    house
        .until(&workload.id, "the reason", |found| {
            found.reason.contains("node box is silent")
        })
        .await;
    // And an event alone is enough as well.
    (node.liveness, node.revision) = (Ready.into(), 3);
    let event = NodeChanged {
        node: Some(node.clone()),
        ..NodeChanged::default()
    };
    house.nats.publish(&event, &node.id).await;
    house
        .until(&workload.id, "a place", |found| found.attempt.is_some())
        .await;
}

testkit::on_each_engine!(
    what_keeps_its_place_waits_for_its_node,
    what_moves_goes_elsewhere,
    news_that_nobody_followed_is_followed_later,
    silence_is_seen_without_its_event,
);
