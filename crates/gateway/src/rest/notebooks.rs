//! Hosted notebooks: Paperspace's shape for the noun, Quire's own calls beside it.

use axum::Json;
use chassis::{Error, page};
use contracts::common::v1::PageRequest;
use contracts::notebook::v1::{
    DeleteNotebookRequest, ExplainNotebookRequest, GetNotebookRequest, ListNotebooksRequest,
    Notebook as WireNotebook, NotebookState, StartNotebookRequest, StopNotebookRequest,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Answer;
use super::caller::Caller;
use super::extract::{Id, IdempotencyKey, Params};
use super::failure::Failure;
use super::json_body::{JsonBody, Nothing};
use super::new_notebook::NewNotebook;
use super::page::{List, Order, PageQuery, list};
use super::teams::{People, User};
use super::values::{Time, non_empty, present};

/// A list in another order than the service's is sorted here, up to so many notebooks.
const MOST_SORTED: usize = 2_400;

/// A hosted notebook.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Notebook {
    id: String,
    name: String,
    project_id: String,
    /// Always null.
    #[schema(required)]
    notebook_repo_id: Option<String>,
    #[schema(required)]
    machine_type: Option<String>,
    state: State,
    /// Host name of its web address.
    #[schema(required)]
    fqdn: Option<String>,
    /// Secret that opens the address.
    #[schema(required)]
    token: Option<String>,
    started_by_user: User,
    dt_created: Time,
    dt_modified: Time,
    /// When it answered first after its newest start; null before.
    #[schema(required)]
    dt_started: Option<Time>,
}

/// Where a notebook is, in Paperspace's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = NotebookState)]
enum State {
    Pending,
    Provisioned,
    Running,
    Stopped,
    Cancelled,
    Failed,
    Error,
    Preempted,
}

impl State {
    const ALL: [(Self, &'static str); 8] = [
        (Self::Pending, "Pending"),
        (Self::Provisioned, "Provisioned"),
        (Self::Running, "Running"),
        (Self::Stopped, "Stopped"),
        (Self::Cancelled, "Cancelled"),
        (Self::Failed, "Failed"),
        (Self::Error, "Error"),
        (Self::Preempted, "Preempted"),
    ];

    fn read(state: NotebookState) -> Result<Self, Failure> {
        Ok(match state {
            NotebookState::Unspecified => return present("state", None),
            NotebookState::Pending => Self::Pending,
            NotebookState::Provisioned => Self::Provisioned,
            NotebookState::Running => Self::Running,
            NotebookState::Stopped => Self::Stopped,
            NotebookState::Cancelled => Self::Cancelled,
            NotebookState::Failed => Self::Failed,
            NotebookState::Error => Self::Error,
            NotebookState::Preempted => Self::Preempted,
        })
    }

    fn parse(text: &str) -> Result<Self, Error> {
        let known = Self::ALL
            .iter()
            .find(|(_, name)| name.eq_ignore_ascii_case(text));
        known.map(|(state, _)| *state).ok_or_else(|| {
            let names = Self::ALL.map(|(_, name)| name).join(", ");
            Error::invalid("state", format!("is not a state; use one of {names}"))
        })
    }
}

impl Notebook {
    pub(super) fn new(notebook: WireNotebook, people: &People) -> Result<Self, Failure> {
        Ok(Self {
            state: State::read(notebook.state())?,
            id: notebook.id,
            name: notebook.name,
            project_id: notebook.project_id,
            notebook_repo_id: None,
            machine_type: non_empty(notebook.machine_type),
            fqdn: non_empty(notebook.fqdn),
            token: non_empty(notebook.token),
            started_by_user: people.get(notebook.user_id),
            dt_created: Time::required("created_at", notebook.created_at)?,
            dt_modified: Time::required("modified_at", notebook.modified_at)?,
            dt_started: Time::optional("started_at", notebook.started_at)?,
        })
    }
}

/// Which notebooks are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct NotebookQuery {
    /// Only the one with this name.
    name: Option<String>,
    /// Only those in this state.
    state: Option<String>,
}

/// List notebooks
#[utoipa::path(
    get, path = "/v1/notebooks", tag = "Notebooks",
    params(PageQuery, NotebookQuery), responses((status = 200, body = List<Notebook>))
)]
pub(super) async fn list_notebooks(
    caller: Caller,
    Params(page): Params<PageQuery>,
    Params(query): Params<NotebookQuery>,
) -> Answer<List<Notebook>> {
    let page = page.read(["dtCreated", "name"], Order::Descending)?;
    let state = query.state.as_deref().map(State::parse).transpose()?;
    let name = query.name.unwrap_or_default();
    let people = People::seen_by(&caller).await?;
    let shown = |notebooks: Vec<WireNotebook>| {
        let notebooks = notebooks
            .into_iter()
            .map(|notebook| Notebook::new(notebook, &people));
        notebooks.collect::<Result<Vec<_>, _>>()
    };
    // The service's own order needs no more than its own page.
    if state.is_none() && page.order_by == "dtCreated" && page.order == Order::Descending {
        let request = ListNotebooksRequest {
            page: Some(page.for_service()),
            name,
        };
        let answer = caller
            .notebook()
            .list_notebooks(request)
            .await?
            .into_inner();
        return Ok(Json(list(
            shown(answer.notebooks)?,
            answer.page.unwrap_or_default(),
        )));
    }
    let mut notebooks = shown(all(&caller, name).await?)?;
    notebooks.retain(|notebook| state.is_none_or(|state| state == notebook.state));
    let by_name = page.order_by == "name";
    Ok(Json(page.cut(notebooks, |notebook| match by_name {
        true => notebook.name.clone(),
        false => notebook.dt_created.key(&notebook.id),
    })))
}

