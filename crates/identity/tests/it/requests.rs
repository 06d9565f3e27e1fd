//! Creates that are asked again: one thing, and its secret for an hour.

use chassis::Error;
use chrono::TimeDelta;
use contracts::common::v1::Role;
use contracts::identity::v1::{
    CreateApiKeyRequest, CreateNodeKeyRequest, CreateProjectRequest, CreateTeamRequest,
    CreateUserRequest, RevokeNodeKeyRequest,
};
use kernel::id::NodeId;
use sea_orm::{ConnectionTrait as _, Statement};
use testkit::{Engine, eventually};
use tonic::Code;

use crate::house::House;

fn new_key(name: &str, request_id: &str) -> CreateApiKeyRequest {
    CreateApiKeyRequest {
        name: name.to_owned(),
        request_id: request_id.to_owned(),
        ..CreateApiKeyRequest::default()
    }
}

async fn the_same_request_makes_one_thing(engine: Engine) {
    let house = House::open(engine).await;
    let owner_key = house.team("lab").await;
    // Both replicas at once: one of them makes it.
    let asked = || async {
        let ask = async |replica| {
            let mut owner = house.client_of(replica, &owner_key).await;
            let made = owner.create_api_key(new_key("ci", "r1")).await.unwrap();
            made.into_inner()
        };
        tokio::join!(ask(0), ask(1))
    };
    let (one, two) = asked().await;
    assert_eq!(one, two);
    assert!(one.key.starts_with("qk_") && one.notice.is_empty());
    assert!(house.token(&one.key).await.is_ok());
    let mut owner = house.client(&owner_key).await;
    let other = owner.create_api_key(new_key("cd", "r1")).await.unwrap_err();
    assert_eq!(other.code(), Code::AlreadyExists);
    assert!(other.message().contains("request_id \"r1\""), "{other}");
    // The identifier counts for each kind of create by itself, and for each team.
    let project = |name: &str| CreateProjectRequest {
        name: name.to_owned(),
        request_id: "r1".to_owned(),
    };
    let made = owner.create_project(project("vision")).await.unwrap();
    let again = owner.create_project(project("vision")).await.unwrap();
    assert_eq!(made.into_inner(), again.into_inner());
    let other = owner.create_project(project("sound")).await.unwrap_err();
    assert_eq!(other.code(), Code::AlreadyExists);
    let stranger = house.team("other").await;
    let made = house
        .client(&stranger)
        .await
        .create_api_key(new_key("cd", "r1"))
        .await;
    assert_ne!(made.unwrap().into_inner().key, one.key);
    // A key that may do less does not learn what the other made.
    let narrow = CreateApiKeyRequest {
        scopes: vec!["identity:write".to_owned()],
        ..new_key("narrow", "")
    };
    let narrow = owner.create_api_key(narrow).await.unwrap().into_inner().key;
    let refused = house
        .client(&narrow)
        .await
        .create_api_key(new_key("ci", "r1"))
        .await;
    assert_eq!(refused.unwrap_err().code(), Code::AlreadyExists);
    let long = owner.create_api_key(new_key("ci", &"x".repeat(201))).await;
    assert_eq!(long.unwrap_err().code(), Code::InvalidArgument);
}

async fn a_new_owner_is_not_locked_out_by_a_lost_answer(engine: Engine) {
    let house = House::open(engine).await;
    let mut operator = house.operator().await;
    let team = CreateTeamRequest {
        name: "lab".to_owned(),
        namespace: "lab".to_owned(),
        owner_email: "ada@lab.example".to_owned(),
        request_id: "r1".to_owned(),
    };
    let first = operator
        .create_team(team.clone())
        .await
        .unwrap()
        .into_inner();
    let second = operator
        .create_team(team.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(first, second);
    let mut owner = house.client(&second.owner_key).await;
    let user = CreateUserRequest {
        email: "eve@lab.example".to_owned(),
        role: Role::Member.into(),
        request_id: "r1".to_owned(),
        ..CreateUserRequest::default()
    };
    let eve = owner.create_user(user.clone()).await.unwrap().into_inner();
    assert_eq!(owner.create_user(user).await.unwrap().into_inner(), eve);
    assert!(house.token(&eve.key).await.is_ok());
    // Whose answer never had a key gets none, and no notice of one.
    let known = CreateTeamRequest {
        namespace: "lab-2".to_owned(),
        request_id: "r2".to_owned(),
        ..team
    };
    for _ in 0..2 {
        let answer = operator
            .create_team(known.clone())
            .await
            .unwrap()
            .into_inner();
        assert_eq!(
            (answer.owner_key.as_str(), answer.notice.as_str()),
            ("", "")
        );
    }
}

async fn secrets_are_sealed_and_forgotten_after_an_hour(engine: Engine) {
    let house = House::open(engine).await;
    let owner_key = house.team("lab").await;
    let mut owner = house.client(&owner_key).await;
    let made = owner.create_api_key(new_key("ci", "r1")).await.unwrap();
    let made = made.into_inner();
    let database = chassis::Database::open::<identity::Migrator>(&house.database.url())
        .await
        .unwrap();
    let sealed = async || {
        let reader = database.reader();
        let sql = "SELECT secret_sealed FROM requests";
        let row = reader
            .query_one_raw(Statement::from_string(reader.get_database_backend(), sql))
            .await
            .unwrap();
        row.unwrap().try_get::<String>("", "secret_sealed").unwrap()
    };
    assert!(sealed().await.len() > 40 && !sealed().await.contains(&made.key));
    house.clock.advance(TimeDelta::hours(1));
    let mut owner = house.client(&owner_key).await;
    let late = owner.create_api_key(new_key("ci", "r1")).await.unwrap();
    let late = late.into_inner();
    assert_eq!((late.key.as_str(), late.api_key), ("", made.api_key));
    assert!(late.notice.contains("not kept"), "{}", late.notice);
    // Not only hidden: gone.
    let replica = house.restarted().await;
    eventually("the end of the secret", || async {
        (sealed().await == "-").then_some(())
    })
    .await;
    replica.stop().await.unwrap();
}

async fn a_node_that_is_gone_never_gets_a_key_again(engine: Engine) {
    let house = House::open(engine).await;
    let (node, other) = (NodeId::generate(), NodeId::generate());
    let mut inventory = house.service("inventory").await;
    let mut key = async |node: NodeId| {
        let asked = CreateNodeKeyRequest {
            node_id: node.into(),
        };
        let made = inventory.create_node_key(asked).await;
        made.map(|made| made.into_inner().key)
    };
    let (first, stays) = (key(node).await.unwrap(), key(other).await.unwrap());
    assert!(house.token(&first).await.is_ok());
    for _ in 0..2 {
        let asked = RevokeNodeKeyRequest {
            node_id: node.into(),
        };
        let mut inventory = house.service("inventory").await;
        inventory.revoke_node_key(asked).await.unwrap();
    }
    let told = Error::from(house.token(&first).await.unwrap_err());
    assert!(matches!(told, Error::GivenUp { node: told } if told == node.to_string()));
    let again = Error::from(key(node).await.unwrap_err());
    assert!(matches!(again, Error::GivenUp { .. }));
    assert!(house.token(&stays).await.is_ok());
    let unknown = Error::from(house.token("qn_nothing").await.unwrap_err());
    assert!(matches!(unknown, Error::Unauthenticated(_)));
}

testkit::on_each_engine!(
    the_same_request_makes_one_thing,
    a_new_owner_is_not_locked_out_by_a_lost_answer,
    secrets_are_sealed_and_forgotten_after_an_hour,
    a_node_that_is_gone_never_gets_a_key_again,
);
