//! Things are found by identifier, name, or the unique beginning of either; and projects are renamed and removed.

use contracts::common::v1::Role;
use contracts::identity::v1::{
    ApiKey, CreateApiKeyRequest, CreateProjectRequest, DeleteProjectRequest, GetProjectRequest,
    ListProjectMembersRequest, Project, RenameProjectRequest, RevokeApiKeyRequest,
    SetProjectMemberRequest,
};
use testkit::Engine;
use tonic::{Code, Status};

use crate::house::{Client, House};

const ADA: &str = "ada@lab.example";

async fn make(client: &mut Client, name: &str) -> Project {
    let asked = CreateProjectRequest {
        name: name.to_owned(),
        ..CreateProjectRequest::default()
    };
    let made = client.create_project(asked).await.unwrap();
    made.into_inner().project.unwrap()
}

async fn get(client: &mut Client, asked: GetProjectRequest) -> Result<String, Status> {
    let found = client.get_project(asked).await?.into_inner();
    Ok(found.project.unwrap().name)
}

fn named(project: &str) -> GetProjectRequest {
    GetProjectRequest {
        project: project.to_owned(),
        ..GetProjectRequest::default()
    }
}

async fn projects_by_their_beginning(engine: Engine) {
    let house = House::open(engine).await;
    let owner_key = house.team("lab").await;
    let mut owner = house.client(&owner_key).await;
    let vision = make(&mut owner, "vision").await;
    let secret = make(&mut owner, "vision-secret").await;
    make(&mut owner, "speech").await;
    let ada_key = house.member(&owner_key, ADA, Role::Member).await;
    let no_access = SetProjectMemberRequest {
        project: "vision-s".to_owned(),
        user: "ada".to_owned(),
        no_access: true,
        ..SetProjectMemberRequest::default()
    };
    owner.set_project_member(no_access).await.unwrap();

    assert_eq!(get(&mut owner, named("sp")).await.unwrap(), "speech");
    assert_eq!(get(&mut owner, named("vision")).await.unwrap(), "vision");
    let two = get(&mut owner, named("vis")).await.unwrap_err();
    assert_eq!(two.code(), Code::InvalidArgument);
    let both = [vision.id.as_str(), &secret.id, "vision-secret"];
    assert!(
        both.iter().all(|name| two.message().contains(name)),
        "{two}"
    );
    let none = get(&mut owner, named("visions")).await.unwrap_err();
    assert_eq!(none.code(), Code::NotFound);

    // To whom one of them does not exist the other is the only one, also by way of a service.
    let mut ada = house.client(&ada_key).await;
    assert_eq!(get(&mut ada, named("vis")).await.unwrap(), "vision");
    let hidden = get(&mut ada, named("vision-")).await.unwrap_err();
    assert_eq!(hidden.code(), Code::NotFound);
    let by_service = |project: &str| GetProjectRequest {
        team_id: vision.team_id.clone(),
        hidden_project_ids: vec![secret.id.clone()],
        ..named(project)
    };
    let mut notebook = house.service("notebook").await;
    assert_eq!(
        get(&mut notebook, by_service("vis")).await.unwrap(),
        "vision"
    );
    let hidden = get(&mut notebook, by_service(&secret.id))
        .await
        .unwrap_err();
    assert_eq!(hidden.code(), Code::NotFound);
}

async fn rename(client: &mut Client, project: &str, name: &str) -> Result<String, Status> {
    let asked = RenameProjectRequest {
        project: project.to_owned(),
        name: name.to_owned(),
    };
    let renamed = client.rename_project(asked).await?.into_inner();
    Ok(renamed.project.unwrap().name)
}

