//! What identity tells others: each change in the transaction that makes it true, numbered in the team's order, and nothing of
//! what was refused.

use std::collections::BTreeSet;

use contracts::Event;
use contracts::common::v1::Role;
use contracts::identity::v1::{
    ApiKeyChanged, ApiKeyRevoked, CreateApiKeyRequest, CreateProjectRequest, MemberChanged,
    ProjectChanged, ProjectMemberChanged, RemoveProjectMemberRequest, RemoveUserRequest,
    RenameProjectRequest, SetProjectMemberRequest, TeamChanged,
};
use testkit::{Engine, eventually};

use crate::house::{House, add};

const ADA: &str = "ada@lab.example";

/// The events of this type once there are as many; never more, as the one asked for last shows.
async fn events<E: Event>(house: &House, count: usize) -> Vec<E> {
    eventually("all events", || async {
        let events: Vec<E> = house.nats.events().await;
        (events.len() >= count).then_some(events)
    })
    .await
}

async fn changes_are_told(engine: Engine) {
    let house = House::open(engine).await;
    let owner_key = house.team("lab").await;
    let mut owner = house.client(&owner_key).await;
    let team = house.session(&owner_key).await.team.unwrap();
    let ada_key = house.member(&owner_key, ADA, Role::Member).await;
    add(&mut owner, ADA, Role::Viewer).await.unwrap();
    let mut ada = house.client(&ada_key).await;
    add(&mut ada, "eve@lab.example", Role::Member)
        .await
        .unwrap_err();
    let vision = CreateProjectRequest {
        name: "vision".to_owned(),
        ..CreateProjectRequest::default()
    };
    owner.create_project(vision.clone()).await.unwrap();
    owner.create_project(vision).await.unwrap_err();
    let grant = SetProjectMemberRequest {
        project: "vision".to_owned(),
        user: ADA.to_owned(),
        role: Role::Admin.into(),
        no_access: false,
    };
    owner.set_project_member(grant).await.unwrap();
    let take = RemoveProjectMemberRequest {
        project: "vision".to_owned(),
        user: ADA.to_owned(),
    };
    owner.remove_project_member(take.clone()).await.unwrap();
    owner.remove_project_member(take).await.unwrap();
    let rename = RenameProjectRequest {
        project: "vision".to_owned(),
        name: "sight".to_owned(),
    };
    owner.rename_project(rename).await.unwrap();
    let key = CreateApiKeyRequest {
        name: "secret-plans".to_owned(),
        scopes: vec!["notebook:read".to_owned()],
        ..CreateApiKeyRequest::default()
    };
    ada.create_api_key(key).await.unwrap();
    let leave = RemoveUserRequest {
        user: ADA.to_owned(),
    };
    owner.remove_user(leave).await.unwrap();

    let of_team = |id: &str| id == team.id;
    // The last change of all: what was said before it is there, too.
    let members: Vec<MemberChanged> = events(&house, 5).await;
    let told = members.iter().filter(|event| of_team(&event.team_id));
    let mut told: Vec<_> = told
        .map(|event| {
            let user = event.user.clone().unwrap();
            (
                user.email.clone(),
                user.role(),
                event.removed,
                event.revision,
            )
        })
        .collect();
    // Order is promised by the revision, not on the way.
    told.sort_by_key(|(.., revision)| *revision);
    let (ada, owner) = (ADA.to_owned(), "owner@lab.example".to_owned());
    assert_eq!(
        told,
        [
            (owner, Role::Owner, false, 1),
            (ada.clone(), Role::Member, false, 2),
            (ada.clone(), Role::Viewer, false, 3),
            (ada, Role::Viewer, true, 9),
        ]
    );

    let teams: Vec<TeamChanged> = events(&house, 2).await;
    let names = teams.into_iter().map(|event| event.team.unwrap().namespace);
    let names: BTreeSet<_> = names.collect();
    assert_eq!(names, BTreeSet::from(["lab", "main"].map(str::to_owned)));

    let projects: Vec<ProjectChanged> = events(&house, 4).await;
    let told = projects.iter().map(|event| {
        let project = event.project.clone().unwrap();
        (
            project.team_id == team.id,
            project.name,
            event.deleted,
            event.revision,
        )
    });
    let mut told: Vec<_> = told.filter(|(ours, ..)| *ours).collect();
    told.sort_by_key(|(.., revision)| *revision);
    assert_eq!(
        told,
        [
            (true, "default".to_owned(), false, 1),
            (true, "vision".to_owned(), false, 4),
            (true, "sight".to_owned(), false, 7),
        ]
    );

    let roles: Vec<ProjectMemberChanged> = events(&house, 2).await;
    let told = roles.iter().map(|event| {
        let member = event.member.clone().unwrap();
        (member.role(), event.removed, event.revision)
    });
    let told: BTreeSet<_> = told.collect();
    let expected = [(Role::Admin, false, 5), (Role::Admin, true, 6)];
    assert_eq!(told, BTreeSet::from(expected));

    let keys: Vec<ApiKeyChanged> = events(&house, 6).await;
    assert!(keys.iter().all(|event| {
        let key = event.api_key.as_ref().unwrap();
        key.name.is_empty() && key.scopes.is_empty() && !key.user_id.is_empty()
    }));
    let revoked: Vec<ApiKeyRevoked> = events(&house, 2).await;
    let ended = keys
        .iter()
        .filter_map(|event| event.api_key.clone())
        .filter(|key| key.revoked_at.is_some())
        .map(|key| key.id);
    let ids = revoked.iter().map(|event| event.api_key_id.clone());
    let (ids, ended): (BTreeSet<_>, BTreeSet<_>) = (ids.collect(), ended.collect());
    assert_eq!(ids, ended);
}

testkit::on_each_engine!(changes_are_told,);
