//! Notebooks as the service tells of them.

use std::collections::HashMap;

use anyhow::{Context, Result, bail};
use contracts::notebook::v1::{GetNotebookRequest, ListNotebooksRequest, Notebook, NotebookState};

use super::view::state_name;
use crate::api::Api;

pub(super) async fn get(api: &Api, id: &str) -> Result<Notebook> {
    let request = GetNotebookRequest {
        notebook: id.to_owned(),
    };
    let answer = api.ask(api.notebook().get_notebook(request)).await?;
    answer.notebook.context("the answer holds no notebook")
}

/// One that runs: what is inside can be reached.
pub(super) async fn running(api: &Api, id: &str) -> Result<Notebook> {
    let notebook = get(api, id).await?;
    if notebook.state() != NotebookState::Running {
        let (name, state) = (&notebook.name, state_name(notebook.state()));
        bail!("{name} is {state}; start it with \"quire notebook start {name}\"");
    }
    Ok(notebook)
}

/// The same for who may use it: its token is what opens it.
pub(super) async fn to_use(api: &Api, id: &str) -> Result<Notebook> {
    let notebook = running(api, id).await?;
    if notebook.token.is_empty() {
        bail!(
            "you may look at {} and not use it; members of its project may, with a key that has the scope notebook:write",
            notebook.name
        );
    }
    Ok(notebook)
}

pub(super) async fn all(api: &Api) -> Result<Vec<Notebook>> {
    let page = |page| {
        let mut service = api.notebook();
        let request = ListNotebooksRequest {
            page,
            name: String::new(),
        };
        async move { service.list_notebooks(request).await }
    };
    api.all(page, |answer| (answer.notebooks, answer.page))
        .await
}

/// Names of all notebooks, by identifier.
pub(in crate::command) async fn names(api: &Api) -> Result<HashMap<String, String>> {
    let notebooks = all(api).await?.into_iter();
    Ok(notebooks
        .map(|notebook| (notebook.id, notebook.name))
        .collect())
}
