//! Environments: sets of packages that notebooks start in.

use axum::Json;
use contracts::inventory::v1::{
    CreateEnvironmentRequest, DeleteEnvironmentRequest, Environment as WireEnvironment,
    EnvironmentState as WireState, GetEnvironmentRequest, ListEnvironmentsRequest,
    ShareEnvironmentRequest,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Answer;
use super::caller::Caller;
use super::extract::{Id, Params};
use super::failure::Failure;
use super::json_body::JsonBody;
use super::page::{List, Order, PageQuery};
use super::values::{Time, non_empty, present};

/// A set of packages that a notebook starts in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Environment {
    /// Null for those that come with Quire.
    #[schema(required)]
    id: Option<String>,
    name: String,
    /// What it is for.
    description: String,
    state: EnvironmentState,
    /// Why it is not ready, in the resolver's words; empty otherwise.
    reason: String,
    /// The team that made it; null for those that come with Quire.
    #[schema(required)]
    team_id: Option<String>,
    /// All teams see it.
    shared: bool,
    /// What was asked for beside the base.
    requirements: Vec<String>,
    /// The environment that it adds to; null for those that come with Quire.
    #[schema(required)]
    base: Option<String>,
    /// Such as `3.12`; null is the node's own.
    #[schema(required)]
    python_version: Option<String>,
    /// How many packages it holds; 0 until it is ready.
    packages: u32,
    /// Hash of its lock; empty until it is ready.
    digest: String,
    /// Exact versions, one requirement a line. In lists only of those that come with Quire.
    lock: String,
    /// Absent for those that come with Quire.
    #[serde(skip_serializing_if = "Option::is_none")]
    dt_created: Option<Time>,
}

/// How far an environment is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum EnvironmentState {
    Resolving,
    Ready,
    Failed,
}

impl TryFrom<WireEnvironment> for Environment {
    type Error = Failure;

    fn try_from(wire: WireEnvironment) -> Result<Self, Failure> {
        let state = match wire.state() {
            WireState::Unspecified => return present("state", None),
            WireState::Resolving => EnvironmentState::Resolving,
            WireState::Ready => EnvironmentState::Ready,
            WireState::Failed => EnvironmentState::Failed,
        };
        Ok(Self {
            state,
            dt_created: Time::optional("created_at", wire.created_at)?,
            id: non_empty(wire.id),
            name: wire.name,
            description: wire.description,
            reason: wire.reason,
            team_id: non_empty(wire.team_id),
            shared: wire.shared,
            requirements: wire.requirements,
            base: non_empty(wire.base),
            python_version: non_empty(wire.python_version),
            packages: wire.packages,
            digest: wire.digest,
            lock: wire.lock,
        })
    }
}

fn answer(environment: Option<WireEnvironment>) -> Answer<Environment> {
    Ok(Json(present("environment", environment)?.try_into()?))
}

/// List environments: those that come with Quire, the team's, and those that other teams share
#[utoipa::path(
    get, path = "/v1/environments", tag = "Environments",
    params(PageQuery), responses((status = 200, body = List<Environment>))
)]
pub(super) async fn list_environments(
    caller: Caller,
    Params(page): Params<PageQuery>,
) -> Answer<List<Environment>> {
    let page = page.read(["name"], Order::Ascending)?;
    let answer = caller
        .inventory()
        .list_environments(ListEnvironmentsRequest::default())
        .await?
        .into_inner();
    let environments = answer
        .environments
        .into_iter()
        .map(Environment::try_from)
        .collect::<Result<Vec<_>, _>>()?;
    // Names are unique in a team only.
    Ok(Json(page.cut(environments, |environment: &Environment| {
        let id = environment.id.as_deref().unwrap_or_default();
        format!("{}.{id}", environment.name)
    })))
}

/// A set of packages to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewEnvironment {
    /// 1 to 39 lower-case letters, digits and hyphens, unique in the team.
    #[schema(min_length = 1, max_length = 39)]
    name: String,
    /// Packages, one each as in a requirements file, such as `polars` or `torch==2.9.*`. No options, addresses or files.
    #[schema(min_items = 1, max_items = 200)]
    requirements: Vec<String>,
    /// An environment that comes with Quire, whose packages it has, too; `python` when it is absent.
    base: Option<String>,
    /// Such as `3.12`; the node's own when it is absent.
    python_version: Option<String>,
}

/// Make an environment: answered at once, ready when its state says so
///
/// The same name with the same content gives the one that is there.
#[utoipa::path(
    post, path = "/v1/environments", tag = "Environments",
    request_body = NewEnvironment, responses((status = 200, body = Environment))
)]
pub(super) async fn create_environment(
    caller: Caller,
    JsonBody(new): JsonBody<NewEnvironment>,
) -> Answer<Environment> {
    let request = CreateEnvironmentRequest {
        name: new.name,
        requirements: new.requirements,
        base: new.base.unwrap_or_default(),
        python_version: new.python_version.unwrap_or_default(),
    };
    let made = caller.inventory().create_environment(request).await?;
    answer(made.into_inner().environment)
}

/// Get an environment with its lock
#[utoipa::path(
    get, path = "/v1/environments/{id}", tag = "Environments",
    params(("id" = String, Path, description = "Identifier or name")),
    responses((status = 200, body = Environment))
)]
pub(super) async fn get_environment(caller: Caller, Id(environment): Id) -> Answer<Environment> {
    let request = GetEnvironmentRequest {
        environment,
        ..GetEnvironmentRequest::default()
    };
    let found = caller.inventory().get_environment(request).await?;
    answer(found.into_inner().environment)
}

/// Delete an environment of the team; notebooks that start in it go on doing so
#[utoipa::path(
    delete, path = "/v1/environments/{id}", tag = "Environments",
    params(("id" = String, Path, description = "Identifier or name")),
    responses((status = 200, body = Environment))
)]
pub(super) async fn delete_environment(caller: Caller, Id(environment): Id) -> Answer<Environment> {
    let request = DeleteEnvironmentRequest { environment };
    let deleted = caller.inventory().delete_environment(request).await?;
    answer(deleted.into_inner().environment)
}

/// Who sees an environment.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Sharing {
    /// All teams; false is its own team only.
    shared: bool,
}

/// Share an environment of the team with all teams, or not any more
#[utoipa::path(
    put, path = "/v1/environments/{id}/sharing", tag = "Environments",
    params(("id" = String, Path, description = "Identifier or name")),
    request_body = Sharing, responses((status = 200, body = Environment))
)]
pub(super) async fn share_environment(
    caller: Caller,
    Id(environment): Id,
    JsonBody(Sharing { shared }): JsonBody<Sharing>,
) -> Answer<Environment> {
    let request = ShareEnvironmentRequest {
        environment,
        shared,
    };
    let changed = caller.inventory().share_environment(request).await?;
    answer(changed.into_inner().environment)
}
