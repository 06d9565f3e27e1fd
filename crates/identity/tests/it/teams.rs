//! Teams, people and their roles.

use contracts::common::v1::Role;
use contracts::identity::v1::{
    CreateApiKeyRequest, CreateTeamRequest, ListTeamsRequest, ListUsersRequest, User,
};
use testkit::Engine;
use tonic::{Code, Status};

use crate::house::{Client, House, add};

fn new_team(namespace: &str) -> CreateTeamRequest {
    CreateTeamRequest {
        name: "Lab".to_owned(),
        namespace: namespace.to_owned(),
        owner_email: String::new(),
        ..CreateTeamRequest::default()
    }
}

/// A key of the caller's for another of their teams.
async fn own_key(client: &mut Client, team: &str) -> Result<String, Status> {
    let asked = CreateApiKeyRequest {
        name: "mine".to_owned(),
        scopes: Vec::new(),
        expires_at: None,
        team: team.to_owned(),
        ..CreateApiKeyRequest::default()
    };
    Ok(client.create_api_key(asked).await?.into_inner().key)
}

async fn users(client: &mut Client, team_id: &str) -> Vec<User> {
    let asked = ListUsersRequest {
        team_id: team_id.to_owned(),
    };
    client.list_users(asked).await.unwrap().into_inner().users
}

async fn teams(client: &mut Client) -> Vec<String> {
    let teams = client
        .list_teams(ListTeamsRequest {})
        .await
        .unwrap()
        .into_inner()
        .teams;
    teams.into_iter().map(|team| team.namespace).collect()
}

