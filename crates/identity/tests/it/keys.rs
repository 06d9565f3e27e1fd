//! Keys: what they open, for how long, and for whom.

use chrono::TimeDelta;
use contracts::common::v1::Role;
use contracts::identity::v1::{
    ApiKey, ApiKeyRevoked, CreateApiKeyRequest, CreateNodeKeyRequest, CreateProjectRequest,
    GetSessionRequest, ListApiKeysRequest, RevokeApiKeyRequest,
};
use contracts::to_wire_time;
use kernel::Clock as _;
use kernel::id::NodeId;
use sea_orm::ConnectionTrait as _;
use testkit::{Engine, eventually};
use tonic::{Code, Status};

use crate::house::{Client, House};

fn new_key(scopes: &[&str]) -> CreateApiKeyRequest {
    CreateApiKeyRequest {
        team: String::new(),
        name: "key".to_owned(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        expires_at: None,
        ..CreateApiKeyRequest::default()
    }
}

async fn create(
    client: &mut Client,
    asked: CreateApiKeyRequest,
) -> Result<(ApiKey, String), Status> {
    let made = client.create_api_key(asked).await?.into_inner();
    Ok((made.api_key.unwrap(), made.key))
}

async fn revoke(client: &mut Client, id: &str) -> Result<ApiKey, Status> {
    let asked = RevokeApiKeyRequest { id: id.to_owned() };
    Ok(client
        .revoke_api_key(asked)
        .await?
        .into_inner()
        .api_key
        .unwrap())
}

async fn listed(client: &mut Client) -> Vec<String> {
    let keys = client
        .list_api_keys(ListApiKeysRequest::default())
        .await
        .unwrap()
        .into_inner()
        .api_keys;
    keys.into_iter().map(|key| key.id).collect()
}

async fn unknown_keys_open_nothing(engine: Engine) {
    let house = House::open(engine).await;
    for wrong in [
        "",
        "qk_",
        "qk_x",
        &format!("{}x", house.first_key),
        &house.first_key.to_uppercase(),
    ] {
        assert_eq!(
            house.token(wrong).await.unwrap_err().code(),
            Code::Unauthenticated,
            "{wrong:?}"
        );
    }
    let nobody = house
        .with_token(0, "")
        .get_session(GetSessionRequest {})
        .await
        .unwrap_err();
    assert_eq!(nobody.code(), Code::Unauthenticated);
}

async fn keys_end_when_they_say(engine: Engine) {
    let house = House::open(engine).await;
    let mut operator = house.operator().await;
    let ends = house.clock.now() + TimeDelta::minutes(3);
    let asked = CreateApiKeyRequest {
        expires_at: Some(to_wire_time(ends)),
        ..new_key(&[])
    };
    let (_, key) = create(&mut operator, asked).await.unwrap();
    let mut client = house.client(&key).await;
    client.get_session(GetSessionRequest {}).await.unwrap();

    // The token lasts no longer than the key.
    house.clock.advance(TimeDelta::minutes(3));
    assert_eq!(
        client
            .get_session(GetSessionRequest {})
            .await
            .unwrap_err()
            .code(),
        Code::Unauthenticated
    );
    let ended = house.token(&key).await.unwrap_err();
    assert!(ended.message().contains("expired"), "{ended}");

    let asked = CreateApiKeyRequest {
        expires_at: Some(to_wire_time(ends)),
        ..new_key(&[])
    };
    let past = create(&mut house.operator().await, asked)
        .await
        .unwrap_err();
    assert_eq!(past.code(), Code::InvalidArgument);
}

async fn revoked_keys_open_nothing(engine: Engine) {
    let house = House::open(engine).await;
    let mut operator = house.operator().await;
    let (row, key) = create(&mut operator, new_key(&[])).await.unwrap();
    assert!(house.token(&key).await.is_ok());
    let revoked = revoke(&mut operator, &row.id).await.unwrap();
    assert!(revoked.revoked_at.is_some());
    house.clock.advance(TimeDelta::seconds(1));
    assert_eq!(
        revoke(&mut operator, &row.id).await.unwrap(),
        revoked,
        "the same again is no change"
    );
    let ended = house.token(&key).await.unwrap_err();
    assert!(ended.message().contains("revoked"), "{ended}");
    assert_eq!(told(&house, &row.id).await, 1);
}

/// How often the revocation of a key was told, once it was.
async fn told(house: &House, id: &str) -> usize {
    eventually("the event", || async {
        let events: Vec<ApiKeyRevoked> = house.nats.events().await;
        let told = events.iter().filter(|event| event.api_key_id == id).count();
        (told > 0).then_some(told)
    })
    .await
}

/// Two replicas, one key at once: it is revoked once.
async fn a_key_is_revoked_once_in_a_race(engine: Engine) {
    let house = House::open(engine).await;
    let (mut left, mut right) = (
        house.client_of(0, &house.first_key).await,
        house.client_of(1, &house.first_key).await,
    );
    for _ in 0..5 {
        let (row, _) = create(&mut left, new_key(&[])).await.unwrap();
        let (one, two) = tokio::join!(revoke(&mut left, &row.id), revoke(&mut right, &row.id));
        assert_eq!(one.unwrap(), two.unwrap());
        assert_eq!(told(&house, &row.id).await, 1);
    }
}

async fn people_see_and_end_their_own_keys(engine: Engine) {
    let house = House::open(engine).await;
    let owner_key = house.team("lab").await;
    let (mut owner, mut stranger) = (house.client(&owner_key).await, house.operator().await);
    let mut ada = house
        .client(
            &house
                .member(&owner_key, "ada@lab.example", Role::Member)
                .await,
        )
        .await;
    let mut bob = house
        .client(
            &house
                .member(&owner_key, "bob@lab.example", Role::Member)
                .await,
        )
        .await;
    let (row, _) = create(&mut ada, new_key(&[])).await.unwrap();

    assert!(listed(&mut ada).await.contains(&row.id) && listed(&mut owner).await.contains(&row.id));
    assert_eq!(listed(&mut owner).await.len(), 4);
    for other in [&mut bob, &mut stranger] {
        assert!(!listed(other).await.contains(&row.id));
        let hidden = revoke(other, &row.id).await.unwrap_err();
        let missing = revoke(other, "ak-nothing").await.unwrap_err();
        assert_eq!(
            (hidden.code(), missing.code()),
            (Code::NotFound, Code::NotFound)
        );
    }
    assert!(
        revoke(&mut owner, &row.id).await.is_ok(),
        "an owner ends any key of the team"
    );
}

async fn scopes_narrow_and_never_widen(engine: Engine) {
    let house = House::open(engine).await;
    let mut operator = house.operator().await;
    let (row, key) = create(&mut operator, new_key(&["identity:write", "notebook:read"]))
        .await
        .unwrap();
    assert_eq!(row.scopes, ["identity:write", "notebook:read"]);
    let mut narrow = house.client(&key).await;
    let project = CreateProjectRequest {
        name: "p".to_owned(),
        ..CreateProjectRequest::default()
    };
    narrow.create_project(project).await.unwrap();

    let (row, _) = create(&mut narrow, new_key(&[])).await.unwrap();
    assert_eq!(
        row.scopes,
        ["identity:write", "notebook:read"],
        "all that the key may do is all there is"
    );
    assert_eq!(
        create(&mut narrow, new_key(&["billing:read"]))
            .await
            .unwrap_err()
            .code(),
        Code::PermissionDenied
    );
    assert_eq!(
        create(&mut narrow, new_key(&["nonsense"]))
            .await
            .unwrap_err()
            .code(),
        Code::InvalidArgument
    );

    let (_, key) = create(&mut narrow, new_key(&["notebook:read"]))
        .await
        .unwrap();
    let refused = house
        .client(&key)
        .await
        .create_project(CreateProjectRequest {
            name: "q".to_owned(),
            ..CreateProjectRequest::default()
        })
        .await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert!(
        refused.message().contains("identity:write"),
        "what is missing is named: {refused}"
    );
}

async fn who_left_the_team_has_no_access(engine: Engine) {
    let house = House::open(engine).await;
    let owner_key = house.team("lab").await;
    let key = house
        .member(&owner_key, "ada@lab.example", Role::Member)
        .await;
    let user = house.session(&key).await.user.unwrap().id;
    let database = chassis::Database::open::<identity::Migrator>(&house.database.url())
        .await
        .unwrap();
    let left = format!("DELETE FROM members WHERE user_id = '{user}'");
    database.reader().execute_unprepared(&left).await.unwrap();
    assert_eq!(
        house.token(&key).await.unwrap_err().code(),
        Code::Unauthenticated
    );
}

async fn nodes_have_one_key(engine: Engine) {
    let house = House::open(engine).await;
    let mut inventory = house.service("inventory").await;
    let asked = || CreateNodeKeyRequest {
        node_id: NodeId::generate().into(),
    };
    let refused = house
        .operator()
        .await
        .create_node_key(asked())
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let refused = house
        .service("notebook")
        .await
        .create_node_key(asked())
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);

    let same = asked();
    let older = inventory
        .create_node_key(same.clone())
        .await
        .unwrap()
        .into_inner()
        .key;
    assert!(house.token(&older).await.is_ok());
    let newer = inventory
        .create_node_key(same)
        .await
        .unwrap()
        .into_inner()
        .key;
    assert!(house.token(&newer).await.is_ok());
    assert_eq!(
        house.token(&older).await.unwrap_err().code(),
        Code::Unauthenticated
    );
}

/// Two replicas, one node at once: one of both keys works.
async fn nodes_have_one_key_after_a_race(engine: Engine) {
    let house = House::open(engine).await;
    let token = house
        .token(&crate::house::service_key("inventory"))
        .await
        .unwrap();
    let (mut left, mut right) = (house.with_token(0, &token), house.with_token(1, &token));
    for _ in 0..5 {
        let asked = CreateNodeKeyRequest {
            node_id: NodeId::generate().into(),
        };
        let (one, two) = tokio::join!(
            left.create_node_key(asked.clone()),
            right.create_node_key(asked)
        );
        let mut working = 0;
        for made in [one, two] {
            working += usize::from(house.token(&made.unwrap().into_inner().key).await.is_ok());
        }
        assert_eq!(working, 1);
    }
}

testkit::on_each_engine!(
    unknown_keys_open_nothing,
    keys_end_when_they_say,
    revoked_keys_open_nothing,
    a_key_is_revoked_once_in_a_race,
    people_see_and_end_their_own_keys,
    scopes_narrow_and_never_widen,
    who_left_the_team_has_no_access,
    nodes_have_one_key,
    nodes_have_one_key_after_a_race,
);
