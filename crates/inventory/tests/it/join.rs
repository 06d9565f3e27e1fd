//! Joining: one token, one node.

use chassis::auth::Principal;
use chrono::TimeDelta;
use contracts::common::v1::Role;
use contracts::identity::v1::ExchangeKeyRequest;
use contracts::identity::v1::identity_service_client::IdentityServiceClient;
use contracts::inventory::v1::{CreateJoinTokenRequest, NodeLiveness, NodeSchedulable};
use kernel::id::{NodeId, TeamId};
use testkit::{Engine, person};
use tonic::Code;

use crate::house::{House, ask};

async fn a_token_lets_one_node_in(engine: Engine) {
    let house = House::open(engine).await;
    let token = house.join_token().await;
    let joined = house
        .stranger(0)
        .join_node(ask(&token, "box", "r1"))
        .await
        .unwrap()
        .into_inner();
    let node = house.node(&joined.node_id).await;
    assert_eq!(
        (node.name.as_str(), node.cpu_overcommit, node.revision),
        ("box", 2, 1)
    );
    assert_eq!(
        (node.liveness(), node.schedulable()),
        (NodeLiveness::Silent, NodeSchedulable::Open)
    );
    assert_eq!(node.last_seen_at, None);

    let refused = house
        .stranger(1)
        .join_node(ask(&token, "box-2", "r2"))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("already used"), "{refused}");
    assert_eq!(house.nodes().await.len(), 1);
}

async fn a_lost_answer_is_asked_again(engine: Engine) {
    let house = House::open(engine).await;
    let token = house.join_token().await;
    let mut keys = Vec::new();
    for replica in [0, 1] {
        let joined = house
            .stranger(replica)
            .join_node(ask(&token, "box", "r1"))
            .await
            .unwrap()
            .into_inner();
        keys.push(joined.node_key);
        assert_eq!(house.nodes().await[0].id, joined.node_id);
    }
    assert_eq!(house.nodes().await.len(), 1);
    assert_eq!(
        exchange(&house, &keys[0]).await,
        Err(Code::Unauthenticated),
        "the older key has ended"
    );
    assert_eq!(exchange(&house, &keys[1]).await, Ok(()));

    let other = house
        .stranger(0)
        .join_node(ask(&token, "other name", "r1"))
        .await
        .unwrap_err();
    assert_eq!(other.code(), Code::AlreadyExists);
    house.clock.advance(TimeDelta::hours(1));
    let late = house
        .stranger(0)
        .join_node(ask(&token, "box", "r1"))
        .await
        .unwrap_err();
    assert_eq!(late.code(), Code::FailedPrecondition);
}

async fn exchange(house: &House, key: &str) -> Result<(), Code> {
    let identity = house
        .identity
        .config("test", house.database.url(), &house.nats)
        .identity;
    let mut client = IdentityServiceClient::new(
        chassis::grpc::connect(&identity, &chassis::tls::Trust::public()).unwrap(),
    );
    let exchanged = client
        .exchange_key(ExchangeKeyRequest {
            key: key.to_owned(),
        })
        .await;
    exchanged.map(|_| ()).map_err(|status| status.code())
}

async fn tokens_end(engine: Engine) {
    let house = House::open(engine).await;
    let asked = CreateJoinTokenRequest {
        ttl_seconds: 60,
        ..CreateJoinTokenRequest::default()
    };
    let token = house
        .operator()
        .create_join_token(asked)
        .await
        .unwrap()
        .into_inner()
        .token;
    house.clock.advance(TimeDelta::seconds(60));
    let late = house
        .stranger(0)
        .join_node(ask(&token, "box", "r1"))
        .await
        .unwrap_err();
    assert_eq!(late.code(), Code::Unauthenticated);
    assert!(late.message().contains("expired"), "{late}");
    let unknown = house
        .stranger(0)
        .join_node(ask("qj_nothing", "box", "r1"))
        .await
        .unwrap_err();
    assert_eq!(unknown.code(), Code::Unauthenticated);
    let asked = CreateJoinTokenRequest {
        ttl_seconds: 59,
        ..CreateJoinTokenRequest::default()
    };
    let short = house.operator().create_join_token(asked).await.unwrap_err();
    assert_eq!(short.code(), Code::InvalidArgument);
}

