//! Streams: made once, and compared with what was asked.

use async_nats::jetstream::{self, stream};
use bus::{Bus, BusError};
use testkit::Nats;

async fn plain(nats: &Nats) -> jetstream::Context {
    let client = async_nats::connect(nats.config().url).await.unwrap();
    jetstream::new(client)
}

#[tokio::test]
async fn a_stream_that_somebody_made_otherwise_is_reported() {
    let nats = Nats::start();
    plain(&nats)
        .await
        .create_stream(stream::Config {
            name: bus::stream_name("volume"),
            subjects: vec![bus::stream_subjects("volume")],
            max_age: std::time::Duration::from_secs(60),
            ..stream::Config::default()
        })
        .await
        .unwrap();
    let error = Bus::connect(&nats.config(), "volume").await.unwrap_err();
    let BusError::NotAsAsked { what, difference } = error else {
        panic!("{error}");
    };
    assert_eq!(what, "stream QUIRE_VOLUME");
    assert_eq!(difference, "max_age: asked 604800s, stored 60s");
}

#[tokio::test]
async fn a_stream_that_drops_what_is_new_is_reported() {
    let nats = Nats::start();
    plain(&nats)
        .await
        .create_stream(stream::Config {
            name: bus::stream_name("volume"),
            subjects: vec![bus::stream_subjects("volume")],
            max_age: std::time::Duration::from_secs(7 * 24 * 3_600),
            duplicate_window: std::time::Duration::from_secs(120),
            discard: stream::DiscardPolicy::New,
            ..stream::Config::default()
        })
        .await
        .unwrap();
    let error = Bus::connect(&nats.config(), "volume").await.unwrap_err();
    let BusError::NotAsAsked { difference, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(difference, "discard: asked Old, stored New");
}

#[tokio::test]
async fn each_program_makes_its_own_streams() {
    let nats = Nats::start();
    Bus::connect(&nats.config(), "volume").await.unwrap();
    let jetstream = plain(&nats).await;
    assert!(jetstream.get_stream("QUIRE_VOLUME").await.is_ok());
    assert!(jetstream.get_stream("QUIRE_DEAD").await.is_ok());
    assert!(jetstream.get_stream("QUIRE_SCHEDULER").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_that_start_together_make_each_stream_once() {
    let nats = Nats::start();
    let mut programs = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let config = nats.config();
        programs.spawn(async move { Bus::connect(&config, "volume").await.map(|_| ()) });
    }
    for outcome in programs.join_all().await {
        outcome.unwrap();
    }
}
