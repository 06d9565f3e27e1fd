//! `quire notebook start` and `quire notebook stop`.

use anyhow::{Context, Result, bail};
use contracts::notebook::v1::{Notebook, NotebookState, StartNotebookRequest, StopNotebookRequest};

use super::progress::wait_for;
use super::view::{View, is_rest, state_name};
use crate::api::Api;
use crate::cli::Output;
use crate::print;
use crate::print::out;

pub(super) async fn start(api: &Api, output: Output, id: &str) -> Result<()> {
    let request = StartNotebookRequest {
        notebook: id.to_owned(),
    };
    let answer = api.ask(api.notebook().start_notebook(request)).await?;
    let notebook = answer.notebook.context("the answer holds no notebook")?;
    run_until_running(api, output, notebook).await
}

pub(super) async fn run_until_running(api: &Api, output: Output, notebook: Notebook) -> Result<()> {
    let done = |state| state == NotebookState::Running || is_rest(state);
    let notebook = wait_for(api, notebook, done).await?;
    if notebook.state() != NotebookState::Running {
        let (name, reason) = (&notebook.name, &notebook.reason);
        let state = state_name(notebook.state());
        bail!(
            "{name} did not start: {state}: {reason}\n  see \"quire why {name}\" and \"quire notebook logs {name}\""
        );
    }
    if output == Output::Table {
        out!("{}?token={}", notebook.url, notebook.token);
        return Ok(());
    }
    finish(output, notebook)
}

pub(super) async fn stop(api: &Api, output: Output, id: &str) -> Result<()> {
    let request = StopNotebookRequest {
        notebook: id.to_owned(),
    };
    let answer = api.ask(api.notebook().stop_notebook(request)).await?;
    let notebook = answer.notebook.context("the answer holds no notebook")?;
    let stopped = wait_for(api, notebook, is_rest).await?;
    finish(output, stopped)
}

fn finish(output: Output, notebook: Notebook) -> Result<()> {
    print::one(output, &View::from(notebook))
}
