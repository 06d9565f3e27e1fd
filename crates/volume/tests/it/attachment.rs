//! One writer at a time.

use contracts::volume::v1::Attachment;
use kernel::id::{AttemptId, NodeId, TeamId};
use testkit::Engine;
use tonic::Code;

use crate::house::House;

fn held_by(attempt: AttemptId) -> Option<Attachment> {
    Some(Attachment {
        attempt_id: attempt.into(),
        generation: 1,
    })
}

async fn the_first_attachment_fixes_the_node(engine: Engine) {
    let house = House::open(engine).await;
    let id = house.create(TeamId::generate(), "1").await.id;
    let (one, two, node) = (
        AttemptId::generate(),
        AttemptId::generate(),
        NodeId::generate(),
    );
    let mut scheduler = house.as_service(0, "scheduler");

    let attached = scheduler.attach(&id, one, node).await.unwrap();
    assert_eq!(
        (attached.node_id.as_str(), attached.revision),
        (&*node.to_string(), 2)
    );
    assert_eq!(attached.attachment, held_by(one));
    assert_eq!(
        scheduler.attach(&id, one, node).await.unwrap(),
        attached,
        "the same again is no change"
    );

    let refused = scheduler.attach(&id, two, node).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(
        refused.message().contains(&one.to_string()),
        "the holder is named: {refused}"
    );
    assert_eq!(
        scheduler.detach(&id, two).await.unwrap(),
        attached,
        "another's end releases nothing"
    );

    let released = scheduler.detach(&id, one).await.unwrap();
    assert_eq!((released.attachment, released.revision), (None, 3));
    let three = AttemptId::generate();
    let elsewhere = scheduler
        .attach(&id, three, NodeId::generate())
        .await
        .unwrap_err();
    assert_eq!(elsewhere.code(), Code::FailedPrecondition);
    assert!(
        elsewhere.message().contains(&node.to_string()),
        "{elsewhere}"
    );
    assert_eq!(
        scheduler.attach(&id, three, node).await.unwrap().attachment,
        held_by(three)
    );
    let revisions: Vec<_> = house
        .told(&id, 4)
        .await
        .into_iter()
        .map(|volume| volume.revision)
        .collect();
    assert_eq!(revisions, [1, 2, 3, 4]);
}

/// Two replicas, two attempts at once: exactly one may write.
async fn one_attempt_wins_a_race(engine: Engine) {
    let house = House::open(engine).await;
    let id = house.create(TeamId::generate(), "1").await.id;
    let node = NodeId::generate();
    let (mut left, mut right) = (
        house.as_service(0, "scheduler"),
        house.as_service(1, "scheduler"),
    );
    for _ in 0..5 {
        let (one, two) = (AttemptId::generate(), AttemptId::generate());
        let (first, second) =
            tokio::join!(left.attach(&id, one, node), right.attach(&id, two, node));
        let (winner, refused) = match (first, second) {
            (Ok(_), Err(refused)) => (one, refused),
            (Err(refused), Ok(_)) => (two, refused),
            both => panic!("not exactly one was attached: {both:?}"),
        };
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert_eq!(house.volume(&id).await.attachment, held_by(winner));
        left.detach(&id, winner).await.unwrap();
    }
}

/// Two replicas, two nodes for a new volume at once: its files lie on one of them.
async fn one_node_wins_a_race(engine: Engine) {
    let house = House::open(engine).await;
    let (mut left, mut right) = (
        house.as_service(0, "scheduler"),
        house.as_service(1, "scheduler"),
    );
    for round in 0..5 {
        let id = house
            .create(TeamId::generate(), &round.to_string())
            .await
            .id;
        let (attempt, here, there) = (
            AttemptId::generate(),
            NodeId::generate(),
            NodeId::generate(),
        );
        let (first, second) = tokio::join!(
            left.attach(&id, attempt, here),
            right.attach(&id, attempt, there)
        );
        let node = match (first, second) {
            (Ok(_), Err(_)) => here,
            (Err(_), Ok(_)) => there,
            both => panic!("not exactly one was attached: {both:?}"),
        };
        assert_eq!(house.volume(&id).await.node_id, node.to_string());
    }
}

/// An attachment and the end of its attempt at once, in whatever order: nobody is attached afterwards.
async fn an_end_wins_a_race(engine: Engine) {
    let house = House::open(engine).await;
    let id = house.create(TeamId::generate(), "1").await.id;
    let node = NodeId::generate();
    let (mut left, mut right) = (
        house.as_service(0, "scheduler"),
        house.as_service(1, "scheduler"),
    );
    for _ in 0..10 {
        let attempt = AttemptId::generate();
        let (_, ended) = tokio::join!(left.attach(&id, attempt, node), right.detach(&id, attempt));
        ended.unwrap();
        assert_eq!(house.volume(&id).await.attachment, None);
        let late = left.attach(&id, attempt, node).await.unwrap_err();
        assert_eq!(late.code(), Code::FailedPrecondition);
        assert!(late.message().contains("has ended"), "{late}");
    }
}

async fn nonsense_is_refused(engine: Engine) {
    let house = House::open(engine).await;
    let id = house.create(TeamId::generate(), "1").await.id;
    let (attempt, node) = (AttemptId::generate(), NodeId::generate());
    let mut scheduler = house.as_service(0, "scheduler");
    assert_eq!(
        scheduler
            .attach("vo-1", attempt, node)
            .await
            .unwrap_err()
            .code(),
        Code::InvalidArgument
    );
    let unknown = kernel::id::VolumeId::generate().to_string();
    assert_eq!(
        scheduler
            .attach(&unknown, attempt, node)
            .await
            .unwrap_err()
            .code(),
        Code::NotFound
    );
    let denied = house
        .as_service(0, "notebook")
        .attach(&id, attempt, node)
        .await
        .unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
}

testkit::on_each_engine!(
    the_first_attachment_fixes_the_node,
    one_attempt_wins_a_race,
    one_node_wins_a_race,
    an_end_wins_a_race,
    nonsense_is_refused,
);
