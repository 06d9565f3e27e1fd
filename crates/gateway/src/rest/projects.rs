//! Projects, in Paperspace's shape.

use axum::Json;
use contracts::identity::v1::{
    CreateProjectRequest, GetProjectRequest, ListProjectsRequest, Project as WireProject,
    RenameProjectRequest,
};
use contracts::notebook::v1::DeleteProjectRequest;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Answer;
use super::caller::Caller;
use super::extract::{Id, IdempotencyKey, Params};
use super::failure::Failure;
use super::json_body::JsonBody;
use super::page::{List, Order, PageQuery};
use super::values::{Time, present};

/// A folder for the workloads of a team.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Project {
    id: String,
    name: String,
    dt_created: Time,
    /// When it was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    dt_deleted: Option<Time>,
}

impl TryFrom<WireProject> for Project {
    type Error = Failure;

    fn try_from(project: WireProject) -> Result<Self, Failure> {
        let dt_created = Time::required("created_at", project.created_at)?;
        Ok(Self {
            id: project.id,
            name: project.name,
            dt_created,
            dt_deleted: None,
        })
    }
}

/// A project to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewProject {
    /// 1 to 100 characters, unique in the team.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
}

/// List projects
#[utoipa::path(
    get, path = "/v1/projects", operation_id = "projects-list", tag = "Projects",
    params(PageQuery), responses((status = 200, body = List<Project>))
)]
pub(super) async fn list_projects(
    caller: Caller,
    Params(page): Params<PageQuery>,
) -> Answer<List<Project>> {
    let page = page.read(["dtCreated"], Order::Descending)?;
    let answer = caller
        .identity()
        .list_projects(ListProjectsRequest {})
        .await?
        .into_inner();
    let projects = answer
        .projects
        .into_iter()
        .map(Project::try_from)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Json(page.cut(projects, |project| {
        project.dt_created.key(&project.id)
    })))
}

/// Create a project
#[utoipa::path(
    post, path = "/v1/projects", operation_id = "projects-create", tag = "Projects",
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key gives the same project")),
    request_body = NewProject, responses((status = 200, body = Project))
)]
pub(super) async fn create_project(
    caller: Caller,
    key: IdempotencyKey,
    JsonBody(new): JsonBody<NewProject>,
) -> Answer<Project> {
    let request = CreateProjectRequest {
        name: new.name,
        request_id: key.or(None)?,
    };
    let answer = caller
        .identity()
        .create_project(request)
        .await?
        .into_inner();
    Ok(Json(present("project", answer.project)?.try_into()?))
}

/// Get a project by its ID
#[utoipa::path(
    get, path = "/v1/projects/{id}", operation_id = "projects-get", tag = "Projects",
    params(("id" = String, Path, description = "Identifier or name")),
    responses((status = 200, body = Project))
)]
pub(super) async fn get_project(caller: Caller, Id(project): Id) -> Answer<Project> {
    let request = GetProjectRequest {
        project,
        ..GetProjectRequest::default()
    };
    let answer = caller.identity().get_project(request).await?.into_inner();
    Ok(Json(present("project", answer.project)?.try_into()?))
}

/// Another name of a project.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangedProject {
    /// 1 to 100 characters, unique in the team.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
}

/// Update a project
#[utoipa::path(
    put, path = "/v1/projects/{id}", operation_id = "projects-update", tag = "Projects",
    params(("id" = String, Path, description = "Identifier or name")),
    request_body = ChangedProject, responses((status = 200, body = Project))
)]
pub(super) async fn update_project(
    caller: Caller,
    Id(project): Id,
    JsonBody(changed): JsonBody<ChangedProject>,
) -> Answer<Project> {
    let request = RenameProjectRequest {
        project,
        name: changed.name,
    };
    let answer = caller.identity().rename_project(request).await?;
    Ok(Json(
        present("project", answer.into_inner().project)?.try_into()?,
    ))
}

/// Delete a project: an empty one; refused with the names of the notebooks that are in it
#[utoipa::path(
    delete, path = "/v1/projects/{id}", operation_id = "projects-delete", tag = "Projects",
    params(("id" = String, Path, description = "Identifier or name")),
    responses((status = 200, body = Project))
)]
pub(super) async fn delete_project(caller: Caller, Id(project): Id) -> Answer<Project> {
    // Only the notebook service knows what is in a project: it has identity remove an empty one.
    let answer = caller
        .notebook()
        .delete_project(DeleteProjectRequest { project })
        .await?
        .into_inner();
    Ok(Json(Project {
        dt_created: Time::required("created_at", answer.created_at)?,
        dt_deleted: Time::optional("deleted_at", answer.deleted_at)?,
        id: answer.project_id,
        name: answer.name,
    }))
}
