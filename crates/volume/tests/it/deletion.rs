//! How files go.

use chassis::auth::Principal;
use contracts::common::v1::Role;
use contracts::volume::v1::{
    ClaimVolumeRequest, ConfirmDeletionRequest, DeleteVolumeRequest, KeepVolumeRequest,
    ListNodeDeletionsRequest, ListVolumesRequest, VolumeState,
};
use kernel::id::{AttemptId, NodeId, TeamId};
use testkit::{Engine, person};
use tonic::Code;

use crate::house::{Client, House};

async fn deletions(agent: &mut Client, node: NodeId) -> Vec<String> {
    let asked = ListNodeDeletionsRequest {
        node_id: node.into(),
    };
    agent
        .list_node_deletions(asked)
        .await
        .unwrap()
        .into_inner()
        .volume_ids
}

async fn confirm(agent: &mut Client, node: NodeId, id: &str) -> Result<(), Code> {
    let asked = ConfirmDeletionRequest {
        node_id: node.into(),
        volume_id: id.to_owned(),
        snapshot_id: String::new(),
    };
    agent
        .confirm_deletion(asked)
        .await
        .map(|_| ())
        .map_err(|status| status.code())
}

async fn a_node_removes_the_files(engine: Engine) {
    let house = House::open(engine).await;
    let team = TeamId::generate();
    let id = house.create(team, "1").await.id;
    let (attempt, node, other) = (
        AttemptId::generate(),
        NodeId::generate(),
        NodeId::generate(),
    );
    let (mut scheduler, mut notebook) = (
        house.as_service(0, "scheduler"),
        house.as_service(1, "notebook"),
    );
    let mut agent = house.client(&Principal::Agent(node));
    let mut neighbour = house.client(&Principal::Agent(other));

    scheduler.attach(&id, attempt, node).await.unwrap();
    let held = notebook.delete(&id).await.unwrap_err();
    assert_eq!(held.code(), Code::FailedPrecondition);
    assert!(held.message().contains(&attempt.to_string()), "{held}");
    assert_eq!(
        confirm(&mut agent, node, &id).await,
        Err(Code::FailedPrecondition),
        "nobody asked for it"
    );

    scheduler.detach(&id, attempt).await.unwrap();
    let deleting = notebook.delete(&id).await.unwrap();
    assert_eq!(deleting.state(), VolumeState::Deleting);
    assert_eq!(
        notebook.delete(&id).await.unwrap(),
        deleting,
        "the same again is no change"
    );
    assert_eq!(deletions(&mut agent, node).await, std::slice::from_ref(&id));
    assert!(deletions(&mut neighbour, other).await.is_empty());
    assert_eq!(
        confirm(&mut neighbour, other, &id).await,
        Err(Code::NotFound)
    );
    assert_eq!(
        confirm(&mut neighbour, node, &id).await,
        Err(Code::PermissionDenied)
    );

    assert_eq!(confirm(&mut agent, node, &id).await, Ok(()));
    assert_eq!(
        confirm(&mut agent, node, &id).await,
        Ok(()),
        "a lost answer is asked again"
    );
    assert_eq!(house.volume(&id).await.state(), VolumeState::Deleted);
    assert!(deletions(&mut agent, node).await.is_empty());
    let mut viewer = house.client(&person(team, Role::Viewer));
    assert!(
        viewer
            .list_volumes(ListVolumesRequest::default())
            .await
            .unwrap()
            .into_inner()
            .volumes
            .is_empty()
    );
    let states: Vec<_> = house
        .told(&id, 5)
        .await
        .iter()
        .map(|volume| volume.state())
        .collect();
    assert_eq!(states[3..], [VolumeState::Deleting, VolumeState::Deleted]);
}

/// Two replicas, an attachment and a deletion of a new volume at once: one of them is refused.
async fn files_that_are_written_stay(engine: Engine) {
    let house = House::open(engine).await;
    let (mut scheduler, mut notebook) = (
        house.as_service(0, "scheduler"),
        house.as_service(1, "notebook"),
    );
    for round in 0..8 {
        let id = house
            .create(TeamId::generate(), &round.to_string())
            .await
            .id;
        let attempt = AttemptId::generate();
        let (attached, deleted) = tokio::join!(
            scheduler.attach(&id, attempt, NodeId::generate()),
            notebook.delete(&id)
        );
        let volume = house.volume(&id).await;
        match (attached, deleted) {
            (Ok(_), Err(refused)) => {
                assert_eq!(refused.code(), Code::FailedPrecondition);
                assert_eq!(
                    (volume.state(), volume.attachment.is_some()),
                    (VolumeState::Ready, true)
                );
            }
            (Err(refused), Ok(_)) => {
                assert_eq!(refused.code(), Code::FailedPrecondition);
                assert_eq!(
                    (volume.state(), volume.attachment),
                    (VolumeState::Deleted, None)
                );
            }
            both => panic!("both or neither happened: {both:?}"),
        }
    }
}

/// People delete what nobody uses, and only there where they are members; a notebook keeps others off its files.
async fn people_delete_what_is_kept(engine: Engine) {
    let house = House::open(engine).await;
    let team = TeamId::generate();
    let volume = house.create(team, "nb-1").await;
    let mut notebook = house.client(&Principal::Service("notebook".to_owned()));
    let claim = |owner: &str| ClaimVolumeRequest {
        id: volume.id.clone(),
        owner_id: owner.to_owned(),
    };
    notebook.claim_volume(claim("nb-1")).await.unwrap();
    let other = notebook.claim_volume(claim("nb-2")).await.unwrap_err();
    assert!(other.message().contains("is used by nb-1"), "{other}");

    let delete = || DeleteVolumeRequest {
        id: volume.id.clone(),
    };
    let mut member = house.client(&person(team, Role::Member));
    let used = member.delete_volume(delete()).await.unwrap_err();
    assert_eq!(used.code(), Code::FailedPrecondition);
    assert!(used.message().contains("holds the files of nb-1"), "{used}");

    let keep = KeepVolumeRequest {
        id: volume.id.clone(),
        owner_id: "nb-1".to_owned(),
        label: "files of first".to_owned(),
    };
    notebook.keep_volume(keep).await.unwrap();
    let kept = house.volume(&volume.id).await;
    assert_eq!(
        (kept.state(), kept.owner_id.as_str(), kept.label.as_str()),
        (VolumeState::Ready, "", "files of first")
    );
    let mut stranger = house.client(&person(TeamId::generate(), Role::Owner));
    let hidden = stranger.delete_volume(delete()).await.unwrap_err();
    assert_eq!(hidden.code(), Code::NotFound);
    let mut viewer = house.client(&person(team, Role::Viewer));
    let denied = viewer.delete_volume(delete()).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    let gone = member.delete_volume(delete()).await.unwrap().into_inner();
    assert_eq!(gone.volume.unwrap().state(), VolumeState::Deleted);
    let late = notebook.claim_volume(claim("nb-2")).await.unwrap_err();
    assert_eq!(late.code(), Code::FailedPrecondition);
}

testkit::on_each_engine!(
    a_node_removes_the_files,
    files_that_are_written_stay,
    people_delete_what_is_kept
);
