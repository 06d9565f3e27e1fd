//! The server's folder is transport, nobody's archive: wiped, everything converges.

use testkit::{Engine, Nats, eventually};

use crate::house::{Recorder, Store, published};

testkit::on_each_engine! {
    a_wiped_server_gets_its_streams_and_their_events_again,
    a_restarted_server_keeps_what_it_had,
}

async fn a_wiped_server_gets_its_streams_and_their_events_again(engine: Engine) {
    let mut nats = Nats::start();
    let (store, recorder) = (Store::open(engine).await, Recorder::new(engine).await);
    let _relay = store.relay(&nats).await;
    let _consumer = recorder.listen(&nats).await;
    store.commit("no-1", 1).await;
    eventually("the first event", || async {
        (recorder.handled() == ["no-1/1"]).then_some(())
    })
    .await;

    nats.stop();
    store.commit("no-1", 2).await;
    nats.restart(true);
    eventually("what was unsent", || async {
        recorder
            .handled()
            .contains(&"no-1/2".to_owned())
            .then_some(())
    })
    .await;
    // What had been sent is there again for whoever has not handled it, and has no second effect on who has.
    eventually("both events on the new stream", || async {
        let mut published = published(&nats).await;
        published.sort();
        (published == ["no-1/1", "no-1/2"]).then_some(())
    })
    .await;
    store.commit("no-1", 3).await;
    eventually("the event after the wipe", || async {
        (recorder.handled() == ["no-1/1", "no-1/2", "no-1/3"]).then_some(())
    })
    .await;
}

async fn a_restarted_server_keeps_what_it_had(engine: Engine) {
    let mut nats = Nats::start();
    let (store, recorder) = (Store::open(engine).await, Recorder::new(engine).await);
    let _relay = store.relay(&nats).await;
    store.commit("no-1", 1).await;
    eventually("the first event", || async {
        (store.count("sent_at IS NULL").await == 0).then_some(())
    })
    .await;
    nats.restart(false);
    store.commit("no-1", 2).await;
    let _consumer = recorder.listen(&nats).await;
    eventually("both events", || async {
        (recorder.handled() == ["no-1/1", "no-1/2"]).then_some(())
    })
    .await;
    assert_eq!(published(&nats).await, ["no-1/1", "no-1/2"]);
}