async fn all(caller: &Caller, name: String) -> Result<Vec<WireNotebook>, Failure> {
    let mut request = ListNotebooksRequest { name, page: None };
    let mut notebooks = Vec::new();
    let mut after = String::new();
    loop {
        request.page = Some(PageRequest {
            after,
            limit: page::MAX_LIMIT,
        });
        let answer = caller
            .notebook()
            .list_notebooks(request.clone())
            .await?
            .into_inner();
        notebooks.extend(answer.notebooks);
        let info = answer.page.unwrap_or_default();
        if !info.has_more {
            return Ok(notebooks);
        }
        if notebooks.len() >= MOST_SORTED {
            let problem = format!(
                "there are more than {MOST_SORTED} notebooks; only newest first without state is offered"
            );
            return Err(Error::invalid("orderBy", problem).into());
        }
        after = info.next_page;
    }
}

pub(super) async fn answered(caller: &Caller, notebook: Option<WireNotebook>) -> Answer<Notebook> {
    let notebook = present("notebook", notebook)?;
    Ok(Json(Notebook::new(
        notebook,
        &People::seen_by(caller).await?,
    )?))
}

/// Create a notebook and start it
#[utoipa::path(
    post, path = "/v1/notebooks", tag = "Notebooks",
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key gives the same notebook")),
    request_body = NewNotebook, responses((status = 200, body = Notebook))
)]
pub(super) async fn create_notebook(
    caller: Caller,
    key: IdempotencyKey,
    JsonBody(new): JsonBody<NewNotebook>,
) -> Answer<Notebook> {
    let request = new.into_request(key)?;
    let answer = caller
        .notebook()
        .create_notebook(request)
        .await?
        .into_inner();
    answered(&caller, answer.notebook).await
}

/// Get a notebook
#[utoipa::path(
    get, path = "/v1/notebooks/{id}", tag = "Notebooks",
    params(("id" = String, Path, description = "Identifier, name, or unique beginning of either")),
    responses((status = 200, body = Notebook))
)]
pub(super) async fn get_notebook(caller: Caller, Id(notebook): Id) -> Answer<Notebook> {
    let answer = caller
        .notebook()
        .get_notebook(GetNotebookRequest { notebook })
        .await?
        .into_inner();
    answered(&caller, answer.notebook).await
}

/// What was removed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Removed {
    id: String,
}

/// Whether the files go, too.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", default)]
#[into_params(parameter_in = Query)]
pub(super) struct DeleteQuery {
    /// The files stay, as a volume that another notebook can be made with.
    keep_volume: bool,
}

/// Stop a notebook and remove it with its files, or without them
#[utoipa::path(
    delete, path = "/v1/notebooks/{id}", tag = "Notebooks",
    params(("id" = String, Path, description = "Identifier, name, or unique beginning of either"), DeleteQuery),
    responses((status = 200, body = Removed))
)]
pub(super) async fn delete_notebook(
    caller: Caller,
    Id(notebook): Id,
    Params(query): Params<DeleteQuery>,
) -> Answer<Removed> {
    let keep_volume = query.keep_volume;
    let answer = caller
        .notebook()
        .delete_notebook(DeleteNotebookRequest {
            notebook,
            keep_volume,
        })
        .await?;
    Ok(Json(Removed {
        id: answer.into_inner().id,
    }))
}

/// Start a stopped notebook on the same files
#[utoipa::path(
    post, path = "/v1/notebooks/{id}/start", tag = "Notebooks",
    params(("id" = String, Path, description = "Identifier, name, or unique beginning of either")),
    responses((status = 200, body = Notebook))
)]
pub(super) async fn start_notebook(
    caller: Caller,
    Id(notebook): Id,
    JsonBody(Nothing {}): JsonBody<Nothing>,
) -> Answer<Notebook> {
    let answer = caller
        .notebook()
        .start_notebook(StartNotebookRequest { notebook })
        .await?
        .into_inner();
    answered(&caller, answer.notebook).await
}

/// Stop a notebook; its files stay
#[utoipa::path(
    post, path = "/v1/notebooks/{id}/stop", tag = "Notebooks",
    params(("id" = String, Path, description = "Identifier, name, or unique beginning of either")),
    responses((status = 200, body = Notebook))
)]
pub(super) async fn stop_notebook(
    caller: Caller,
    Id(notebook): Id,
    JsonBody(Nothing {}): JsonBody<Nothing>,
) -> Answer<Notebook> {
    let answer = caller
        .notebook()
        .stop_notebook(StopNotebookRequest { notebook })
        .await?
        .into_inner();
    answered(&caller, answer.notebook).await
}

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
        workspace: non_empty(notebook.repository),
        workspace_ref: non_empty(notebook.repository_ref),
        workload_id: non_empty(notebook.workload_id),
        revision: notebook.revision,
        stops_at: Time::optional("stops_at", notebook.stops_at)?,
        stops_because: notebook.stops_because,
        kept_until: Time::optional("kept_until", notebook.kept_until)?,
        idle_timeout_seconds: notebook.idle_timeout_seconds,
    }))
}
