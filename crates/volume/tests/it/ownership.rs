//! Whose volumes they are.

use chassis::auth::Principal;
use contracts::common::v1::{PageRequest, Role};
use contracts::volume::v1::{
    CreateVolumeRequest, GetVolumeRequest, ListVolumesRequest, VolumeState,
};
use kernel::id::{NodeId, TeamId, VolumeId};
use testkit::{Engine, person};
use tonic::Code;

use crate::house::House;

async fn one_request_makes_one_volume(engine: Engine) {
    let house = House::open(engine).await;
    let (team, other) = (TeamId::generate(), TeamId::generate());
    let volume = house.create(team, "nb-1").await;
    assert_eq!((volume.state(), volume.revision), (VolumeState::Ready, 1));
    assert_eq!(
        (volume.node_id.as_str(), volume.attachment.as_ref()),
        ("", None)
    );
    assert_eq!(house.create(team, "nb-1").await, volume);
    assert_ne!(house.create(team, "nb-2").await.id, volume.id);
    assert_ne!(house.create(other, "nb-1").await.id, volume.id);
    assert_eq!(house.told(&volume.id, 1).await, [volume]);
}

/// Two replicas, one request at once: one volume and one event.
async fn one_request_makes_one_volume_in_a_race(engine: Engine) {
    let house = House::open(engine).await;
    let team = TeamId::generate();
    for round in 0..5 {
        let (mut one, mut two) = (
            house.as_service(0, "notebook"),
            house.as_service(1, "notebook"),
        );
        let request = format!("nb-{round}");
        let (one, two) = tokio::join!(one.create(team, &request), two.create(team, &request));
        let volume = one.unwrap();
        assert_eq!(two.unwrap(), volume);
        assert_eq!(house.told(&volume.id, 1).await.len(), 1);
    }
}

async fn other_teams_read_as_not_found(engine: Engine) {
    let house = House::open(engine).await;
    let team = TeamId::generate();
    let (first, second) = (house.create(team, "1").await, house.create(team, "2").await);
    let asked = || GetVolumeRequest {
        id: first.id.clone(),
    };

    let mut own = house.client(&person(team, Role::Viewer));
    assert_eq!(
        own.get_volume(asked())
            .await
            .unwrap()
            .into_inner()
            .volume
            .unwrap(),
        first
    );
    let listed = own
        .list_volumes(ListVolumesRequest::default())
        .await
        .unwrap()
        .into_inner()
        .volumes;
    assert_eq!(listed, [second.clone(), first.clone()], "newest first");
    let mut after = String::new();
    for (expected, more) in [(&first, true), (&second, false)] {
        let page = Some(PageRequest { after, limit: 1 });
        let oldest_first = true;
        let asked = ListVolumesRequest { page, oldest_first };
        let answer = own.list_volumes(asked).await.unwrap().into_inner();
        let info = answer.page.unwrap();
        assert_eq!(
            (answer.volumes, info.has_more),
            (vec![expected.clone()], more)
        );
        after = info.next_page;
    }

    // An operator sees the installation, not what teams own.
    for role in [Role::Owner, Role::Operator] {
        let mut stranger = house.client(&person(TeamId::generate(), role));
        let hidden = stranger.get_volume(asked()).await.unwrap_err();
        let nothing = GetVolumeRequest {
            id: VolumeId::generate().into(),
        };
        let missing = stranger.get_volume(nothing).await.unwrap_err();
        assert_eq!(
            (hidden.code(), missing.code()),
            (Code::NotFound, Code::NotFound)
        );
        assert!(
            stranger
                .list_volumes(ListVolumesRequest::default())
                .await
                .unwrap()
                .into_inner()
                .volumes
                .is_empty()
        );
    }
}

async fn only_services_make_volumes(engine: Engine) {
    let house = House::open(engine).await;
    let team = TeamId::generate();
    let asked = || CreateVolumeRequest {
        team_id: team.into(),
        request_id: "1".to_owned(),
        ..CreateVolumeRequest::default()
    };
    let callers = [
        person(team, Role::Owner),
        Principal::Agent(NodeId::generate()),
        Principal::Service("billing".to_owned()),
    ];
    for caller in callers {
        let refused = house
            .client(&caller)
            .create_volume(asked())
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{caller:?}");
    }
    let mut notebook = house.client(&Principal::Service("notebook".to_owned()));
    for wrong in [
        CreateVolumeRequest {
            team_id: String::new(),
            ..asked()
        },
        CreateVolumeRequest {
            request_id: String::new(),
            ..asked()
        },
        CreateVolumeRequest {
            request_id: "x".repeat(201),
            ..asked()
        },
    ] {
        assert_eq!(
            notebook.create_volume(wrong).await.unwrap_err().code(),
            Code::InvalidArgument
        );
    }
}

testkit::on_each_engine!(
    one_request_makes_one_volume,
    one_request_makes_one_volume_in_a_race,
    other_teams_read_as_not_found,
    only_services_make_volumes,
);
