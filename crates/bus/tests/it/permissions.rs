//! Least privilege on a real server: what a user may not do is refused, and its own work passes.

use std::time::Duration;

use async_nats::{Client, Event, ServerError};
use bus::Envelope;
use kernel::Clock as _;
use kernel::time::SystemClock;
use secrecy::ExposeSecret as _;
use testkit::{Engine, Nats, eventually};
use tokio::sync::mpsc;

use crate::house::{Recorder, Store, changed, connect};

/// Longest time that the server may take to refuse.
const REFUSAL: Duration = Duration::from_secs(20);

/// A client of a user, and what the server refuses it.
struct Watched {
    client: Client,
    refusals: mpsc::UnboundedReceiver<String>,
}

impl Watched {
    async fn connect(nats: &Nats, user: &str) -> Self {
        let config = nats.config_of(user);
        let (told, refusals) = mpsc::unbounded_channel();
        let client = async_nats::ConnectOptions::new()
            .user_and_password(config.user, config.password.expose_secret().to_owned())
            .event_callback(move |event| {
                if let Event::ServerError(ServerError::Other(text)) = event {
                    told.send(text).ok();
                }
                std::future::ready(())
            })
            .connect(config.url)
            .await
            .unwrap();
        Self { client, refusals }
    }

    async fn refused(&mut self, kind: &str, subject: &str) {
        let refusal = tokio::time::timeout(REFUSAL, self.refusals.recv());
        let text = refusal
            .await
            .unwrap_or_else(|_| panic!("{kind} of {subject} was not refused"))
            .unwrap();
        assert!(
            text.to_lowercase()
                .contains(&format!("{kind} to \"{}\"", subject.to_lowercase())),
            "{text}"
        );
    }

    async fn may_not_publish(&mut self, subject: &str) {
        self.client
            .publish(subject.to_owned(), "{}".into())
            .await
            .unwrap();
        self.client.flush().await.unwrap();
        self.refused("publish", subject).await;
    }

    async fn may_not_hear(&mut self, subject: &str) {
        let subscription = self.client.subscribe(subject.to_owned()).await.unwrap();
        self.client.flush().await.unwrap();
        self.refused("subscription", subject).await;
        drop(subscription);
    }
}

#[tokio::test]
async fn what_is_not_ones_own_is_refused() {
    let nats = Nats::guarded();
    // Everything that could be destroyed is there.
    for program in bus::users() {
        connect(&nats, program).await;
    }
    for user in bus::users() {
        let mut watched = Watched::connect(&nats, user).await;
        for area in bus::AREAS.into_iter().filter(|area| *area != user) {
            let event = bus::event_subject(area, "NodeChanged", None);
            watched.may_not_publish(&event).await;
        }
        for area in bus::AREAS {
            let stream = bus::stream_name(area);
            let verbs = ["DELETE", "PURGE", "UPDATE", "MSG.DELETE", "MSG.GET"];
            for verb in verbs {
                let subject = format!("$JS.API.STREAM.{verb}.{stream}");
                watched.may_not_publish(&subject).await;
            }
            let foreign = if user == "billing" {
                "volume"
            } else {
                "billing"
            };
            let consumer = bus::consumer_name(foreign, area);
            for verb in ["DELETE", "MSG.NEXT", "INFO"] {
                let subject = format!("$JS.API.CONSUMER.{verb}.{stream}.{consumer}");
                watched.may_not_publish(&subject).await;
            }
            let made = format!("$JS.API.CONSUMER.CREATE.{stream}.{consumer}.x");
            watched.may_not_publish(&made).await;
            let taken = format!("$JS.ACK.{stream}.{consumer}.1.1.1.1.1");
            watched.may_not_publish(&taken).await;
            watched.may_not_hear(&bus::stream_subjects(area)).await;
        }
        let other = if user == "billing" {
            "volume"
        } else {
            "billing"
        };
        let parked = bus::dead_letters(&bus::consumer_name(other, "scheduler"));
        watched.may_not_publish(&parked).await;
        watched.may_not_hear(&format!("_INBOX.{other}.>")).await;
        watched.may_not_hear("_INBOX.>").await;
        watched.may_not_hear(">").await;
        watched.may_not_publish(&format!("_INBOX.{other}.x")).await;
        if user != "notebook" {
            watched.may_not_publish("$KV.routes.nb-1").await;
        }
        if user != "edge" {
            watched.may_not_publish("quire.live.edge.activity").await;
        }
        if user != "journal" {
            watched
                .may_not_publish("$JS.API.STREAM.MSG.DELETE.QUIRE_DEAD")
                .await;
        }
    }
}

#[tokio::test]
async fn nobody_comes_in_without_the_password() {
    let nats = Nats::guarded();
    let mut config = nats.config_of("volume");
    config.password = "wrong".to_owned().into();
    assert!(bus::Bus::connect(&config, "volume").await.is_err());
    assert!(async_nats::connect(&config.url).await.is_err());
}

testkit::on_each_engine! { ones_own_work_passes }

/// Publishing, handling, parking, and sending again, each as its own user.
async fn ones_own_work_passes(engine: Engine) {
    let nats = Nats::guarded();
    let (store, recorder) = (Store::open(engine).await, Recorder::new(engine).await);
    let _relay = store.relay(&nats).await;
    let _consumer = recorder.listen(&nats).await;
    store.commit("no-1", 1).await;
    eventually("the event", || async {
        (recorder.handled() == ["no-1/1"]).then_some(())
    })
    .await;

    let inventory = connect(&nats, "inventory").await;
    let broken = Envelope {
        payload: vec![0xff],
        ..Envelope::new(&changed("no-1", 2), "no-1", None, SystemClock.now())
    };
    let headers = broken.headers();
    let sent =
        inventory
            .jetstream()
            .publish_with_headers(broken.subject, headers, broken.payload.into());
    sent.await.unwrap().await.unwrap();
    let journal = connect(&nats, "journal").await;
    let letter = eventually("the parked event", || async {
        bus::list_dead(&journal, 0, 10).await.unwrap().pop()
    })
    .await;
    assert_eq!(bus::count_dead(&journal).await.unwrap(), 1);
    bus::send_again(&journal, letter.sequence).await.unwrap();
    eventually("the letter parked once more", || async {
        let letters = bus::list_dead(&journal, 0, 10).await.unwrap();
        letters
            .iter()
            .any(|again| again.sequence > letter.sequence)
            .then_some(())
    })
    .await;
}
