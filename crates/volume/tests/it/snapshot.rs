//! Snapshots, restores and forks, with the test in the place of the node.

use chassis::auth::Principal;
use contracts::common::v1::Role;
use contracts::volume::v1::{
    ConfirmCopyRequest, ConfirmDeletionRequest, CreateSnapshotRequest, DeleteSnapshotRequest,
    FileCopy, ForkVolumeRequest, ListNodeCopiesRequest, ListNodeDeletionsRequest,
    ListSnapshotsRequest, RestoreSnapshotRequest, Snapshot, SnapshotState, Volume, VolumeState,
};
use kernel::id::{AttemptId, NodeId, TeamId};
use testkit::{Engine, person};
use tonic::{Code, Status};

use crate::house::{Client, House};

/// A volume that lies on a node, a member of its team, and the node's agent.
struct Scene {
    house: House,
    volume: String,
    node: NodeId,
    team: TeamId,
    member: Client,
    agent: Client,
}

impl Scene {
    async fn open(engine: Engine) -> Self {
        let house = House::open(engine).await;
        let (team, node, attempt) = (
            TeamId::generate(),
            NodeId::generate(),
            AttemptId::generate(),
        );
        let volume = house.create(team, "1").await.id;
        let mut scheduler = house.as_service(0, "scheduler");
        scheduler.attach(&volume, attempt, node).await.unwrap();
        let mut member = house.client(&person(team, Role::Member));
        let held = create(&mut member, &volume, "early", "").await.unwrap_err();
        assert!(held.message().contains("stop the notebook first"), "{held}");
        scheduler.detach(&volume, attempt).await.unwrap();
        Self {
            volume,
            node,
            team,
            member,
            agent: house.client_of(1, &Principal::Agent(node)),
            house,
        }
    }

    async fn copies(&mut self) -> Vec<FileCopy> {
        let asked = ListNodeCopiesRequest {
            node_id: self.node.into(),
        };
        let answer = self.agent.list_node_copies(asked).await.unwrap();
        answer.into_inner().copies
    }

    /// The node does the one thing that it is to copy.
    async fn copied(&mut self, failure: &str) -> FileCopy {
        let mut copies = self.copies().await;
        let copy = copies.pop().unwrap();
        assert!(copies.is_empty(), "{copies:?}");
        for _ in 0..2 {
            let said = ConfirmCopyRequest {
                node_id: self.node.into(),
                copy_id: copy.id.clone(),
                failure: failure.to_owned(),
                bytes: 7,
            };
            self.agent.confirm_copy(said).await.unwrap();
        }
        copy
    }

    async fn snapshots(&mut self) -> Vec<(String, SnapshotState)> {
        let asked = ListSnapshotsRequest {
            volume_id: self.volume.clone(),
        };
        let answer = self.member.list_snapshots(asked).await.unwrap();
        let listed = answer.into_inner().snapshots.into_iter();
        listed.map(|one| (one.name.clone(), one.state())).collect()
    }

    async fn ready(&mut self, name: &str) -> Snapshot {
        let volume = self.volume.clone();
        let asked = create(&mut self.member, &volume, name, "").await.unwrap();
        self.copied("").await;
        asked
    }

    async fn fork(&mut self, snapshot: &str, request_id: &str) -> Result<Volume, Status> {
        let asked = ForkVolumeRequest {
            source_id: self.volume.clone(),
            snapshot: snapshot.to_owned(),
            request_id: request_id.to_owned(),
            ..ForkVolumeRequest::default()
        };
        let mut notebook = self
            .house
            .client(&Principal::Service("notebook".to_owned()));
        let answer = notebook.fork_volume(asked).await?;
        Ok(answer.into_inner().volume.unwrap())
    }
}

async fn create(
    member: &mut Client,
    volume: &str,
    name: &str,
    request_id: &str,
) -> Result<Snapshot, Status> {
    let asked = CreateSnapshotRequest {
        volume_id: volume.to_owned(),
        name: name.to_owned(),
        request_id: request_id.to_owned(),
    };
    let answer = member.create_snapshot(asked).await?;
    Ok(answer.into_inner().snapshot.unwrap())
}

async fn a_snapshot_is_made_by_its_node_once(engine: Engine) {
    let mut scene = Scene::open(engine).await;
    let volume = scene.volume.clone();
    let asked = create(&mut scene.member, &volume, "one", "r")
        .await
        .unwrap();
    assert_eq!(asked.state(), SnapshotState::Making);
    let again = create(&mut scene.member, &volume, "one", "r").await;
    assert_eq!(again.unwrap().id, asked.id, "the same request");
    let mut scheduler = scene.house.as_service(1, "scheduler");
    let waits = scheduler
        .attach(&volume, AttemptId::generate(), scene.node)
        .await
        .unwrap_err();
    assert_eq!(waits.code(), Code::FailedPrecondition);
    assert!(waits.message().contains("are being copied"), "{waits}");
    let copy = scene.copied("").await;
    assert_eq!(
        (copy.from_id, copy.to_id, copy.keep_id.as_str()),
        (volume.clone(), asked.id, "")
    );
    let made = ("one".to_owned(), SnapshotState::Ready);
    assert_eq!(scene.snapshots().await, [made]);
    assert!(scene.copies().await.is_empty());
    let taken = create(&mut scene.member, &volume, "one", "").await;
    assert_eq!(taken.unwrap_err().code(), Code::AlreadyExists);
    let attempt = AttemptId::generate();
    scheduler
        .attach(&volume, attempt, scene.node)
        .await
        .unwrap();
}

