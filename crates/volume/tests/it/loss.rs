//! Files that are lost with their node, and projects that hide theirs.

use chassis::auth::Principal;
use contracts::common::v1::Role;
use contracts::volume::v1::{
    CreateVolumeRequest, GetVolumeRequest, ListLostVolumesRequest, ListNodeVolumesRequest,
    ListVolumesRequest, LoseNodeVolumesRequest, Volume, VolumeState,
};
use kernel::id::{AttemptId, NodeId, ProjectId, TeamId};
use testkit::{Engine, person};
use tonic::Code;

use crate::house::{Client, House};

async fn lose(client: &mut Client, node: NodeId) {
    let asked = LoseNodeVolumesRequest {
        node_id: node.into(),
        reason: "its files were on node box, which was given up".to_owned(),
    };
    client.lose_node_volumes(asked).await.unwrap();
}

async fn on(client: &mut Client, node: NodeId) -> Vec<Volume> {
    let asked = ListNodeVolumesRequest {
        node_id: node.into(),
    };
    let listed = client.list_node_volumes(asked).await.unwrap();
    listed.into_inner().volumes
}

async fn what_lay_on_a_node_that_is_given_up_is_lost(engine: Engine) {
    let house = House::open(engine).await;
    let team = TeamId::generate();
    let (here, there, going, nowhere) = (
        house.create(team, "1").await.id,
        house.create(team, "2").await.id,
        house.create(team, "3").await.id,
        house.create(team, "4").await.id,
    );
    let (gone, stays) = (NodeId::generate(), NodeId::generate());
    let mut calls = house.as_service(0, "scheduler");
    calls
        .attach(&here, AttemptId::generate(), gone)
        .await
        .unwrap();
    calls
        .attach(&there, AttemptId::generate(), stays)
        .await
        .unwrap();
    let ended = AttemptId::generate();
    calls.attach(&going, ended, gone).await.unwrap();
    calls.detach(&going, ended).await.unwrap();
    house
        .as_service(0, "notebook")
        .delete(&going)
        .await
        .unwrap();

    let mut scheduler = house.client(&Principal::Service("scheduler".to_owned()));
    assert_eq!(on(&mut scheduler, gone).await.len(), 2);
    lose(&mut scheduler, gone).await;
    let lost = house.volume(&here).await;
    assert_eq!(
        (lost.state(), lost.attachment.clone()),
        (VolumeState::Lost, None)
    );
    assert!(lost.reason.contains("node box"), "{}", lost.reason);
    assert_eq!(house.volume(&going).await.state(), VolumeState::Deleted);
    assert!(house.volume(&there).await.attachment.is_some());
    assert_eq!(on(&mut scheduler, gone).await, []);
    // Again, as after a lost answer: nothing changes any more.
    lose(&mut scheduler, gone).await;
    assert_eq!(house.volume(&here).await, lost);
    let told = house.told(&here, lost.revision).await;
    assert_eq!(told.last().unwrap(), &lost);

    let refused = calls
        .attach(&here, AttemptId::generate(), gone)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let late = calls
        .attach(&nowhere, AttemptId::generate(), gone)
        .await
        .unwrap_err();
    assert!(late.message().contains("was given up"), "{late}");
    calls
        .attach(&nowhere, AttemptId::generate(), stays)
        .await
        .unwrap();

    let mut notebook = house.client(&Principal::Service("notebook".to_owned()));
    let mut listed = async |after: &str| {
        let asked = ListLostVolumesRequest {
            after: after.to_owned(),
        };
        let answer = notebook.list_lost_volumes(asked).await.unwrap();
        answer.into_inner().volumes
    };
    assert_eq!(listed("").await, [lost]);
    assert_eq!(listed(&here).await, []);
    house.as_service(0, "notebook").delete(&here).await.unwrap();
    assert_eq!(house.volume(&here).await.state(), VolumeState::Deleted);
    assert_eq!(listed("").await, []);
}

async fn projects_hide_their_volumes(engine: Engine) {
    let house = House::open(engine).await;
    let (team, project) = (TeamId::generate(), ProjectId::generate());
    let mut notebook = house.client(&Principal::Service("notebook".to_owned()));
    let asked = |project_id: &str| CreateVolumeRequest {
        team_id: team.into(),
        request_id: format!("of {project_id}"),
        project_id: project_id.to_owned(),
        ..CreateVolumeRequest::default()
    };
    let made = notebook.create_volume(asked(&project.to_string())).await;
    let secret = made.unwrap().into_inner().volume.unwrap();
    assert_eq!(secret.project_id, project.to_string());
    let everybodys = house.create(team, "1").await;
    let wrong = notebook.create_volume(asked("vision")).await.unwrap_err();
    assert_eq!(wrong.code(), Code::InvalidArgument);

    for (role, sees) in [(Role::Unspecified, false), (Role::Viewer, true)] {
        let Principal::User(mut user) = person(team, Role::Viewer) else {
            panic!("a person is a user")
        };
        user.projects.insert(project, role);
        let mut client = house.client(&Principal::User(user));
        let id = secret.id.clone();
        let got = client.get_volume(GetVolumeRequest { id }).await;
        assert_eq!(got.is_ok(), sees);
        assert!(got.is_ok() || got.unwrap_err().code() == Code::NotFound);
        let listed = client
            .list_volumes(ListVolumesRequest::default())
            .await
            .unwrap();
        let listed = listed.into_inner().volumes;
        assert_eq!(listed.contains(&secret), sees);
        assert!(listed.contains(&everybodys));
    }
}

testkit::on_each_engine!(
    what_lay_on_a_node_that_is_given_up_is_lost,
    projects_hide_their_volumes,
);
