//! Roles of members in single projects.

use axum::Json;
use axum::extract::Path;
use contracts::common::v1::Role as WireRole;
use contracts::identity::v1::{
    ListProjectMembersRequest, ProjectMember as WireMember, RemoveProjectMemberRequest,
    SetProjectMemberRequest,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Answer;
use super::caller::Caller;
use super::extract::{Id, Params};
use super::json_body::JsonBody;
use super::page::{List, Order, PageQuery};
use super::values::present;

/// A role in a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ProjectRole {
    /// No access: the project's things do not exist for this member.
    None,
    Viewer,
    Member,
    Admin,
    Owner,
}

impl From<WireRole> for ProjectRole {
    fn from(role: WireRole) -> Self {
        match role {
            WireRole::Unspecified => Self::None,
            WireRole::Viewer => Self::Viewer,
            WireRole::Member => Self::Member,
            WireRole::Admin => Self::Admin,
            WireRole::Owner | WireRole::Operator => Self::Owner,
        }
    }
}

impl ProjectRole {
    const fn wire(self) -> WireRole {
        match self {
            Self::None => WireRole::Unspecified,
            Self::Viewer => WireRole::Viewer,
            Self::Member => WireRole::Member,
            Self::Admin => WireRole::Admin,
            Self::Owner => WireRole::Owner,
        }
    }
}

/// A member of the team with a role of their own in a project.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProjectMember {
    project_id: String,
    user_id: String,
    email: String,
    role: ProjectRole,
}

impl From<WireMember> for ProjectMember {
    fn from(member: WireMember) -> Self {
        Self {
            role: member.role().into(),
            project_id: member.project_id,
            user_id: member.user_id,
            email: member.email,
        }
    }
}

/// A role to be given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewProjectMember {
    /// Identifier or address of a member of the team.
    user: String,
    /// Counts in this project instead of the role in the team.
    role: ProjectRole,
}

/// List members with a role of their own in a project
#[utoipa::path(
    get, path = "/v1/projects/{id}/members", tag = "Projects",
    params(("id" = String, Path, description = "Identifier or name"), PageQuery),
    responses((status = 200, body = List<ProjectMember>))
)]
pub(super) async fn list_project_members(
    caller: Caller,
    Id(project): Id,
    Params(page): Params<PageQuery>,
) -> Answer<List<ProjectMember>> {
    let page = page.read(["email"], Order::Ascending)?;
    let answer = caller
        .identity()
        .list_project_members(ListProjectMembersRequest { project })
        .await?
        .into_inner();
    let members = answer.members.into_iter().map(ProjectMember::from);
    Ok(Json(
        page.cut(members.collect(), |member| member.email.clone()),
    ))
}

/// Give a member of the team a role in a project
#[utoipa::path(
    post, path = "/v1/projects/{id}/members", tag = "Projects",
    params(("id" = String, Path, description = "Identifier or name")),
    request_body = NewProjectMember, responses((status = 200, body = ProjectMember))
)]
pub(super) async fn set_project_member(
    caller: Caller,
    Id(project): Id,
    JsonBody(new): JsonBody<NewProjectMember>,
) -> Answer<ProjectMember> {
    let request = SetProjectMemberRequest {
        project,
        user: new.user,
        role: new.role.wire().into(),
        no_access: new.role == ProjectRole::None,
    };
    let answer = caller
        .identity()
        .set_project_member(request)
        .await?
        .into_inner();
    Ok(Json(present("member", answer.member)?.into()))
}

/// Whose role was taken back.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RemovedMember {
    user: String,
}

/// Take a role in a project back: the role in the team counts again
#[utoipa::path(
    delete, path = "/v1/projects/{id}/members/{user}", tag = "Projects",
    params(
        ("id" = String, Path, description = "Identifier or name"),
        ("user" = String, Path, description = "Identifier or address")
    ),
    responses((status = 200, body = RemovedMember))
)]
pub(super) async fn remove_project_member(
    caller: Caller,
    Path((project, user)): Path<(String, String)>,
) -> Answer<RemovedMember> {
    let request = RemoveProjectMemberRequest {
        project,
        user: user.clone(),
    };
    caller.identity().remove_project_member(request).await?;
    Ok(Json(RemovedMember { user }))
}
