//! How much files take, and may: as nodes tell it, and as people set it.

use chassis::auth::{Principal, User};
use contracts::common::v1::Role;
use contracts::volume::v1::{
    ReportVolumeUseRequest, ResizeVolumeRequest, Volume, VolumeFill, VolumeFillChanged, VolumeUse,
};
use kernel::id::{AttemptId, NodeId, TeamId};
use testkit::{Engine, eventually, person};
use tonic::{Code, Status};

use crate::house::{Client, House};

const GIB: u64 = 1 << 30;

/// Reports as the node does; which quotas it hears.
async fn report(
    agent: &mut Client,
    node: NodeId,
    id: &str,
    used: u64,
) -> Result<Vec<(String, u64)>, Status> {
    let request = ReportVolumeUseRequest {
        node_id: node.into(),
        uses: vec![VolumeUse {
            volume_id: id.to_owned(),
            used_bytes: used,
        }],
    };
    let answer = agent.report_volume_use(request).await?.into_inner();
    let quotas = answer.quotas.into_iter();
    Ok(quotas.map(|of| (of.volume_id, of.quota_bytes)).collect())
}

async fn resize(client: &mut Client, id: &str, quota_bytes: u64) -> Result<Volume, Status> {
    let id = id.to_owned();
    let request = ResizeVolumeRequest { id, quota_bytes };
    let answer = client.resize_volume(request).await?.into_inner();
    Ok(answer.volume.unwrap())
}

async fn people_are_told_before_files_are_full(engine: Engine) {
    let house = House::open(engine).await;
    let team = TeamId::generate();
    let (node, other) = (NodeId::generate(), NodeId::generate());
    let id = house.create(team, "1").await.id;
    let mut agent = house.client(&Principal::Agent(node));
    let mut neighbour = house.client_of(1, &Principal::Agent(other));
    let attempt = AttemptId::generate();
    let mut scheduler = house.as_service(0, "scheduler");
    scheduler.attach(&id, attempt, node).await.unwrap();

    let quotas = report(&mut agent, node, &id, GIB).await.unwrap();
    assert_eq!(quotas, [(id.clone(), 10 * GIB)]);
    let quiet = house.volume(&id).await;
    assert_eq!(
        (quiet.used_bytes, quiet.fill(), quiet.revision),
        (GIB, VolumeFill::Room, 2),
        "what is not to be told makes no revision"
    );
    // Files of another node are nobody's business there.
    assert!(
        report(&mut neighbour, other, &id, 9)
            .await
            .unwrap()
            .is_empty()
    );
    let denied = report(&mut neighbour, node, &id, 9).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);

    for used in [9 * GIB, 9 * GIB + 1, 10 * GIB, 11 * GIB, 2 * GIB] {
        report(&mut agent, node, &id, used).await.unwrap();
    }
    let volume = house.volume(&id).await;
    assert_eq!((volume.used_bytes, volume.revision), (2 * GIB, 5));
    let told = eventually("what is told of the filling", || async {
        let events: Vec<VolumeFillChanged> = house.nats.events().await;
        let told: Vec<_> = events
            .into_iter()
            .map(|event| event.volume.unwrap().fill())
            .collect();
        (told.len() >= 3).then_some(told)
    })
    .await;
    assert_eq!(
        told,
        [VolumeFill::NearlyFull, VolumeFill::Full, VolumeFill::Room]
    );
}

async fn quotas_are_set_by_who_may(engine: Engine) {
    let house = House::open(engine).await;
    let (team, node) = (TeamId::generate(), NodeId::generate());
    let id = house.create(team, "1").await.id;
    let mut scheduler = house.as_service(0, "scheduler");
    let attempt = AttemptId::generate();
    scheduler.attach(&id, attempt, node).await.unwrap();
    let mut agent = house.client(&Principal::Agent(node));
    report(&mut agent, node, &id, 10 * GIB).await.unwrap();
    assert_eq!(house.volume(&id).await.fill(), VolumeFill::Full);

    let mut admin = house.client(&person(team, Role::Admin));
    let less = resize(&mut admin, &id, 9 * GIB).await.unwrap_err();
    assert_eq!(less.code(), Code::InvalidArgument);
    assert!(less.message().contains("take 10.0 GiB already"), "{less}");
    let more = resize(&mut admin, &id, 51 * GIB).await.unwrap_err();
    assert_eq!(more.code(), Code::PermissionDenied);
    assert!(more.message().contains("at most 50.0 GiB"), "{more}");
    let resized = resize(&mut admin, &id, 50 * GIB).await.unwrap();
    assert_eq!(
        (resized.quota_bytes, resized.fill()),
        (50 * GIB, VolumeFill::Room)
    );
    assert_eq!(resize(&mut admin, &id, 50 * GIB).await.unwrap(), resized);

    let mut member = house.client(&person(team, Role::Member));
    let denied = resize(&mut member, &id, 20 * GIB).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    let mut stranger = house.client(&person(TeamId::generate(), Role::Owner));
    let hidden = resize(&mut stranger, &id, 20 * GIB).await.unwrap_err();
    assert_eq!(hidden.code(), Code::NotFound);
    let Principal::User(user) = person(TeamId::generate(), Role::Owner) else {
        panic!("a person is a user");
    };
    let operator = Principal::User(User {
        operator: true,
        ..user
    });
    let mut operator = house.client(&operator);
    let huge = resize(&mut operator, &id, 4_096 * GIB).await.unwrap();
    assert_eq!(huge.quota_bytes, 4_096 * GIB);

    scheduler.detach(&id, attempt).await.unwrap();
    house.as_service(0, "notebook").delete(&id).await.unwrap();
    let gone = resize(&mut admin, &id, 40 * GIB).await.unwrap_err();
    assert_eq!(gone.code(), Code::FailedPrecondition);
}

testkit::on_each_engine!(
    people_are_told_before_files_are_full,
    quotas_are_set_by_who_may
);
