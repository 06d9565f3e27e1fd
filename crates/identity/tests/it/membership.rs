//! The end of a membership, and other roles.

use contracts::common::v1::Role;
use contracts::identity::v1::{
    CreateApiKeyRequest, CreateProjectRequest, ListApiKeysRequest, ListUsersRequest,
    RemoveUserRequest, SetProjectMemberRequest, SetUserRoleRequest,
};
use testkit::Engine;
use tonic::{Code, Status};

use crate::house::{Client, House, add};

const ADA: &str = "ada@lab.example";

async fn remove(client: &mut Client, user: &str) -> Result<Role, Status> {
    let asked = RemoveUserRequest {
        user: user.to_owned(),
    };
    let answer = client.remove_user(asked).await?.into_inner();
    assert!(answer.removed_at.is_some());
    Ok(answer.user.unwrap().role())
}

async fn set_role(client: &mut Client, user: &str, role: Role) -> Result<Role, Status> {
    let asked = SetUserRoleRequest {
        user: user.to_owned(),
        role: role.into(),
    };
    let answer = client.set_user_role(asked).await?.into_inner();
    Ok(answer.user.unwrap().role())
}

/// Addresses of the members with their roles.
async fn members(client: &mut Client) -> Vec<(String, Role)> {
    let listed = client.list_users(ListUsersRequest::default()).await;
    let users = listed.unwrap().into_inner().users.into_iter();
    users
        .map(|user| (user.email.clone(), user.role()))
        .collect()
}

async fn who_is_removed_keeps_nothing(engine: Engine) {
    let house = House::open(engine).await;
    let owner_key = house.team("lab").await;
    let other_owner = house.team("shop").await;
    let ada = house.member(&owner_key, ADA, Role::Member).await;
    house.member(&other_owner, ADA, Role::Viewer).await;
    let mut owner = house.client(&owner_key).await;
    let asked = CreateProjectRequest {
        name: "vision".to_owned(),
        ..CreateProjectRequest::default()
    };
    owner.create_project(asked).await.unwrap();
    let asked = SetProjectMemberRequest {
        project: "vision".to_owned(),
        user: ADA.to_owned(),
        no_access: true,
        ..SetProjectMemberRequest::default()
    };
    owner.set_project_member(asked).await.unwrap();
    let mut old = house.client(&ada).await;
    let mine = CreateApiKeyRequest {
        name: "mine".to_owned(),
        ..CreateApiKeyRequest::default()
    };
    let second = old.create_api_key(mine.clone()).await.unwrap().into_inner();
    let elsewhere = CreateApiKeyRequest {
        team: "shop".to_owned(),
        ..mine.clone()
    };
    let elsewhere = old.create_api_key(elsewhere).await.unwrap().into_inner();

    assert_eq!(remove(&mut owner, ADA).await.unwrap(), Role::Member);
    let gone = remove(&mut owner, ADA).await.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);
    for key in [&ada, &second.key] {
        let refused = house.token(key).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
        assert!(refused.message().contains("revoked"), "{refused}");
    }
    // Her other team is none of this one's business.
    house.token(&elsewhere.key).await.unwrap();
    // The token that is still out makes no key, and nobody a member.
    let refused = old.create_api_key(mine).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");

    // Who comes back begins anew: no key of before works, no project is closed to them.
    assert_eq!(add(&mut owner, ADA, Role::Member).await.unwrap(), "");
    house.token(&ada).await.unwrap_err();
    let asked = CreateApiKeyRequest {
        name: "back".to_owned(),
        team: "lab".to_owned(),
        ..CreateApiKeyRequest::default()
    };
    let mut ada = house.client(&elsewhere.key).await;
    let back = ada.create_api_key(asked).await.unwrap().into_inner().key;
    assert_eq!(house.projects(&back).await, ["default", "vision"]);
    let keys = owner
        .list_api_keys(ListApiKeysRequest::default())
        .await
        .unwrap();
    let ended = keys.into_inner().api_keys.into_iter();
    let ended = ended.filter(|key| key.revoked_at.is_some());
    assert_eq!(ended.count(), 2);
}

async fn nobody_removes_who_is_above_them(engine: Engine) {
    let house = House::open(engine).await;
    let owner_key = house.team("lab").await;
    let admin = house
        .member(&owner_key, "admin@lab.example", Role::Admin)
        .await;
    let ada_key = house.member(&owner_key, ADA, Role::Member).await;
    let (mut owner, mut admin, mut ada) = (
        house.client(&owner_key).await,
        house.client(&admin).await,
        house.client(&ada_key).await,
    );
    let refused = remove(&mut ada, "admin@lab.example").await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let refused = remove(&mut admin, "owner@lab.example").await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    for last in [
        remove(&mut owner, "owner@lab.example").await,
        set_role(&mut owner, "owner@lab.example", Role::Admin).await,
    ] {
        let last = last.unwrap_err();
        assert_eq!(last.code(), Code::FailedPrecondition, "{last}");
    }
    let stranger = remove(&mut owner, "admin@quire.local").await.unwrap_err();
    assert_eq!(stranger.code(), Code::NotFound, "{stranger}");

    assert_eq!(
        set_role(&mut admin, "ada@", Role::Admin).await.unwrap(),
        Role::Admin
    );
    let above = set_role(&mut admin, ADA, Role::Owner).await.unwrap_err();
    assert_eq!(above.code(), Code::PermissionDenied, "{above}");
    let none = set_role(&mut admin, ADA, Role::Unspecified)
        .await
        .unwrap_err();
    assert_eq!(none.code(), Code::InvalidArgument, "{none}");
    // Two may go as long as one owner stays, and an admin may leave.
    assert_eq!(
        remove(&mut admin, "admin@lab.example").await.unwrap(),
        Role::Admin
    );
    // The token of one who left is good for ten minutes, but what they are now counts.
    let late = remove(&mut admin, ADA).await.unwrap_err();
    assert_eq!(late.code(), Code::PermissionDenied, "{late}");
    let late = add(&mut admin, "admin@lab.example", Role::Admin)
        .await
        .unwrap_err();
    assert_eq!(late.code(), Code::PermissionDenied, "{late}");
    set_role(&mut owner, ADA, Role::Owner).await.unwrap();
    remove(&mut owner, "owner@lab.example").await.unwrap();
    let mut ada = house.client(&ada_key).await;
    assert_eq!(members(&mut ada).await, [(ADA.to_owned(), Role::Owner)]);
}

/// Two owners remove each other at once, on two replicas: one stays.
async fn an_owner_stays_in_a_race(engine: Engine) {
    let house = House::open(engine).await;
    for round in 0..5 {
        let team = format!("lab{round}");
        let owner_key = house.team(&team).await;
        let email = format!("ada@{team}.example");
        let ada = house.member(&owner_key, &email, Role::Owner).await;
        let (mut left, mut right) = (
            house.client_of(0, &owner_key).await,
            house.client_of(1, &ada).await,
        );
        let owner = format!("owner@{team}.example");
        let (one, two) = tokio::join!(remove(&mut left, &email), remove(&mut right, &owner));
        assert_ne!(one.is_ok(), two.is_ok(), "{one:?} {two:?}");
        let refused = one.and(two).unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    }
}

testkit::on_each_engine!(
    who_is_removed_keeps_nothing,
    nobody_removes_who_is_above_them,
    an_owner_stays_in_a_race,
);
