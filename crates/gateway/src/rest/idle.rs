//! Idle notebooks: keeping one alive, and the policies that say after what time they are stopped.

use axum::Json;
use chassis::Error;
use contracts::notebook::v1::{
    ExtendNotebookRequest, IdlePolicy as WirePolicy, IdleScope, ListIdlePoliciesRequest,
    RemoveIdlePolicyRequest, SetIdlePolicyRequest, idle_scope::About,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Answer;
use super::caller::Caller;
use super::extract::{Id, Params};
use super::failure::Failure;
use super::json_body::JsonBody;
use super::page::{List, Order, PageQuery};
use super::values::{Time, present};

/// For how long a notebook is kept.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Extension {
    /// From now on.
    #[schema(minimum = 60, maximum = 2_678_400)]
    seconds: u32,
}

/// Until when a notebook is kept.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Extended {
    id: String,
    /// Until then it is not stopped for being idle; never earlier than before.
    kept_until: Time,
    /// Said when that is sooner than asked for; else empty.
    note: String,
}

/// Keep a notebook from being stopped for being idle
#[utoipa::path(
    post, path = "/v1/notebooks/{id}/extend", tag = "Notebooks",
    params(("id" = String, Path, description = "Identifier, name, or unique beginning of either")),
    request_body = Extension, responses((status = 200, body = Extended))
)]
pub(super) async fn extend_notebook(
    caller: Caller,
    Id(notebook): Id,
    JsonBody(Extension { seconds }): JsonBody<Extension>,
) -> Answer<Extended> {
    let request = ExtendNotebookRequest { notebook, seconds };
    let extended = caller
        .notebook()
        .extend_notebook(request)
        .await?
        .into_inner();
    Ok(Json(Extended {
        id: extended.id,
        kept_until: Time::required("kept_until", extended.kept_until)?,
        note: extended.note,
    }))
}

/// What an idle policy is about: exactly one of these.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct IdleScopeQuery {
    /// The caller's team.
    team: Option<bool>,
    /// A project of it, by identifier or name.
    project_id: Option<String>,
    /// A machine type, for all teams; operators only.
    machine_type: Option<String>,
}

impl IdleScopeQuery {
    fn read(self) -> Result<IdleScope, Error> {
        let about = match (self.team, self.project_id, self.machine_type) {
            (Some(true), None, None) => About::Team(true),
            (None | Some(false), Some(project), None) => About::Project(project),
            (None | Some(false), None, Some(machine_type)) => About::MachineType(machine_type),
            _ => {
                let problem = "must be exactly one of team=true, projectId and machineType";
                return Err(Error::invalid("scope", problem));
            }
        };
        Ok(IdleScope { about: Some(about) })
    }
}

/// An idle policy to be set.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewIdlePolicy {
    /// The caller's team.
    team: Option<bool>,
    /// A project of it, by identifier or name.
    project_id: Option<String>,
    /// A machine type, for all teams; operators only.
    machine_type: Option<String>,
    /// Notebooks are stopped after so many seconds without activity: 60 to 2678400; 0 is never.
    timeout_seconds: u32,
    /// Warned so many seconds before; 0 or absent is a tenth of the time, at most 300.
    #[serde(default)]
    warn_seconds: u32,
}

/// After what time without activity notebooks are stopped that do not say so themselves.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct IdlePolicy {
    /// It is about the whole team.
    team: bool,
    /// The project that it is about; else null.
    #[schema(required)]
    project_id: Option<String>,
    /// The machine type that it is about; else null.
    #[schema(required)]
    machine_type: Option<String>,
    /// 0 is never.
    timeout_seconds: u32,
    /// 0 is a tenth of the time, at most 300.
    warn_seconds: u32,
    dt_modified: Time,
}

impl TryFrom<WirePolicy> for IdlePolicy {
    type Error = Failure;

    fn try_from(wire: WirePolicy) -> Result<Self, Failure> {
        let about = wire.scope.and_then(|scope| scope.about);
        let (team, project_id, machine_type) = match present("scope", about)? {
            About::Team(team) => (team, None, None),
            About::Project(project) => (false, Some(project), None),
            About::MachineType(machine_type) => (false, None, Some(machine_type)),
        };
        Ok(Self {
            team,
            project_id,
            machine_type,
            timeout_seconds: wire.timeout_seconds,
            warn_seconds: wire.warn_seconds,
            dt_modified: Time::required("modified_at", wire.modified_at)?,
        })
    }
}

/// List idle policies, the most specific first
#[utoipa::path(
    get, path = "/v1/idle-policies", tag = "Notebooks",
    params(PageQuery), responses((status = 200, body = List<IdlePolicy>))
)]
pub(super) async fn list_idle_policies(
    caller: Caller,
    Params(page): Params<PageQuery>,
) -> Answer<List<IdlePolicy>> {
    let page = page.read(["specific"], Order::Ascending)?;
    let answer = caller
        .notebook()
        .list_idle_policies(ListIdlePoliciesRequest {})
        .await?
        .into_inner();
    // The service lists the most specific first: the place in its answer is the order.
    let policies = answer.policies.into_iter().map(IdlePolicy::try_from);
    let policies = policies.collect::<Result<Vec<_>, _>>()?;
    let placed = policies.into_iter().enumerate().collect();
    let list = page.cut(placed, |(place, _): &(usize, IdlePolicy)| {
        format!("{place:06}")
    });
    Ok(Json(list.map(|(_, policy)| policy)))
}

/// Set an idle policy in place of the one about the same
#[utoipa::path(
    put, path = "/v1/idle-policies", tag = "Notebooks",
    request_body = NewIdlePolicy, responses((status = 200, body = IdlePolicy))
)]
pub(super) async fn set_idle_policy(
    caller: Caller,
    JsonBody(new): JsonBody<NewIdlePolicy>,
) -> Answer<IdlePolicy> {
    let scope = IdleScopeQuery {
        team: new.team,
        project_id: new.project_id,
        machine_type: new.machine_type,
    };
    let policy = WirePolicy {
        scope: Some(scope.read()?),
        timeout_seconds: new.timeout_seconds,
        warn_seconds: new.warn_seconds,
        modified_at: None,
    };
    let request = SetIdlePolicyRequest {
        policy: Some(policy),
    };
    let answer = caller
        .notebook()
        .set_idle_policy(request)
        .await?
        .into_inner();
    Ok(Json(present("policy", answer.policy)?.try_into()?))
}

/// Nothing more to say.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Gone {}

/// Remove an idle policy: what is less specific counts again
#[utoipa::path(
    delete, path = "/v1/idle-policies", tag = "Notebooks",
    params(IdleScopeQuery), responses((status = 200, body = Gone))
)]
pub(super) async fn remove_idle_policy(
    caller: Caller,
    Params(scope): Params<IdleScopeQuery>,
) -> Answer<Gone> {
    let request = RemoveIdlePolicyRequest {
        scope: Some(scope.read()?),
    };
    caller.notebook().remove_idle_policy(request).await?;
    Ok(Json(Gone {}))
}
