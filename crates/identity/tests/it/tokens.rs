//! Tokens: signed by one key for all replicas, short, and checked offline.

use chrono::TimeDelta;
use contracts::identity::v1::{GetSessionRequest, ListVerificationKeysRequest};
use identity::IdentityConfig;
use kernel::Clock as _;
use testkit::{Engine, Service};
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::house::House;

/// Each house starts its replicas together, on an empty database.
async fn replicas_sign_with_one_key(engine: Engine) {
    for _ in 0..6 {
        let house = House::open(engine).await;
        let keys = verification_keys(&house, 0).await;
        assert_eq!((keys.len(), keys[0].len()), (1, 32));
        assert_eq!(verification_keys(&house, 1).await, keys);
    }
}

async fn verification_keys(house: &House, replica: usize) -> Vec<Vec<u8>> {
    let mut client = house.with_token(replica, "");
    let listed = client
        .list_verification_keys(ListVerificationKeysRequest {})
        .await;
    listed.unwrap().into_inner().keys
}

async fn a_token_works_at_every_replica(engine: Engine) {
    let house = House::open(engine).await;
    let token = house.token(&house.first_key).await.unwrap();
    for replica in [0, 1] {
        house
            .with_token(replica, &token)
            .get_session(GetSessionRequest {})
            .await
            .unwrap();
    }
}

async fn tokens_last_ten_minutes(engine: Engine) {
    let house = House::open(engine).await;
    let mut client = house.operator().await;
    house.clock.advance(TimeDelta::minutes(9));
    client.get_session(GetSessionRequest {}).await.unwrap();
    house.clock.advance(TimeDelta::minutes(1));
    assert_eq!(
        client
            .get_session(GetSessionRequest {})
            .await
            .unwrap_err()
            .code(),
        Code::Unauthenticated
    );
    house.session(&house.first_key).await;

    let token = house.token(&house.first_key).await.unwrap();
    let (head, signature) = token.rsplit_once('.').unwrap();
    let forged = format!("{head}.{}", signature.chars().rev().collect::<String>());
    let refused = house
        .with_token(0, &forged)
        .get_session(GetSessionRequest {})
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
}

async fn a_token_outlives_a_restart(engine: Engine) {
    let house = House::open(engine).await;
    let token = house.token(&house.first_key).await.unwrap();
    let (config, clock) = (house.config.clone(), house.clock.clone());
    let restarted =
        Service::start(|cancel, ready| identity::run(config, clock, cancel, ready)).await;
    let mut client = crate::house::Client::new(restarted.channel(&token));
    client.get_session(GetSessionRequest {}).await.unwrap();
    restarted.stop().await.unwrap();
}

async fn another_master_key_opens_nothing(engine: Engine) {
    let house = House::open(engine).await;
    let master_key = chassis::seal::random_secret().unwrap();
    let config = IdentityConfig {
        master_key,
        ..house.config.clone()
    };
    let now = house.clock.now();
    let ended = identity::run(
        config,
        house.clock.clone(),
        CancellationToken::new(),
        |_| {},
    )
    .await;
    assert!(ended.is_err());
    assert_eq!(house.clock.now(), now);
}

testkit::on_each_engine!(
    replicas_sign_with_one_key,
    a_token_works_at_every_replica,
    tokens_last_ten_minutes,
    a_token_outlives_a_restart,
    another_master_key_opens_nothing,
);
