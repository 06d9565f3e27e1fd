//! Hosted notebooks: Paperspace's shape for the noun, Quire's own calls beside it.

use axum::Json;
use chassis::{Error, page};
use contracts::common::v1::PageRequest;
use contracts::notebook::v1::{
    DeleteNotebookRequest, GetNotebookRequest, ListNotebooksRequest, Notebook as WireNotebook,
    NotebookState, StartNotebookRequest, StopNotebookRequest,
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
pub(super) enum State {
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

    pub(super) fn read(state: NotebookState) -> Result<Self, Failure> {
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

/// How a notebook is stopped.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(super) struct StopNotebook {
    /// Its files are kept as a snapshot of this name when it has stopped; empty = a name is made up. No snapshot when it is absent.
    snapshot: Option<String>,
}

/// Stop a notebook; its files stay
#[utoipa::path(
    post, path = "/v1/notebooks/{id}/stop", tag = "Notebooks",
    params(("id" = String, Path, description = "Identifier, name, or unique beginning of either")),
    request_body = Option<StopNotebook>,
    responses((status = 200, body = Notebook))
)]
pub(super) async fn stop_notebook(
    caller: Caller,
    Id(notebook): Id,
    JsonBody(StopNotebook { snapshot }): JsonBody<StopNotebook>,
) -> Answer<Notebook> {
    let answer = caller
        .notebook()
        .stop_notebook(StopNotebookRequest { notebook, snapshot })
        .await?
        .into_inner();
    answered(&caller, answer.notebook).await
}