async fn a_failure_is_told_and_its_name_is_free_again(engine: Engine) {
    let mut scene = Scene::open(engine).await;
    let volume = scene.volume.clone();
    create(&mut scene.member, &volume, "one", "").await.unwrap();
    scene.copied("no space is left").await;
    assert_eq!(scene.snapshots().await[0].1, SnapshotState::Failed);
    scene.ready("one").await;
    assert_eq!(scene.snapshots().await[0].1, SnapshotState::Ready);
}

async fn a_restore_keeps_what_was_there(engine: Engine) {
    let mut scene = Scene::open(engine).await;
    let one = scene.ready("one").await;
    let asked = RestoreSnapshotRequest {
        volume_id: scene.volume.clone(),
        snapshot: "one".to_owned(),
        request_id: "r".to_owned(),
    };
    let kept = scene.member.restore_snapshot(asked.clone()).await.unwrap();
    let kept = kept.into_inner().kept.unwrap();
    assert!(kept.name.starts_with("before-restore-"), "{}", kept.name);
    let again = scene.member.restore_snapshot(asked).await.unwrap();
    assert_eq!(again.into_inner().kept.unwrap().id, kept.id);
    // What is being read is not removed before it was read.
    let delete = DeleteSnapshotRequest {
        volume_id: scene.volume.clone(),
        snapshot: one.id.clone(),
    };
    scene.member.delete_snapshot(delete).await.unwrap();
    let deletions = ListNodeDeletionsRequest {
        node_id: scene.node.into(),
    };
    let listed = scene.agent.list_node_deletions(deletions.clone()).await;
    assert!(listed.unwrap().into_inner().snapshot_ids.is_empty());
    let copy = scene.copied("").await;
    assert_eq!(
        (copy.from_id, copy.to_id, copy.keep_id),
        (one.id.clone(), scene.volume.clone(), kept.id)
    );
    let listed = scene.agent.list_node_deletions(deletions).await.unwrap();
    assert_eq!(
        listed.into_inner().snapshot_ids,
        std::slice::from_ref(&one.id)
    );
    let gone = ConfirmDeletionRequest {
        node_id: scene.node.into(),
        snapshot_id: one.id,
        ..ConfirmDeletionRequest::default()
    };
    scene.agent.confirm_deletion(gone).await.unwrap();
    let left = (kept.name, SnapshotState::Ready);
    assert_eq!(scene.snapshots().await, [left]);
}

async fn a_fork_begins_with_a_copy(engine: Engine) {
    let mut scene = Scene::open(engine).await;
    scene.ready("one").await;
    for (snapshot, failure) in [("", ""), ("one", ""), ("one", "no space is left")] {
        let request = format!("fork/{snapshot}/{failure}");
        let fork = scene.fork(snapshot, &request).await.unwrap();
        assert_eq!(scene.fork(snapshot, &request).await.unwrap().id, fork.id);
        assert_eq!(fork.node_id, scene.node.to_string());
        let mut scheduler = scene.house.as_service(0, "scheduler");
        let attempt = AttemptId::generate();
        let waits = scheduler.attach(&fork.id, attempt, scene.node).await;
        assert_eq!(waits.unwrap_err().code(), Code::FailedPrecondition);
        if snapshot.is_empty() {
            // Two at once: the other one waits for its turn.
            let other = scene.fork(snapshot, "fork/other").await.unwrap_err();
            assert_eq!(other.code(), Code::Unavailable);
        }
        assert_eq!(scene.copied(failure).await.to_id, fork.id);
        let attached = scheduler.attach(&fork.id, attempt, scene.node).await;
        assert_eq!(attached.is_ok(), failure.is_empty(), "{attached:?}");
        if !failure.is_empty() {
            let lost = scene.house.volume(&fork.id).await;
            assert_eq!(lost.state(), VolumeState::Lost);
            assert!(lost.reason.contains(failure), "{}", lost.reason);
        }
    }
}

async fn snapshots_go_with_their_volume_and_are_the_teams(engine: Engine) {
    let mut scene = Scene::open(engine).await;
    let volume = scene.volume.clone();
    scene.ready("one").await;
    let mut stranger = scene.house.client(&person(TeamId::generate(), Role::Owner));
    let hidden = create(&mut stranger, &volume, "two", "").await;
    assert_eq!(hidden.unwrap_err().code(), Code::NotFound);
    let mut viewer = scene.house.client(&person(scene.team, Role::Viewer));
    let denied = create(&mut viewer, &volume, "two", "").await;
    assert_eq!(denied.unwrap_err().code(), Code::PermissionDenied);
    let mut notebook = scene.house.as_service(0, "notebook");
    notebook.delete(&volume).await.unwrap();
    let going = ("one".to_owned(), SnapshotState::Deleting);
    assert_eq!(scene.snapshots().await, [going]);
}

testkit::on_each_engine!(
    a_snapshot_is_made_by_its_node_once,
    a_failure_is_told_and_its_name_is_free_again,
    a_restore_keeps_what_was_there,
    a_fork_begins_with_a_copy,
    snapshots_go_with_their_volume_and_are_the_teams
);