async fn projects_are_renamed_and_removed(engine: Engine) {
    let house = House::open(engine).await;
    let owner_key = house.team("lab").await;
    let mut owner = house.client(&owner_key).await;
    let vision = make(&mut owner, "vision").await;
    let ada_key = house.member(&owner_key, ADA, Role::Viewer).await;
    let mut ada = house.client(&ada_key).await;
    let denied = rename(&mut ada, "vision", "mine").await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    let taken = rename(&mut owner, "vision", "default").await.unwrap_err();
    assert_eq!(taken.code(), Code::AlreadyExists);
    let empty = rename(&mut owner, "vision", " ").await.unwrap_err();
    assert_eq!(empty.code(), Code::InvalidArgument);
    assert_eq!(
        rename(&mut owner, "vision", "sight").await.unwrap(),
        "sight"
    );
    assert_eq!(rename(&mut owner, "sight", "sight").await.unwrap(), "sight");
    // An admin of the project alone renames it, too.
    let lead = SetProjectMemberRequest {
        project: "sight".to_owned(),
        user: ADA.to_owned(),
        role: Role::Admin.into(),
        no_access: false,
    };
    owner.set_project_member(lead).await.unwrap();
    let mut ada = house.client(&ada_key).await;
    assert_eq!(rename(&mut ada, "sight", "eyes").await.unwrap(), "eyes");

    let asked = DeleteProjectRequest {
        team_id: vision.team_id.clone(),
        project_id: vision.id.clone(),
    };
    let denied = owner.delete_project(asked.clone()).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    let mut notebook = house.service("notebook").await;
    let elsewhere = DeleteProjectRequest {
        team_id: house.session(&house.first_key).await.team.unwrap().id,
        ..asked.clone()
    };
    notebook.delete_project(elsewhere).await.unwrap();
    assert_eq!(house.projects(&owner_key).await, ["default", "eyes"]);
    // Asked twice it is gone once.
    notebook.delete_project(asked.clone()).await.unwrap();
    notebook.delete_project(asked).await.unwrap();
    assert_eq!(house.projects(&owner_key).await, ["default"]);
    let gone = owner
        .list_project_members(ListProjectMembersRequest { project: vision.id })
        .await
        .unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);
    // Its name is free, and the roles in it are gone: she renames no other one.
    make(&mut owner, "eyes").await;
    let mut ada = house.client(&ada_key).await;
    let denied = rename(&mut ada, "eyes", "mine").await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
}

async fn revoke(client: &mut Client, id: &str) -> Result<ApiKey, Status> {
    let asked = RevokeApiKeyRequest { id: id.to_owned() };
    let revoked = client.revoke_api_key(asked).await?.into_inner();
    Ok(revoked.api_key.unwrap())
}

async fn keys_by_name_and_teams_by_their_beginning(engine: Engine) {
    let house = House::open(engine).await;
    let owner_key = house.team("lab").await;
    let mut owner = house.client(&owner_key).await;
    let ada_key = house.member(&owner_key, ADA, Role::Member).await;
    let mut ada = house.client(&ada_key).await;
    let key = |name: &str, team: &str| CreateApiKeyRequest {
        name: name.to_owned(),
        team: team.to_owned(),
        ..CreateApiKeyRequest::default()
    };
    for name in ["ci", "ci", "laptop"] {
        owner.create_api_key(key(name, "la")).await.unwrap();
    }
    ada.create_api_key(key("laptop", "")).await.unwrap();
    let foreign = owner.create_api_key(key("x", "ma")).await.unwrap_err();
    assert_eq!(foreign.code(), Code::NotFound, "a team of others");

    // A member sees and names their own keys only.
    let revoked = revoke(&mut ada, "lap").await.unwrap();
    let again = revoke(&mut ada, &revoked.id).await.unwrap();
    assert_eq!((&again, revoked.revoked_at.is_some()), (&revoked, true));
    let hidden = revoke(&mut ada, "ci").await.unwrap_err();
    assert_eq!(hidden.code(), Code::NotFound);
    // A key that has ended has left its name to the other one.
    let other = revoke(&mut owner, "laptop").await.unwrap();
    assert_ne!(other.id, revoked.id);
    let two = revoke(&mut owner, "ci").await.unwrap_err();
    assert_eq!(two.code(), Code::InvalidArgument, "{two}");
    let empty = revoke(&mut owner, "").await.unwrap_err();
    assert_eq!(empty.code(), Code::NotFound);
}

testkit::on_each_engine!(
    projects_by_their_beginning,
    projects_are_renamed_and_removed,
    keys_by_name_and_teams_by_their_beginning,
);
