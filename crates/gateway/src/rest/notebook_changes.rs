//! Quire's own calls for notebooks: what one would cost, another machine, another token, a restart.

use axum::Json;
use chassis::Error;
use contracts::notebook::v1::{
    NotebookPlan as WirePlan, RestartNotebookRequest, RotateNotebookTokenRequest,
    UpdateNotebookRequest,
};
use kernel::NanosPerHour;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Answer;
use super::caller::Caller;
use super::extract::{Id, IdempotencyKey};
use super::json_body::{JsonBody, Nothing};
use super::new_notebook::NewNotebook;
use super::notebooks::{Notebook, answered};
use super::teams::People;
use super::values::{Money, non_empty, present};

/// What a notebook would be, and what it would cost.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct NotebookPlan {
    /// Null when one would be made up.
    #[schema(required)]
    name: Option<String>,
    project_id: String,
    /// The machine type that was named or chosen.
    machine_type: String,
    milli_cores: u32,
    memory_mib: u32,
    disk_gib: u32,
    gpus: u32,
    /// Model of the GPUs; null without.
    #[schema(required)]
    gpu_model: Option<String>,
    environment: String,
    /// Decimal text.
    #[schema(example = "0.0045")]
    price_per_hour: String,
    /// ISO 4217 code; empty when nothing has a price.
    currency: String,
    /// Stopped after so long; 0 is no limit.
    max_duration_seconds: u32,
    /// The most that one start can cost; null is no limit.
    #[schema(required)]
    most: Option<Money>,
    /// Stopped after so many seconds without activity; 0 is never.
    idle_timeout_seconds: u32,
}

impl From<WirePlan> for NotebookPlan {
    fn from(plan: WirePlan) -> Self {
        let resources = plan.resources.unwrap_or_default();
        Self {
            name: non_empty(plan.name),
            project_id: plan.project_id,
            machine_type: plan.machine_type,
            milli_cores: resources.milli_cores,
            memory_mib: resources.memory_mib,
            disk_gib: resources.disk_gib,
            gpus: resources.gpus,
            gpu_model: non_empty(resources.gpu_model),
            environment: plan.environment,
            price_per_hour: NanosPerHour(plan.nanos_per_hour).to_string(),
            currency: plan.currency,
            max_duration_seconds: plan.max_duration_seconds,
            most: plan.most.map(Money::from),
            idle_timeout_seconds: plan.idle_timeout_seconds,
        }
    }
}

/// Check a new notebook and say what it would be and cost; nothing is made
#[utoipa::path(
    post, path = "/v1/notebooks/plan", tag = "Notebooks",
    request_body = NewNotebook, responses((status = 200, body = NotebookPlan))
)]
pub(super) async fn plan_notebook(
    caller: Caller,
    key: IdempotencyKey,
    JsonBody(new): JsonBody<NewNotebook>,
) -> Answer<NotebookPlan> {
    let mut request = new.into_request(key)?;
    request.dry_run = true;
    let answer = caller
        .notebook()
        .create_notebook(request)
        .await?
        .into_inner();
    Ok(Json(present("plan", answer.plan)?.into()))
}

/// Stop a notebook and start it again on the same files
#[utoipa::path(
    post, path = "/v1/notebooks/{id}/restart", tag = "Notebooks",
    params(("id" = String, Path, description = "Identifier, name, or unique beginning of either")),
    responses((status = 200, body = Notebook))
)]
pub(super) async fn restart_notebook(
    caller: Caller,
    Id(notebook): Id,
    JsonBody(Nothing {}): JsonBody<Nothing>,
) -> Answer<Notebook> {
    let answer = caller
        .notebook()
        .restart_notebook(RestartNotebookRequest { notebook })
        .await?
        .into_inner();
    answered(&caller, answer.notebook).await
}

/// What is to be another; what is absent stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NotebookChange {
    /// 1 to 100 characters, unique in the team.
    name: Option<String>,
    /// Only while the notebook is stopped; the next start uses it.
    machine_type: Option<String>,
    /// Stopped after so many seconds without activity; 0 is never.
    idle_timeout_seconds: Option<u32>,
    /// It may be stopped for others, with notice; from the next start on.
    preemptible: Option<bool>,
    /// Its turn in its queue; from the next start on.
    #[schema(minimum = -1000, maximum = 1000)]
    priority: Option<i32>,
}

/// A notebook after a change.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChangedNotebook {
    notebook: Notebook,
    /// What stands in the way of its next start, or that only that one will be as was wished; empty when nothing is known.
    note: String,
}

/// Change a notebook: its name, idle timeout and turn at any time, its machine type while it is stopped
#[utoipa::path(
    patch, path = "/v1/notebooks/{id}", tag = "Notebooks",
    params(("id" = String, Path, description = "Identifier, name, or unique beginning of either")),
    request_body = NotebookChange, responses((status = 200, body = ChangedNotebook))
)]
pub(super) async fn update_notebook(
    caller: Caller,
    Id(notebook): Id,
    JsonBody(change): JsonBody<NotebookChange>,
) -> Answer<ChangedNotebook> {
    let nothing = change.name.is_none() && change.machine_type.is_none();
    let no_turn = change.preemptible.is_none() && change.priority.is_none();
    if nothing && no_turn && change.idle_timeout_seconds.is_none() {
        let problem = "nothing is to be changed; give name, machineType, idleTimeoutSeconds, preemptible or priority";
        return Err(Error::invalid("body", problem).into());
    }
    let answer = caller
        .notebook()
        .update_notebook(UpdateNotebookRequest {
            notebook,
            name: change.name,
            machine_type: change.machine_type,
            idle_timeout_seconds: change.idle_timeout_seconds,
            preemptible: change.preemptible,
            priority: change.priority,
        })
        .await?
        .into_inner();
    let people = People::seen_by(&caller).await?;
    Ok(Json(ChangedNotebook {
        notebook: Notebook::new(present("notebook", answer.notebook)?, &people)?,
        note: answer.note,
    }))
}

/// Give a notebook another token; the old one opens nothing any more
#[utoipa::path(
    post, path = "/v1/notebooks/{id}/token", tag = "Notebooks",
    params(("id" = String, Path, description = "Identifier, name, or unique beginning of either")),
    responses((status = 200, body = Notebook))
)]
pub(super) async fn rotate_notebook_token(
    caller: Caller,
    Id(notebook): Id,
    JsonBody(Nothing {}): JsonBody<Nothing>,
) -> Answer<Notebook> {
    let answer = caller
        .notebook()
        .rotate_notebook_token(RotateNotebookTokenRequest { notebook })
        .await?
        .into_inner();
    answered(&caller, answer.notebook).await
}
