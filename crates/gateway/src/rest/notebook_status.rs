//! Why a notebook is where it is, and what else Quire knows of it.

use axum::Json;
use contracts::notebook::v1::ExplainNotebookRequest;
use serde::Serialize;
use utoipa::ToSchema;

use super::Answer;
use super::caller::Caller;
use super::extract::Id;
use super::notebooks::State;
use super::values::{Time, non_empty, present};

/// Why a notebook is where it is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct NotebookStatus {
    id: String,
    state: State,
    /// Why, in words, with the next step where there is one.
    reason: String,
    /// The dominant reason.
    summary: String,
    /// What stands in the way or what happened, one line each.
    details: Vec<String>,
    /// Web address.
    url: String,
    /// When it is stopped because its maximum duration is over; null while it does not run, and without a limit.
    #[schema(required)]
    dt_run_until: Option<Time>,
    /// It is being stopped in order to be started again.
    restarting: bool,
    /// Its files; null before the first start.
    #[schema(required)]
    volume_id: Option<String>,
    /// Template that it was made from; null without one.
    #[schema(required)]
    template: Option<String>,
    /// Identifier of the notebook whose files it began with; null without one.
    #[schema(required)]
    forked_from: Option<String>,
    /// A snapshot of its files is to be made when it has stopped, and is not there yet.
    keeping: bool,
    /// Git repository that it was made with; null without one.
    #[schema(required)]
    workspace: Option<String>,
    /// Branch, tag or commit of that; null where the repository's own choice was taken.
    #[schema(required)]
    workspace_ref: Option<String>,
    /// The workload of the newest start; null before the first.
    #[schema(required)]
    workload_id: Option<String>,
    /// Grows by one with each change.
    revision: u64,
    /// When it will be stopped for being idle, once it has been warned; null while it will not.
    #[schema(required)]
    stops_at: Option<Time>,
    /// Why it will be; empty while it will not.
    stops_because: String,
    /// Until when somebody keeps it from that; null when nobody does.
    #[schema(required)]
    kept_until: Option<Time>,
    /// Stopped after so many seconds without activity; 0 is never.
    idle_timeout_seconds: u32,
    /// It may be stopped for others, with notice.
    preemptible: bool,
    /// Its turn in its queue, -1000 to 1000.
    priority: i32,
}

/// Get why a notebook is in the state that it is in
#[utoipa::path(
    get, path = "/v1/notebooks/{id}/status", tag = "Notebooks",
    params(("id" = String, Path, description = "Identifier, name, or unique beginning of either")),
    responses((status = 200, body = NotebookStatus))
)]
pub(super) async fn get_notebook_status(
    caller: Caller,
    Id(notebook): Id,
) -> Answer<NotebookStatus> {
    let answer = caller
        .notebook()
        .explain_notebook(ExplainNotebookRequest { notebook })
        .await?
        .into_inner();
    let notebook = present("notebook", answer.notebook)?;
    Ok(Json(NotebookStatus {
        state: State::read(notebook.state())?,
        id: notebook.id,
        reason: notebook.reason,
        summary: answer.summary,
        details: answer.details,
        url: notebook.url,
        dt_run_until: Time::optional("run_until", notebook.run_until)?,
        restarting: notebook.restarting,
        volume_id: non_empty(notebook.volume_id),
        template: non_empty(notebook.template),
        forked_from: non_empty(notebook.forked_from),
        keeping: notebook.keeping,
        workspace: non_empty(notebook.repository),
        workspace_ref: non_empty(notebook.repository_ref),
        workload_id: non_empty(notebook.workload_id),
        revision: notebook.revision,
        stops_at: Time::optional("stops_at", notebook.stops_at)?,
        stops_because: notebook.stops_because,
        kept_until: Time::optional("kept_until", notebook.kept_until)?,
        idle_timeout_seconds: notebook.idle_timeout_seconds,
        preemptible: notebook.preemptible,
        priority: notebook.priority,
    }))
}
