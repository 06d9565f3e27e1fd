//! The first start, and every other.

use std::sync::Arc;

use kernel::time::{ManualClock, from_micros};
use secrecy::{ExposeSecret, SecretString};
use testkit::{Engine, Nats};
use tonic::Code;

use crate::house::{House, config, service_key};

async fn the_first_key_is_given_once(engine: Engine) {
    let house = House::open(engine).await;
    assert!(
        identity::bootstrap(&house.config, house.clock.clone())
            .await
            .unwrap()
            .is_none()
    );
    let session = house.session(&house.first_key).await;
    assert!(session.is_operator);
    assert_eq!(session.team.unwrap().namespace, "main");
    assert_eq!(session.user.unwrap().email, "admin@quire.local");
    assert_eq!(house.projects(&house.first_key).await, ["default"]);
}

/// Two replicas that start on an empty database: one of them makes the first team.
async fn the_first_key_is_given_once_in_a_race(engine: Engine) {
    let nats = Nats::start();
    let clock = Arc::new(ManualClock::new(from_micros(1)));
    for _ in 0..3 {
        let database = engine.database();
        let config = config(&database, &nats);
        let (one, two) = tokio::join!(
            identity::bootstrap(&config, clock.clone()),
            identity::bootstrap(&config, clock.clone())
        );
        let keys: Vec<_> = [one.unwrap(), two.unwrap()].into_iter().flatten().collect();
        assert_eq!(keys.len(), 1);
        assert!(keys[0].expose_secret().starts_with("qk_"));
    }
}

async fn service_keys_are_those_of_the_configuration(engine: Engine) {
    let house = House::open(engine).await;
    assert!(house.token(&service_key("notebook")).await.is_ok());
    let mut config = house.config.clone();
    config.service_keys.remove("notebook");
    config.service_keys.insert(
        "gateway".to_owned(),
        SecretString::from(service_key("gateway")),
    );
    identity::bootstrap(&config, house.clock.clone())
        .await
        .unwrap();
    assert!(house.token(&service_key("gateway")).await.is_ok());
    assert!(house.token(&service_key("inventory")).await.is_ok());
    let ended = house.token(&service_key("notebook")).await.unwrap_err();
    assert_eq!(ended.code(), Code::Unauthenticated);
}

testkit::on_each_engine!(
    the_first_key_is_given_once,
    the_first_key_is_given_once_in_a_race,
    service_keys_are_those_of_the_configuration,
);
