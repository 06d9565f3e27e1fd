//! Consumers: each event has its effect once, and what cannot be handled is parked.

use std::sync::atomic::Ordering;

use bus::{Envelope, list_dead};
use contracts::Event as _;
use contracts::inventory::v1::NodeChanged;
use contracts::volume::v1::VolumeChanged;
use kernel::Clock as _;
use kernel::time::SystemClock;
use testkit::{Engine, Nats, eventually};

use crate::house::{Recorder, changed, connect};

testkit::on_each_engine! {
    a_duplicate_has_no_second_effect,
    what_fails_is_tried_again_and_then_parked,
    an_outage_of_the_database_parks_nothing,
    what_cannot_be_decoded_is_parked,
    unknown_types_are_passed_over,
    what_is_no_event_of_the_area_is_parked_unseen,
}

/// Publishes `envelope` as if nobody had published it before.
async fn publish(nats: &Nats, envelope: &Envelope, once_more: &str) {
    let bus = connect(nats, "test").await;
    let mut headers = envelope.headers();
    headers.insert("Nats-Msg-Id", format!("{}{once_more}", envelope.id));
    let payload = envelope.payload.clone().into();
    let sent = bus
        .jetstream()
        .publish_with_headers(envelope.subject.clone(), headers, payload);
    sent.await.unwrap().await.unwrap();
}

fn envelope(node: &str, revision: u64) -> Envelope {
    Envelope::new(&changed(node, revision), node, None, SystemClock.now())
}

async fn a_duplicate_has_no_second_effect(engine: Engine) {
    let (nats, recorder) = (Nats::start(), Recorder::new(engine).await);
    connect(&nats, "inventory").await;
    let _consumer = recorder.listen(&nats).await;
    let first = envelope("no-1", 1);
    publish(&nats, &first, "").await;
    publish(&nats, &first, "-again").await;
    publish(&nats, &envelope("no-1", 2), "").await;
    let second = || async { (recorder.handled().len() == 2).then_some(()) };
    eventually("both changes", second).await;
    assert_eq!(recorder.handled(), ["no-1/1", "no-1/2"]);
    assert_eq!(recorder.tried().len(), 3, "the duplicate was delivered");
}

async fn what_fails_is_tried_again_and_then_parked(engine: Engine) {
    let (nats, recorder) = (Nats::start(), Recorder::new(engine).await);
    connect(&nats, "inventory").await;
    recorder.fails.store(true, Ordering::SeqCst);
    let _consumer = recorder.listen(&nats).await;
    let event = envelope("no-1", 1);
    publish(&nats, &event, "").await;
    let bus = connect(&nats, "test").await;
    let letter = eventually("the parked event", || async {
        list_dead(&bus, 0, 10).await.unwrap().pop()
    })
    .await;
    assert_eq!(recorder.tried(), vec![event.id.clone(); 5]);
    assert_eq!(
        (&letter.event_id, &letter.subject),
        (&event.id, &event.subject)
    );
    assert_eq!(
        (letter.consumer.as_str(), letter.about.as_str()),
        ("scheduler-inventory", "no-1")
    );
    assert_eq!(letter.ce_type, NodeChanged::ce_type());
    assert_eq!(letter.reason, "not while the test says so really");
    assert!(recorder.handled().is_empty());

    // One that is parked holds up nothing.
    recorder.fails.store(false, Ordering::SeqCst);
    publish(&nats, &envelope("no-2", 1), "").await;
    let next = || async { (recorder.handled() == ["no-2/1"]).then_some(()) };
    eventually("the next event", next).await;
}

async fn an_outage_of_the_database_parks_nothing(engine: Engine) {
    let (nats, recorder) = (Nats::start(), Recorder::new(engine).await);
    connect(&nats, "inventory").await;
    recorder.break_database(true).await;
    let _consumer = recorder.listen(&nats).await;
    let event = envelope("no-1", 1);
    publish(&nats, &event, "").await;
    // As often as one is tried that is parked then.
    eventually("five tries", || async {
        (recorder.tried().len() >= 5).then_some(())
    })
    .await;
    recorder.break_database(false).await;
    eventually("the event after the outage", || async {
        (recorder.handled() == ["no-1/1"]).then_some(())
    })
    .await;
    let bus = connect(&nats, "test").await;
    assert_eq!(list_dead(&bus, 0, 10).await.unwrap(), []);
}

async fn what_cannot_be_decoded_is_parked(engine: Engine) {
    let (nats, recorder) = (Nats::start(), Recorder::new(engine).await);
    connect(&nats, "inventory").await;
    let _consumer = recorder.listen(&nats).await;
    let broken = Envelope {
        payload: vec![0xff],
        ..envelope("no-1", 1)
    };
    publish(&nats, &broken, "").await;
    let bus = connect(&nats, "test").await;
    let letter = eventually("the parked event", || async {
        list_dead(&bus, 0, 10).await.unwrap().pop()
    })
    .await;
    assert!(letter.reason.contains("decoding"), "{}", letter.reason);
}

async fn unknown_types_are_passed_over(engine: Engine) {
    let (nats, recorder) = (Nats::start(), Recorder::new(engine).await);
    connect(&nats, "inventory").await;
    let _consumer = recorder.listen(&nats).await;
    let unknown = Envelope {
        ce_type: "quire.inventory.v1.NodeDreamed".to_owned(),
        ..envelope("no-1", 1)
    };
    publish(&nats, &unknown, "").await;
    publish(&nats, &envelope("no-1", 2), "").await;
    let next = || async { (recorder.handled() == ["no-1/2"]).then_some(()) };
    eventually("the event behind it", next).await;
    assert_eq!(recorder.tried().len(), 2);
    let bus = connect(&nats, "test").await;
    assert_eq!(list_dead(&bus, 0, 10).await.unwrap(), []);
}

async fn what_is_no_event_of_the_area_is_parked_unseen(engine: Engine) {
    let (nats, recorder) = (Nats::start(), Recorder::new(engine).await);
    let bus = connect(&nats, "test").await;
    let _consumer = recorder.listen(&nats).await;
    // Whoever may publish inventory's events cannot speak for volume.
    let foreign = Envelope {
        ce_type: VolumeChanged::ce_type(),
        ..envelope("no-1", 1)
    };
    publish(&nats, &foreign, "").await;
    for payload in ["one", "two"] {
        let sent = bus
            .jetstream()
            .publish("quire.inventory.v1.NodeChanged._", payload.into());
        sent.await.unwrap().await.unwrap();
    }
    let letters = eventually("three parked messages", || async {
        let letters = list_dead(&bus, 0, 10).await.unwrap();
        (letters.len() == 3).then_some(letters)
    })
    .await;
    let reasons: Vec<_> = letters
        .iter()
        .map(|letter| letter.reason.as_str())
        .collect();
    let no_event = "the message has no event headers";
    assert_eq!(
        reasons,
        [
            "the event's type is of another area than its subject",
            no_event,
            no_event
        ]
    );
    assert_eq!(recorder.tried(), Vec::<String>::new());
}