async fn operators_make_teams(engine: Engine) {
    let house = House::open(engine).await;
    let mut operator = house.operator().await;
    let made = operator
        .create_team(new_team("lab"))
        .await
        .unwrap()
        .into_inner();
    let session = house.session(&made.owner_key).await;
    assert_eq!(
        (session.team, session.user.unwrap().role()),
        (made.team, Role::Owner)
    );
    assert_eq!(house.projects(&made.owner_key).await, ["default"]);

    let taken = operator.create_team(new_team("lab")).await.unwrap_err();
    assert_eq!(taken.code(), Code::AlreadyExists);
    for wrong in ["", "Lab", "a--b", "a_b", &"x".repeat(40)] {
        let refused = operator.create_team(new_team(wrong)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{wrong:?}");
    }
    let owner_key = house.team("other").await;
    let mut owner = house.client(&owner_key).await;
    assert_eq!(
        owner
            .create_team(new_team("mine"))
            .await
            .unwrap_err()
            .code(),
        Code::PermissionDenied
    );
    assert_eq!(teams(&mut owner).await, ["other"]);
    assert_eq!(teams(&mut operator).await, ["lab", "main", "other"]);
}

/// Two replicas, one name at once: one team has it.
async fn a_namespace_is_given_once_in_a_race(engine: Engine) {
    let house = House::open(engine).await;
    let (mut left, mut right) = (
        house.client_of(0, &house.first_key).await,
        house.client_of(1, &house.first_key).await,
    );
    for round in 0..5 {
        let asked = || new_team(&format!("lab{round}"));
        let (one, two) = tokio::join!(left.create_team(asked()), right.create_team(asked()));
        let refused = match (one, two) {
            (Ok(_), Err(refused)) | (Err(refused), Ok(_)) => refused,
            both => panic!("not exactly one was made: {both:?}"),
        };
        assert_eq!(refused.code(), Code::AlreadyExists);
    }
}

async fn nobody_gives_more_than_they_have(engine: Engine) {
    let house = House::open(engine).await;
    let owner_key = house.team("lab").await;
    let admin_key = house
        .member(&owner_key, "admin@lab.example", Role::Admin)
        .await;
    let member_key = house
        .member(&admin_key, "ada@lab.example", Role::Member)
        .await;
    let mut admin = house.client(&admin_key).await;
    for (role, code) in [
        (Role::Owner, Code::PermissionDenied),
        (Role::Operator, Code::InvalidArgument),
        (Role::Unspecified, Code::InvalidArgument),
    ] {
        assert_eq!(
            add(&mut admin, "bob@lab.example", role)
                .await
                .unwrap_err()
                .code(),
            code,
            "{role:?}"
        );
    }
    let above = add(&mut admin, "owner@lab.example", Role::Viewer)
        .await
        .unwrap_err();
    assert_eq!(above.code(), Code::PermissionDenied);
    let member = add(
        &mut house.client(&member_key).await,
        "bob@lab.example",
        Role::Viewer,
    )
    .await
    .unwrap_err();
    assert_eq!(member.code(), Code::PermissionDenied);
    assert_eq!(
        add(&mut admin, "no address", Role::Viewer)
            .await
            .unwrap_err()
            .code(),
        Code::InvalidArgument
    );

    let listed: Vec<_> = users(&mut admin, "")
        .await
        .into_iter()
        .map(|user| (user.email.clone(), user.role()))
        .collect();
    let expected = [
        ("ada", Role::Member),
        ("admin", Role::Admin),
        ("owner", Role::Owner),
    ];
    assert_eq!(
        listed,
        expected.map(|(name, role)| (format!("{name}@lab.example"), role))
    );
}

async fn a_person_can_be_in_two_teams(engine: Engine) {
    let house = House::open(engine).await;
    let (lab, shop) = (house.team("lab").await, house.team("shop").await);
    let in_lab = house.member(&lab, "ada@example.org", Role::Admin).await;
    let given = house.member(&shop, "Ada@Example.org", Role::Viewer).await;
    assert_eq!(given, "", "who is known already makes a key of their own");
    let in_shop = own_key(&mut house.client(&in_lab).await, "shop")
        .await
        .unwrap();
    let (one, two) = (house.session(&in_lab).await, house.session(&in_shop).await);
    let (one_user, two_user) = (one.user.unwrap(), two.user.unwrap());
    assert_eq!(one_user.id, two_user.id);
    assert_eq!(
        (one_user.role(), two_user.role()),
        (Role::Admin, Role::Viewer)
    );
    assert_ne!(one.team, two.team);
    assert_eq!(
        teams(&mut house.client(&in_shop).await).await,
        ["lab", "shop"]
    );
    assert_eq!(
        users(&mut house.client(&in_shop).await, "").await.len(),
        2,
        "ada and the owner, not the other team's"
    );
}

/// A key is given to nobody but its person: naming somebody does not make one that person.
async fn nobody_gets_the_key_of_another(engine: Engine) {
    let house = House::open(engine).await;
    let shop = house.team("shop").await;
    let mut owner = house.client(&shop).await;
    let operator = house.session(&house.first_key).await.user.unwrap().email;
    assert_eq!(add(&mut owner, &operator, Role::Viewer).await.unwrap(), "");
    let foreign = own_key(&mut owner, "main").await.unwrap_err();
    assert_eq!(foreign.code(), Code::NotFound);

    let last = add(&mut owner, "owner@shop.example", Role::Viewer)
        .await
        .unwrap_err();
    assert_eq!(last.code(), Code::FailedPrecondition, "{last}");
    add(&mut owner, "ada@shop.example", Role::Owner)
        .await
        .unwrap();
    add(&mut owner, "owner@shop.example", Role::Viewer)
        .await
        .unwrap();
}

/// Two replicas, one new address at once: one person, and one key.
async fn one_address_is_one_person_in_a_race(engine: Engine) {
    let house = House::open(engine).await;
    let (lab, shop) = (house.team("lab").await, house.team("shop").await);
    let (mut left, mut right) = (
        house.client_of(0, &lab).await,
        house.client_of(1, &shop).await,
    );
    for round in 0..5 {
        let email = format!("ada{round}@example.org");
        let (one, two) = tokio::join!(
            add(&mut left, &email, Role::Member),
            add(&mut right, &email, Role::Viewer)
        );
        let keys = [one.unwrap(), two.unwrap()];
        assert_eq!(keys.iter().filter(|key| key.is_empty()).count(), 1);
        let ids = [users(&mut left, "").await, users(&mut right, "").await].map(|listed| {
            let ada = listed.into_iter().find(|user| user.email == email);
            ada.unwrap().id
        });
        assert_eq!(ids[0], ids[1]);
    }
}

/// An owner raises a member while an admin lowers the same: an admin never lowers an owner.
async fn a_raised_member_is_not_lowered_in_a_race(engine: Engine) {
    let house = House::open(engine).await;
    let owner_key = house.team("lab").await;
    let admin_key = house
        .member(&owner_key, "admin@lab.example", Role::Admin)
        .await;
    let (mut owner, mut admin) = (
        house.client_of(0, &owner_key).await,
        house.client_of(1, &admin_key).await,
    );
    let ada = "ada@lab.example";
    for _ in 0..10 {
        add(&mut owner, ada, Role::Viewer).await.unwrap();
        let (raised, _) = tokio::join!(
            add(&mut owner, ada, Role::Owner),
            add(&mut admin, ada, Role::Member)
        );
        raised.unwrap();
        let listed = users(&mut owner, "").await;
        let role = listed.iter().find(|user| user.email == ada).unwrap().role();
        assert_eq!(role, Role::Owner);
    }
}

async fn services_name_the_team(engine: Engine) {
    let house = House::open(engine).await;
    let lab = house.team("lab").await;
    let (team, owner) = (
        house.session(&lab).await.team.unwrap().id,
        "owner@lab.example",
    );
    let mut notebook = house.service("notebook").await;
    assert_eq!(users(&mut notebook, &team).await[0].email, owner);
    let unnamed = notebook
        .list_users(ListUsersRequest::default())
        .await
        .unwrap_err();
    assert_eq!(unnamed.code(), Code::InvalidArgument);
    // A user who names another team is answered for their own.
    assert_eq!(
        users(&mut house.operator().await, &team).await[0].email,
        "admin@quire.local"
    );
    let refused = house
        .service("inventory")
        .await
        .list_users(ListUsersRequest { team_id: team })
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
}

testkit::on_each_engine!(
    operators_make_teams,
    a_namespace_is_given_once_in_a_race,
    nobody_gives_more_than_they_have,
    a_person_can_be_in_two_teams,
    nobody_gets_the_key_of_another,
    one_address_is_one_person_in_a_race,
    a_raised_member_is_not_lowered_in_a_race,
    services_name_the_team,
);
