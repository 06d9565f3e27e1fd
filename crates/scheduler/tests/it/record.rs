//! What decisions rest on is written down, and played again they come out the same.

use chassis::auth::Principal;
use contracts::common::v1::Role;
use contracts::scheduler::v1::TakeSnapshotRequest;
use contracts::scheduler::v1::record_service_client::RecordServiceClient;
use contracts::scheduler::v1::{AttemptEnd, Fault, WorkloadState};
use testkit::{Engine, person};
use tonic::{Code, Status};

use crate::house::{House, OFTEN_MS, gpu_spec, node, spec};

async fn snapshot(house: &House, replica: usize, who: &Principal) -> Result<String, Status> {
    let channel = house.replicas[replica].channel(&house.identity.token(who));
    let mut client = RecordServiceClient::new(channel);
    let asked = client.take_snapshot(TakeSnapshotRequest {});
    let mut parts = asked.await?.into_inner();
    let mut document = Vec::new();
    while let Some(next) = parts.message().await? {
        document.extend(next.part);
    }
    Ok(String::from_utf8(document).unwrap())
}

async fn a_snapshot_gives_the_same_decisions(engine: Engine) {
    let mut house = House::open(engine).await;
    let small = house.node("small", 2_000, 4_096).await;
    house.tell(node("gpus", 8_000, 16_384, 2)).await;
    let mut agent = house.agent(&small).await;
    let first = house.submit("r1", spec(1_000, 1_024)).await;
    let mut run = agent.assigned().await;
    house.submit("r2", gpu_spec(2)).await;
    let third = house.submit("r3", gpu_spec(2)).await;
    house
        .until(&third.id, "its reason", |found| {
            found.reason.contains("H100")
        })
        .await;
    agent
        .say(run.ended(AttemptEnd::Completed, Fault::Unspecified, "done"))
        .await;
    house
        .until(&first.id, "its end", |found| {
            found.state() == WorkloadState::Stopped
        })
        .await;
    let last = house.submit("r4", spec(2_000, 1_024)).await;
    house
        .until(&last.id, "a place", |found| found.attempt.is_some())
        .await;

    let operator = person(house.team, Role::Operator);
    let text = snapshot(&house, 0, &operator).await.unwrap();
    let played = scheduler::replay(&text).unwrap();
    assert_eq!(
        (played.same >= 3, &played.different),
        (true, &None),
        "{played:?}"
    );
    let other = text.replace("node_id: ", "node_id: elsewhere, was ");
    let found = scheduler::replay(&other).unwrap();
    assert_eq!(found.same, 0);
    let (now, then) = found.different.unwrap();
    assert!(
        now.contains(&small.id) && then.contains("elsewhere"),
        "{now} {then}"
    );
    for (wrong, why) in [("{}", "missing field"), ("no", "no snapshot")] {
        let refused = scheduler::replay(wrong).unwrap_err();
        assert!(refused.contains(why), "{refused}");
    }

    let owner = person(house.team, Role::Owner);
    let refused = snapshot(&house, 0, &owner).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    house.add_replica(OFTEN_MS).await;
    let refused = snapshot(&house, 1, &operator).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "only the leader decides");
}

testkit::on_each_engine!(a_snapshot_gives_the_same_decisions);
