//! What a team shares.

use chassis::auth::Principal;
use contracts::common::v1::Role;
use contracts::volume::v1::{
    CreateSnapshotRequest, DeleteVolumeRequest, OpenStorageRequest, Volume, VolumeState,
};
use kernel::id::{AttemptId, NodeId, TeamId};
use testkit::{Engine, person};
use tonic::{Code, Status};

use crate::house::{Client, House};

async fn open(agent: &mut Client, node: NodeId, own: &str) -> Result<Volume, Status> {
    let request = OpenStorageRequest {
        node_id: node.into(),
        volume_id: own.to_owned(),
    };
    let answer = agent.open_storage(request).await?.into_inner();
    Ok(answer.storage.unwrap())
}

async fn a_team_has_one_where_it_was_first_asked_for(engine: Engine) {
    let house = House::open(engine).await;
    let (team, other) = (TeamId::generate(), TeamId::generate());
    let (node, second) = (NodeId::generate(), NodeId::generate());
    let (one, two) = (
        house.create(team, "1").await.id,
        house.create(team, "2").await.id,
    );
    let (far, strange) = (
        house.create(team, "3").await.id,
        house.create(other, "1").await.id,
    );
    let mut scheduler = house.as_service(0, "scheduler");
    let attempt = AttemptId::generate();
    for (id, attempt, node) in [
        (&one, attempt, node),
        (&two, AttemptId::generate(), node),
        (&far, AttemptId::generate(), second),
        (&strange, AttemptId::generate(), node),
    ] {
        scheduler.attach(id, attempt, node).await.unwrap();
    }
    let mut agent = house.client(&Principal::Agent(node));
    let mut replica = house.client_of(1, &Principal::Agent(node));
    let mut elsewhere = house.client_of(1, &Principal::Agent(second));
    // At once, on two replicas: one is made.
    let (first, same) = tokio::join!(open(&mut agent, node, &one), open(&mut replica, node, &two));
    let shared = first.unwrap();
    assert_eq!(same.unwrap().id, shared.id);
    assert_eq!(
        (
            shared.shared,
            shared.node_id.as_str(),
            shared.team_id.as_str()
        ),
        (true, node.to_string().as_str(), team.to_string().as_str())
    );
    assert_eq!(
        open(&mut elsewhere, second, &far).await.unwrap(),
        shared,
        "it lies on one node"
    );
    let theirs = open(&mut agent, node, &strange).await.unwrap();
    assert!(theirs.id != shared.id && theirs.team_id == other.to_string());
    let not_here = open(&mut elsewhere, second, &one).await.unwrap_err();
    assert_eq!(not_here.code(), Code::NotFound);

    // Nobody takes it for himself, and only an admin deletes it, once nothing sees it.
    let id = shared.id.clone();
    let mut admin = house.client(&person(team, Role::Admin));
    let mut member = house.client(&person(team, Role::Member));
    let delete = || DeleteVolumeRequest { id: id.clone() };
    let denied = member.delete_volume(delete()).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    let seen = admin.delete_volume(delete()).await.unwrap_err();
    assert!(
        seen.message().contains("stop the team's notebooks"),
        "{seen}"
    );
    let attached = scheduler
        .attach(&id, AttemptId::generate(), node)
        .await
        .unwrap_err();
    assert_eq!(attached.code(), Code::FailedPrecondition);
    let snapshot = CreateSnapshotRequest {
        volume_id: id.clone(),
        ..CreateSnapshotRequest::default()
    };
    let refused = admin.create_snapshot(snapshot).await.unwrap_err();
    assert!(refused.message().contains("/storage"), "{refused}");
    scheduler.detach(&one, attempt).await.unwrap();
    let two_attached = house.volume(&two).await.attachment.unwrap().attempt_id;
    scheduler
        .detach(&two, two_attached.parse().unwrap())
        .await
        .unwrap();
    let gone = admin.delete_volume(delete()).await.unwrap().into_inner();
    assert_eq!(gone.volume.unwrap().state(), VolumeState::Deleting);
    let leaving = open(&mut agent, node, &one).await.unwrap();
    assert_eq!(
        (leaving.id.as_str(), leaving.state()),
        (id.as_str(), VolumeState::Deleting)
    );
}

testkit::on_each_engine!(a_team_has_one_where_it_was_first_asked_for);
