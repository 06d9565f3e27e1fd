//! Roles in single projects: who gives them, and what they change.

use contracts::common::v1::Role;
use contracts::identity::v1::{
    CreateProjectRequest, GetProjectRequest, ListProjectMembersRequest, RemoveProjectMemberRequest,
    SetProjectMemberRequest,
};
use testkit::Engine;
use tonic::{Code, Status};

use crate::house::{Client, House};

/// `None` = no access.
async fn set(
    client: &mut Client,
    project: &str,
    user: &str,
    role: Option<Role>,
) -> Result<Role, Status> {
    let asked = SetProjectMemberRequest {
        project: project.to_owned(),
        user: user.to_owned(),
        role: role.unwrap_or(Role::Unspecified).into(),
        no_access: role.is_none(),
    };
    let answer = client.set_project_member(asked).await?.into_inner();
    Ok(answer.member.unwrap().role())
}

async fn remove(client: &mut Client, project: &str, user: &str) -> Result<(), Status> {
    let asked = RemoveProjectMemberRequest {
        project: project.to_owned(),
        user: user.to_owned(),
    };
    client.remove_project_member(asked).await.map(|_| ())
}

async fn members(client: &mut Client, project: &str) -> Result<Vec<(String, Role)>, Status> {
    let asked = ListProjectMembersRequest {
        project: project.to_owned(),
    };
    let listed = client.list_project_members(asked).await?.into_inner();
    Ok(listed
        .members
        .into_iter()
        .map(|member| (member.email.clone(), member.role()))
        .collect())
}

async fn make(client: &mut Client, name: &str) {
    let asked = CreateProjectRequest {
        name: name.to_owned(),
        ..CreateProjectRequest::default()
    };
    client.create_project(asked).await.unwrap();
}

const ADA: &str = "ada@lab.example";
const EVE: &str = "eve@lab.example";

async fn roles_narrow_and_widen_within_the_team(engine: Engine) {
    let house = House::open(engine).await;
    let owner_key = house.team("lab").await;
    let mut owner = house.client(&owner_key).await;
    make(&mut owner, "secret").await;
    make(&mut owner, "vision").await;
    let ada = house.member(&owner_key, ADA, Role::Member).await;
    let eve = house.member(&owner_key, EVE, Role::Viewer).await;

    // Nobody without a role of an admin, in the team or there, gives any.
    let denied = set(
        &mut house.client(&eve).await,
        "vision",
        ADA,
        Some(Role::Viewer),
    )
    .await;
    assert_eq!(denied.unwrap_err().code(), Code::PermissionDenied);

    assert_eq!(
        set(&mut owner, "secret", ADA, None).await.unwrap(),
        Role::Unspecified
    );
    set(&mut owner, "vision", EVE, Some(Role::Admin))
        .await
        .unwrap();
    assert_eq!(
        members(&mut owner, "secret").await.unwrap(),
        [(ADA.to_owned(), Role::Unspecified)]
    );
    // The next token says so: the project is gone for her, and does not differ from one that never was.
    assert_eq!(house.projects(&ada).await, ["default", "vision"]);
    let mut client = house.client(&ada).await;
    for (asked, there) in [("secret", false), ("vision", true)] {
        let got = client
            .get_project(GetProjectRequest {
                project: asked.to_owned(),
                ..GetProjectRequest::default()
            })
            .await;
        assert_eq!(got.is_ok(), there);
        assert!(there || got.unwrap_err().code() == Code::NotFound);
    }
    let hidden = members(&mut client, "secret").await.unwrap_err();
    assert_eq!(hidden.code(), Code::NotFound);

    // An admin of one project gives roles there, and only there.
    let mut eve = house.client(&eve).await;
    set(&mut eve, "vision", ADA, Some(Role::Viewer))
        .await
        .unwrap();
    for (project, role) in [("vision", Role::Owner), ("secret", Role::Viewer)] {
        let denied = set(&mut eve, project, ADA, Some(role)).await.unwrap_err();
        assert_eq!(denied.code(), Code::PermissionDenied, "{project}: {denied}");
    }
    let above = set(&mut eve, "vision", "owner@lab.example", None)
        .await
        .unwrap_err();
    assert!(
        above.message().contains("the role of this member, owner"),
        "{above}"
    );

    remove(&mut eve, "vision", ADA).await.unwrap();
    remove(&mut eve, "vision", ADA).await.unwrap();
    assert_eq!(
        members(&mut eve, "vision").await.unwrap(),
        [(EVE.to_owned(), Role::Admin)]
    );
    remove(&mut owner, "secret", ADA).await.unwrap();
    assert_eq!(house.projects(&ada).await, ["default", "secret", "vision"]);
}

async fn who_leads_the_team_sees_all_of_it(engine: Engine) {
    let house = House::open(engine).await;
    let owner_key = house.team("lab").await;
    let mut owner = house.client(&owner_key).await;
    make(&mut owner, "vision").await;
    let ada = house.member(&owner_key, ADA, Role::Admin).await;
    set(&mut owner, "vision", ADA, None).await.unwrap();
    let mut ada = house.client(&ada).await;
    assert_eq!(members(&mut ada, "vision").await.unwrap().len(), 1);
    set(&mut ada, "vision", ADA, Some(Role::Admin))
        .await
        .unwrap();
}

async fn only_members_of_the_team_and_only_real_roles(engine: Engine) {
    let house = House::open(engine).await;
    let owner_key = house.team("lab").await;
    let other_key = house.team("other").await;
    let mut owner = house.client(&owner_key).await;
    for stranger in ["owner@other.example", "us-nothing", ""] {
        let unknown = set(&mut owner, "default", stranger, Some(Role::Viewer)).await;
        assert_eq!(unknown.unwrap_err().code(), Code::NotFound, "{stranger}");
    }
    let other = set(&mut house.client(&other_key).await, "vision", ADA, None).await;
    assert_eq!(other.unwrap_err().code(), Code::NotFound);
    let forgotten = SetProjectMemberRequest {
        project: "default".to_owned(),
        user: "owner@lab.example".to_owned(),
        ..SetProjectMemberRequest::default()
    };
    let both = SetProjectMemberRequest {
        role: Role::Viewer.into(),
        no_access: true,
        ..forgotten.clone()
    };
    let operator = SetProjectMemberRequest {
        role: Role::Operator.into(),
        ..forgotten.clone()
    };
    for asked in [forgotten, both, operator] {
        let wrong = owner.set_project_member(asked).await.unwrap_err();
        assert_eq!(wrong.code(), Code::InvalidArgument, "{wrong}");
    }
}

testkit::on_each_engine!(
    roles_narrow_and_widen_within_the_team,
    who_leads_the_team_sees_all_of_it,
    only_members_of_the_team_and_only_real_roles,
);
