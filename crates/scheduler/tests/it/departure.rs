//! Nodes that were given up, and nodes that leave the list.

use chassis::Error;
use chrono::TimeDelta;
use contracts::inventory::v1::{Node, NodeLiveness, NodeSchedulable};
use contracts::scheduler::v1::{
    AttemptEnd, AttemptState, DeleteNodeRequest, WorkloadSpec, WorkloadState,
};
use contracts::to_wire_time;
use kernel::Clock as _;
use testkit::{Engine, eventually};
use tonic::{Code, Status};

use crate::agent::{Agent, hello};
use crate::house::{House, spec};

fn files(volume: &str) -> WorkloadSpec {
    WorkloadSpec {
        volume_id: volume.to_owned(),
        ..spec(1_000, 1_024)
    }
}

impl House {
    /// The node as inventory says it after a person gave it up.
    fn given_up(&self, node: &Node) -> Node {
        let mut next = node.clone();
        next.liveness = NodeLiveness::Silent.into();
        next.given_up_at = Some(to_wire_time(self.clock.now()));
        next.revision += 1;
        next
    }

    async fn delete(&self, node: &str) -> Result<String, Status> {
        let asked = DeleteNodeRequest {
            node: node.to_owned(),
        };
        let answer = self.operator().delete_node(asked).await?;
        Ok(answer.into_inner().node_id)
    }
}

async fn what_was_there_is_lost_and_what_can_goes_elsewhere(engine: Engine) {
    let house = House::open(engine).await;
    let node = house.node("box", 4_000, 8_192).await;
    let mut agent = house.agent(&node).await;
    let notebook = house.submit("r1", files("vo-1")).await;
    let mut run = agent.assigned().await;
    agent.say(run.running(0)).await;
    let bare = house.submit("r2", spec(1_000, 1_024)).await;
    let mut other = agent.assigned().await;
    agent.say(other.running(0)).await;
    house.clock.advance(TimeDelta::seconds(3));
    agent.say(run.running(3)).await;
    let confirmed = house.workload(&notebook.id).await.attempt.unwrap();
    drop(agent);
    house.clock.advance(TimeDelta::seconds(1));
    let node = house.liveness(&node, NodeLiveness::Silent).await;
    house
        .until(&notebook.id, "silence", |found| {
            found.attempt.as_ref().unwrap().unreachable_since.is_some()
        })
        .await;
    let elsewhere = house.node("elsewhere", 4_000, 8_192).await;

    // Without its event: the comparison with inventory is enough.
    let node = house.given_up(&node);
    house
        .inventory
        .nodes
        .lock()
        .unwrap()
        .insert(node.id.clone(), node.clone());
    let lost = house
        .until(&notebook.id, "the loss", |found| {
            found.state() == WorkloadState::Failed
        })
        .await;
    assert_eq!(
        lost.reason,
        "its files were on node box, which was given up: they are lost"
    );
    let attempt = lost.attempt.unwrap();
    assert_eq!(
        (attempt.end(), attempt.billable_until),
        (AttemptEnd::Lost, confirmed.confirmed_until),
        "silence that ended in lost is not billed"
    );
    assert!(house.volumes.row("vo-1").attachment.is_none());
    let moved = house
        .until(&bare.id, "another place", |found| {
            found.attempt.as_ref().unwrap().generation == 2
        })
        .await;
    assert_eq!(moved.attempt.unwrap().node_id, elsewhere.id);

    // It comes back, with a token that is still good, and is told in so many words.
    let mut back = Agent::open(
        house.agent_channel(0, &node.id),
        hello(&node.id, 0, vec![run.running(60)]),
    )
    .await
    .unwrap();
    let why = Error::from(back.hung_up().await);
    assert!(matches!(why, Error::GivenUp { node: told } if told == node.id));

    let refused = house
        .try_submit(house.request(
            "r3",
            WorkloadSpec {
                node_id: node.id.clone(),
                ..files("vo-1")
            },
        ))
        .await
        .unwrap_err();
    assert!(refused.message().contains("was given up"), "{refused}");
    assert_eq!(house.delete("box").await.unwrap(), node.id);
}

/// Nobody was told to run it yet: its volume never got there, and it starts elsewhere.
async fn files_that_never_got_there_are_not_lost(engine: Engine) {
    let house = House::open(engine).await;
    let node = house.node("box", 4_000, 8_192).await;
    let workload = house.submit("r1", files("vo-1")).await;
    house
        .until(&workload.id, "a place", |found| found.attempt.is_some())
        .await;
    *house.volumes.down.lock().unwrap() = true;
    house.tell(house.given_up(&node)).await;
    let waits = house
        .until(&workload.id, "the queue", |found| {
            found.state() == WorkloadState::Queued
        })
        .await;
    assert_eq!(waits.attempt.unwrap().state(), AttemptState::Ended);
    let refused = house.delete("box").await.unwrap_err();
    assert!(refused.message().contains("is being settled"), "{refused}");
    let other = house.node("other", 4_000, 8_192).await;
    *house.volumes.down.lock().unwrap() = false;
    let moved = house
        .until(&workload.id, "another place", |found| {
            found.state() == WorkloadState::Active
        })
        .await;
    assert_eq!(moved.attempt.unwrap().node_id, other.id);
}

async fn a_node_leaves_when_nothing_is_left_there(engine: Engine) {
    let house = House::open(engine).await;
    let node = house.node("box", 4_000, 8_192).await;
    let mut agent = house.agent(&node).await;
    house.submit("r1", files("vo-1")).await;
    let mut run = agent.assigned().await;
    agent.say(run.running(0)).await;
    let refusal = async |what: &str| {
        let refused = house.delete("box").await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert!(refused.message().contains(what), "{refused}");
    };
    refusal("takes work; drain it first").await;
    let mut draining = node.clone();
    draining.schedulable = NodeSchedulable::Draining.into();
    draining.revision += 1;
    house.tell(draining).await;
    refusal("still runs nb-1").await;
    agent
        .say(run.ended(AttemptEnd::Completed, Default::default(), "done"))
        .await;
    refusal("still has the files of 1 volumes: vo-1").await;
    house.volumes.forget("vo-1");

    // The answer is lost: inventory has done it, and the comparison finds out.
    *house.inventory.loses_answers.lock().unwrap() = true;
    assert_eq!(
        house.delete("box").await.unwrap_err().code(),
        Code::Unavailable
    );
    let deleted = house.inventory.deleted.lock().unwrap().clone();
    assert_eq!(deleted, [(node.id.clone(), 2)]);
    let gone = "SELECT COUNT(*) FROM nodes WHERE deleted";
    eventually("its end here", || async {
        (house.number(gone).await == 1).then_some(())
    })
    .await;
    assert_eq!(
        house.delete("box").await.unwrap_err().code(),
        Code::NotFound
    );
    let status = agent.hung_up().await;
    assert!(matches!(Error::from(status), Error::GivenUp { .. }));
    let waits = house
        .try_submit(house.request("r2", spec(1_000, 1_024)))
        .await;
    assert!(waits.unwrap_err().message().contains("no node has joined"));
}

testkit::on_each_engine!(
    what_was_there_is_lost_and_what_can_goes_elsewhere,
    files_that_never_got_there_are_not_lost,
    a_node_leaves_when_nothing_is_left_there,
);
