//! Ended attempts give their volumes back: by the event, and without it.

use contracts::scheduler::v1::{AttemptEnded, AttemptStarted};
use kernel::id::{AttemptId, NodeId, TeamId};
use testkit::{Engine, eventually};
use tonic::Code;

use crate::house::House;
use crate::scheduler::{ended, running};

async fn an_event_releases(engine: Engine) {
    let house = House::open(engine).await;
    let (id, other) = (
        house.create(TeamId::generate(), "1").await.id,
        house.create(TeamId::generate(), "2").await.id,
    );
    let (attempt, stays, node) = (
        AttemptId::generate(),
        AttemptId::generate(),
        NodeId::generate(),
    );
    let mut scheduler = house.as_service(0, "scheduler");
    scheduler.attach(&id, attempt, node).await.unwrap();
    scheduler.attach(&other, stays, node).await.unwrap();

    let about = attempt.to_string();
    let started = AttemptStarted {
        attempt: Some(running(&about)),
    };
    house.nats.publish(&started, &about).await;
    let event = AttemptEnded {
        attempt: Some(ended(&about)),
    };
    // Twice, as two events: the second finds nothing to do.
    house.nats.publish(&event, &about).await;
    house.nats.publish(&event, &about).await;
    assert_eq!(house.released(&id).await.revision, 3);
    assert!(house.volume(&other).await.attachment.is_some());

    let late = scheduler.attach(&id, attempt, node).await.unwrap_err();
    assert_eq!(late.code(), Code::FailedPrecondition);
    let next = scheduler
        .attach(&id, AttemptId::generate(), node)
        .await
        .unwrap();
    assert_eq!(next.revision, 4);
}

/// The event never came; whoever is refused the volume makes the service look for itself.
async fn a_lost_event_delays_no_more(engine: Engine) {
    let house = House::open(engine).await;
    let id = house.create(TeamId::generate(), "1").await.id;
    let (attempt, next, node) = (
        AttemptId::generate(),
        AttemptId::generate(),
        NodeId::generate(),
    );
    let mut scheduler = house.as_service(0, "scheduler");
    scheduler.attach(&id, attempt, node).await.unwrap();
    for _ in 0..5 {
        house
            .scheduler
            .change(running(&AttemptId::generate().to_string()));
    }
    house.scheduler.change(running(&attempt.to_string()));
    // Nothing has ended: the volume stays, although the service has looked at all pages.
    assert!(scheduler.attach(&id, next, node).await.is_err());
    eventually("a look at the last page", || async {
        house.scheduler.asked().contains(&4).then_some(())
    })
    .await;
    assert!(house.volume(&id).await.attachment.is_some());

    house.scheduler.change(ended(&attempt.to_string()));
    let attached = eventually("the volume", || async {
        house
            .as_service(0, "scheduler")
            .attach(&id, next, node)
            .await
            .ok()
    });
    assert_eq!(
        attached.await.attachment.unwrap().attempt_id,
        next.to_string()
    );
}

async fn the_timer_releases_and_the_place_is_kept(engine: Engine) {
    let mut house = House::open(engine).await;
    let id = house.create(TeamId::generate(), "1").await.id;
    let (attempt, node) = (AttemptId::generate(), NodeId::generate());
    house
        .as_service(0, "scheduler")
        .attach(&id, attempt, node)
        .await
        .unwrap();
    eventually("the first questions of both replicas", || async {
        (house.scheduler.asked().len() == 2).then_some(())
    })
    .await;
    for _ in 0..2 {
        house
            .scheduler
            .change(running(&AttemptId::generate().to_string()));
    }
    house.scheduler.change(ended(&attempt.to_string()));
    house.add_replica(50).await;
    house.released(&id).await;

    let seen = house.scheduler.asked().len();
    house.add_replica(50).await;
    let asked = eventually("later questions", || async {
        let asked = house.scheduler.asked();
        (asked.len() > seen + 4).then_some(asked)
    })
    .await;
    assert!(
        asked[seen..].iter().all(|change| *change == 3),
        "{:?}",
        &asked[seen..]
    );
}

testkit::on_each_engine!(
    an_event_releases,
    a_lost_event_delays_no_more,
    the_timer_releases_and_the_place_is_kept,
);
