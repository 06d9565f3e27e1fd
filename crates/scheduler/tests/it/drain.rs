//! A drain: what can move goes elsewhere at once, what cannot stays until the deadline and comes back when the node is opened.

use chrono::TimeDelta;
use contracts::inventory::v1::{Node, NodeSchedulable};
use contracts::scheduler::v1::{AttemptEnd, AttemptState, OnSilence, WorkloadSpec, WorkloadState};
use contracts::to_wire_time;
use kernel::Clock as _;
use testkit::Engine;

use crate::house::{House, spec};

fn files() -> WorkloadSpec {
    WorkloadSpec {
        volume_id: "vo-1".to_owned(),
        ..spec(1_000, 1_024)
    }
}

fn moves() -> WorkloadSpec {
    WorkloadSpec {
        on_silence: OnSilence::Move.into(),
        kind: "job".to_owned(),
        ..spec(1_000, 1_024)
    }
}

impl House {
    async fn schedulable(
        &self,
        node: &Node,
        schedulable: NodeSchedulable,
        deadline: Option<TimeDelta>,
    ) -> Node {
        let mut next = node.clone();
        next.schedulable = schedulable.into();
        next.drain_deadline_at = deadline.map(|length| to_wire_time(self.clock.now() + length));
        next.revision += 1;
        self.tell(next).await
    }
}

async fn what_can_move_goes_elsewhere_and_the_rest_stays(engine: Engine) {
    let house = House::open(engine).await;
    let old = house.node("old", 4_000, 8_192).await;
    let mut agent = house.agent(&old).await;
    let notebook = house.submit("r1", files()).await;
    let mut stays = agent.assigned().await;
    let job = house.submit("r2", moves()).await;
    let mut goes = agent.assigned().await;
    agent.say(stays.running(0)).await;
    agent.say(goes.running(0)).await;

    let new = house.node("new", 4_000, 8_192).await;
    let old = house
        .schedulable(&old, NodeSchedulable::Draining, None)
        .await;
    let stop = agent.told_to_stop().await;
    assert_eq!(
        (stop.attempt_id.as_str(), stop.end(), stop.reason.as_str()),
        (
            goes.attempt_id(),
            AttemptEnd::Preempted,
            "its node is drained"
        )
    );
    let mut elsewhere = house.agent(&new).await;
    agent.say(goes.stopped(Some(1))).await;
    let mut second = elsewhere.assigned().await;
    assert_eq!(
        (
            second.assignment.workload_id.as_str(),
            second.assignment.generation
        ),
        (job.id.as_str(), 2)
    );
    elsewhere.say(second.running(0)).await;
    let ends = "SELECT COUNT(*) FROM attempts WHERE ended = 3";
    assert_eq!(house.number(ends).await, 1, "it made room");

    let still = house.work("old").await;
    assert_eq!((still.work.len(), still.volumes), (1, 1));
    let left = &still.work[0];
    assert_eq!(
        (left.workload_id.as_str(), left.kind.as_str(), left.movable),
        (notebook.id.as_str(), "notebook", false)
    );
    assert_eq!((left.state(), left.until), (AttemptState::Running, None));
    // Whoever stops it now wants it stopped.
    house.stop(&notebook.id, "stopped by user").await;
    agent.told_to_stop().await;
    agent.say(stays.stopped(Some(2))).await;
    let ended = house.workload(&notebook.id).await;
    assert_eq!(ended.state(), WorkloadState::Stopped);
    assert_eq!(house.work(&old.id).await.work, []);
}

async fn at_the_deadline_the_rest_is_stopped_and_comes_back_later(engine: Engine) {
    let house = House::open(engine).await;
    let node = house.node("old", 4_000, 8_192).await;
    house.node("new", 4_000, 8_192).await;
    let mut agent = house.agent(&node).await;
    let pinned = WorkloadSpec {
        node_id: node.id.clone(),
        ..files()
    };
    let notebook = house.submit("r1", pinned).await;
    let mut run = agent.assigned().await;
    agent.say(run.running(0)).await;
    let hour = Some(TimeDelta::hours(1));
    let node = house
        .schedulable(&node, NodeSchedulable::Draining, hour)
        .await;
    let until = house.work("old").await.work[0].until;
    assert_eq!(until, node.drain_deadline_at);
    drop(agent);

    house.clock.advance(TimeDelta::hours(1));
    house
        .until(&notebook.id, "the order to leave", |found| {
            found.reason == "its node is drained"
        })
        .await;
    // Level-triggered: who was away when it was said hears it at the greeting.
    let mut agent = house
        .agent_that_holds(&node, vec![run.running(3_600)])
        .await;
    let wanted = agent.wanted().await;
    assert_eq!(
        (wanted.assignments.len(), wanted.stops[0].end()),
        (0, AttemptEnd::Preempted)
    );
    agent.say(run.stopped(Some(3_601))).await;
    let waits = house
        .until(&notebook.id, "the reason", |found| {
            found.reason.contains("which is draining")
        })
        .await;
    assert_eq!(waits.state(), WorkloadState::Queued);
    assert_eq!(
        waits.reason,
        "waits for a place: its files lie on node old, which is draining; it starts when the node takes work again"
    );
    let attempt = waits.attempt.unwrap();
    assert_eq!(attempt.end(), AttemptEnd::Preempted);

    house.schedulable(&node, NodeSchedulable::Open, None).await;
    let again = house
        .until(&notebook.id, "a place", |found| {
            found.state() == WorkloadState::Active
        })
        .await;
    let attempt = again.attempt.unwrap();
    assert_eq!((attempt.node_id, attempt.generation), (node.id, 2));
}

/// The user stops what was just told to leave: that is final, whatever the node reports.
async fn who_is_stopped_while_it_leaves_does_not_come_back(engine: Engine) {
    let house = House::open(engine).await;
    let node = house.node("old", 4_000, 8_192).await;
    let mut agent = house.agent(&node).await;
    let job = house.submit("r1", moves()).await;
    let mut run = agent.assigned().await;
    agent.say(run.running(0)).await;
    house
        .schedulable(&node, NodeSchedulable::Draining, None)
        .await;
    agent.told_to_stop().await;
    house.stop(&job.id, "stopped by user").await;
    let preempted = contracts::agent::v1::Report {
        end: AttemptEnd::Preempted.into(),
        ..run.stopped(Some(1))
    };
    agent.say(preempted).await;
    let ended = house.workload(&job.id).await;
    assert_eq!(ended.state(), WorkloadState::Stopped);
    assert_eq!(ended.attempt.unwrap().end(), AttemptEnd::Stopped);
    assert_eq!(ended.reason, "stopped by user");
}

testkit::on_each_engine!(
    what_can_move_goes_elsewhere_and_the_rest_stays,
    at_the_deadline_the_rest_is_stopped_and_comes_back_later,
    who_is_stopped_while_it_leaves_does_not_come_back,
);