async fn a_taken_name_spends_no_token(engine: Engine) {
    let house = House::open(engine).await;
    house.join("box").await;
    let token = house.join_token().await;
    let taken = house
        .stranger(0)
        .join_node(ask(&token, "box", "r1"))
        .await
        .unwrap_err();
    assert_eq!(taken.code(), Code::AlreadyExists);
    for (wrong, overcommit) in [
        ("", 1),
        ("a\tb", 1),
        (&*"x".repeat(64), 1),
        ("box-2", 0),
        ("box-2", 17),
    ] {
        let asked = contracts::inventory::v1::JoinNodeRequest {
            cpu_overcommit: overcommit,
            ..ask(&token, wrong, "r1")
        };
        let refused = house.stranger(0).join_node(asked).await.unwrap_err();
        assert_eq!(
            refused.code(),
            Code::InvalidArgument,
            "{wrong:?} {overcommit}"
        );
    }
    house
        .stranger(0)
        .join_node(ask(&token, "box-2", "r1"))
        .await
        .unwrap();
}

/// Two replicas, one token, two nodes at once: exactly one gets in.
async fn a_token_is_spent_once_in_a_race(engine: Engine) {
    let house = House::open(engine).await;
    for round in 0..5 {
        let token = house.join_token().await;
        let (mut one, mut two) = (house.stranger(0), house.stranger(1));
        let (first, second) = (format!("a{round}"), format!("b{round}"));
        let (one, two) = tokio::join!(
            one.join_node(ask(&token, &first, &first)),
            two.join_node(ask(&token, &second, &second)),
        );
        let refused = match (one, two) {
            (Ok(_), Err(refused)) | (Err(refused), Ok(_)) => refused,
            both => panic!("not exactly one joined: {both:?}"),
        };
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert_eq!(house.nodes().await.len(), round + 1);
    }
}

/// Two replicas, two tokens, one name at once: one node has it, and the other's token is not lost.
async fn a_name_is_given_once_in_a_race(engine: Engine) {
    let house = House::open(engine).await;
    for round in 0..5 {
        let (left, right) = (house.join_token().await, house.join_token().await);
        let (mut one, mut two) = (house.stranger(0), house.stranger(1));
        let name = format!("box{round}");
        let (one, two) = tokio::join!(
            one.join_node(ask(&left, &name, "l")),
            two.join_node(ask(&right, &name, "r"))
        );
        let (loser, refused) = match (one, two) {
            (Ok(_), Err(refused)) => (right, refused),
            (Err(refused), Ok(_)) => (left, refused),
            both => panic!("not exactly one joined: {both:?}"),
        };
        assert_eq!(refused.code(), Code::AlreadyExists);
        house
            .stranger(0)
            .join_node(ask(&loser, &format!("{name}-2"), "again"))
            .await
            .unwrap();
    }
}

async fn only_operators_let_nodes_in(engine: Engine) {
    let house = House::open(engine).await;
    let owner = person(TeamId::generate(), Role::Owner);
    for principal in [
        owner,
        Principal::Agent(NodeId::generate()),
        Principal::Service("notebook".to_owned()),
    ] {
        let mut client = house.client(&principal);
        let refused = client
            .create_join_token(CreateJoinTokenRequest::default())
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{principal:?}");
    }
    let refused = house
        .stranger(0)
        .create_join_token(CreateJoinTokenRequest::default())
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
}

testkit::on_each_engine!(
    a_token_lets_one_node_in,
    a_lost_answer_is_asked_again,
    tokens_end,
    a_taken_name_spends_no_token,
    a_token_is_spent_once_in_a_race,
    a_name_is_given_once_in_a_race,
    only_operators_let_nodes_in,
);
