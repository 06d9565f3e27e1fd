//! Dead letters: listed a page at a time, and sent again to who could not handle them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bus::{Bus, DeadLetter, count_dead, list_dead, send_again};
use testkit::{Engine, Nats, eventually};

use crate::house::{Recorder, changed, connect};

testkit::on_each_engine! {
    one_is_sent_again_to_who_failed_and_to_nobody_else,
    one_that_fails_again_is_parked_again,
    they_are_listed_a_page_at_a_time,
}

/// A consumer that has parked `count` events.
async fn parked(
    engine: Engine,
    nats: &Nats,
    count: usize,
) -> (Arc<Recorder>, Bus, Vec<DeadLetter>) {
    let bus = connect(nats, "test").await;
    let recorder = Recorder::new(engine).await;
    recorder.fails.store(true, Ordering::SeqCst);
    for revision in 1..=count as u64 {
        nats.publish(&changed("no-1", revision), "no-1").await;
    }
    let consumer = recorder.listen(nats).await;
    let letters = eventually("the parked events", || async {
        let letters = list_dead(&bus, 0, 100).await.unwrap();
        (letters.len() == count).then_some(letters)
    })
    .await;
    consumer.stop().await;
    (recorder, bus, letters)
}

async fn one_is_sent_again_to_who_failed_and_to_nobody_else(engine: Engine) {
    let nats = Nats::start();
    let (failed, bus, letters) = parked(engine, &nats, 1).await;
    let other = Recorder::new(engine).await;
    let handles = bus::Consumer::new(
        connect(&nats, "test").await,
        "other",
        "inventory",
        other.clone(),
    );
    let _other = crate::house::Running::start(|cancel| handles.run(cancel));
    eventually("the first time of the other", || async {
        (other.handled() == ["no-1/1"]).then_some(())
    })
    .await;

    failed.fails.store(false, Ordering::SeqCst);
    let _consumer = failed.listen(&nats).await;
    let number = letters[0].sequence;
    assert_eq!(
        send_again(&bus, number).await.unwrap(),
        Some(letters[0].clone())
    );
    eventually("the effect", || async {
        (failed.handled() == ["no-1/1"]).then_some(())
    })
    .await;
    assert_eq!(count_dead(&bus).await.unwrap(), 0);
    assert_eq!(send_again(&bus, number).await.unwrap(), None);
    // What comes after it arrives at both: the other has been offered the letter by then.
    nats.publish(&changed("no-1", 2), "no-1").await;
    eventually("the next event", || async {
        (other.handled() == ["no-1/1", "no-1/2"]).then_some(())
    })
    .await;
    assert_eq!(other.tried().len(), 2);
}

async fn one_that_fails_again_is_parked_again(engine: Engine) {
    let nats = Nats::start();
    let (recorder, bus, letters) = parked(engine, &nats, 1).await;
    let _consumer = recorder.listen(&nats).await;
    send_again(&bus, letters[0].sequence).await.unwrap();
    let again = eventually("the letter again", || async {
        list_dead(&bus, 0, 10).await.unwrap().pop()
    })
    .await;
    assert!(again.sequence > letters[0].sequence);
    let kept = |letter: &DeadLetter| (letter.event_id.clone(), letter.subject.clone());
    assert_eq!(kept(&again), kept(&letters[0]));
    // And once more: nothing of the first time stands in the way.
    recorder.fails.store(false, Ordering::SeqCst);
    send_again(&bus, again.sequence).await.unwrap();
    eventually("the effect", || async {
        (recorder.handled() == ["no-1/1"]).then_some(())
    })
    .await;
}

async fn they_are_listed_a_page_at_a_time(engine: Engine) {
    let nats = Nats::start();
    let (_, bus, letters) = parked(engine, &nats, 3).await;
    let numbers: Vec<_> = letters.iter().map(|letter| letter.sequence).collect();
    let page = async |after, limit| {
        let letters = list_dead(&bus, after, limit).await.unwrap();
        letters
            .iter()
            .map(|letter| letter.sequence)
            .collect::<Vec<_>>()
    };
    assert_eq!(page(0, 2).await, numbers[..2]);
    assert_eq!(page(numbers[1], 2).await, numbers[2..]);
    assert_eq!(page(numbers[2], 2).await, Vec::<u64>::new());
    assert_eq!(count_dead(&bus).await.unwrap(), 3);
}
