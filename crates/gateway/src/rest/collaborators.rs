//! The people of a project, in Paperspace's shape: members of the team with a role of their own there. `project_members` tells the
//! roles themselves.

use axum::Json;
use axum::extract::Path;
use contracts::common::v1::Role;
use contracts::identity::v1::{
    ListProjectMembersRequest, ProjectMember, RemoveProjectMemberRequest, SetProjectMemberRequest,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Answer;
use super::caller::Caller;
use super::extract::{Id, Params};
use super::failure::Failure;
use super::json_body::JsonBody;
use super::page::{List, Order, PageQuery};
use super::teams::User;
use super::values::{Time, present};

/// A person who works in a project.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Collaborator {
    user: User,
    dt_created: Time,
}

impl TryFrom<ProjectMember> for Collaborator {
    type Error = Failure;

    fn try_from(member: ProjectMember) -> Result<Self, Failure> {
        Ok(Self {
            dt_created: Time::required("created_at", member.created_at)?,
            user: User::new(member.user_id, member.email, member.name),
        })
    }
}

/// A person to be let into a project.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewCollaborator {
    /// Identifier of a member of the team.
    user_id: String,
}

/// Members with a role in the project; who was shut out of it is none.
async fn members(caller: &Caller, project: String) -> Result<Vec<ProjectMember>, Failure> {
    let answer = caller
        .identity()
        .list_project_members(ListProjectMembersRequest { project })
        .await?;
    let mut members = answer.into_inner().members;
    members.retain(|member| member.role() != Role::Unspecified);
    Ok(members)
}

/// List a project's collaborators
#[utoipa::path(
    get, path = "/v1/projects/{id}/collaborators", operation_id = "projectCollaborators-list", tag = "Projects",
    params(("id" = String, Path, description = "Identifier or name"), PageQuery),
    responses((status = 200, body = List<Collaborator>))
)]
pub(super) async fn list_collaborators(
    caller: Caller,
    Id(project): Id,
    Params(page): Params<PageQuery>,
) -> Answer<List<Collaborator>> {
    let page = page.read(["dtCreated"], Order::Descending)?;
    let listed = members(&caller, project).await?.into_iter();
    let collaborators = listed
        .map(Collaborator::try_from)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Json(page.cut(collaborators, |one| {
        one.dt_created.key(one.user.id())
    })))
}

/// Create a project collaborator: with the role of a member; who has a role there keeps it
#[utoipa::path(
    post, path = "/v1/projects/{id}/collaborators", operation_id = "projectCollaborators-create", tag = "Projects",
    params(("id" = String, Path, description = "Identifier or name")),
    request_body = NewCollaborator, responses((status = 200, body = Collaborator))
)]
pub(super) async fn create_collaborator(
    caller: Caller,
    Id(project): Id,
    JsonBody(new): JsonBody<NewCollaborator>,
) -> Answer<Collaborator> {
    let known = members(&caller, project.clone()).await?.into_iter();
    let mut known = known.filter(|member| member.user_id == new.user_id);
    if let Some(member) = known.next() {
        return Ok(Json(member.try_into()?));
    }
    let request = SetProjectMemberRequest {
        project,
        user: new.user_id,
        role: Role::Member.into(),
        no_access: false,
    };
    let answer = caller.identity().set_project_member(request).await?;
    let member = present("member", answer.into_inner().member)?;
    Ok(Json(member.try_into()?))
}

/// Who lost their own role in a project.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeletedCollaborator {
    user_id: String,
}

/// Delete a project collaborator: the role in the team counts again
#[utoipa::path(
    delete, path = "/v1/projects/{id}/collaborators/{userId}", operation_id = "projectCollaborators-delete", tag = "Projects",
    params(
        ("id" = String, Path, description = "Identifier or name"),
        ("userId" = String, Path, description = "Identifier of the member")
    ),
    responses((status = 200, body = DeletedCollaborator))
)]
pub(super) async fn delete_collaborator(
    caller: Caller,
    Path((project, user_id)): Path<(String, String)>,
) -> Answer<DeletedCollaborator> {
    let request = RemoveProjectMemberRequest {
        project,
        user: user_id.clone(),
    };
    caller.identity().remove_project_member(request).await?;
    Ok(Json(DeletedCollaborator { user_id }))
}
