//! `quire notebook start`, `stop` and `restart`: a wish, and waiting until it has come about.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use contracts::notebook::v1::{
    Notebook, NotebookState, RestartNotebookRequest, StartNotebookRequest, StopNotebookRequest,
};

use super::progress::wait_for;
use super::shown;
use super::view::{is_rest, state_name};
use crate::api::Api;
use crate::cli::{Output, WaitArgs};
use crate::print::{note, out};
use crate::wait::Patience;

/// A stop takes seconds; one that takes longer is stuck.
const STOPS_WITHIN: Duration = Duration::from_secs(120);
/// A start may have to wait for a machine, and for an environment that no node has yet.
const RUNS_WITHIN: Duration = Duration::from_secs(1_800);

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    Running,
    Stopped,
}

pub(super) async fn start(api: &Api, output: Output, id: &str, wait: &WaitArgs) -> Result<()> {
    let request = StartNotebookRequest {
        notebook: id.to_owned(),
    };
    let answer = api.ask(api.notebook().start_notebook(request)).await?;
    let notebook = answer.notebook.context("the answer holds no notebook")?;
    reach(api, output, notebook, Goal::Running, wait).await
}

pub(super) async fn stop(
    api: &Api,
    output: Output,
    id: &str,
    snapshot: Option<String>,
    wait: &WaitArgs,
) -> Result<()> {
    let request = StopNotebookRequest {
        notebook: id.to_owned(),
        snapshot,
    };
    let answer = api.ask(api.notebook().stop_notebook(request)).await?;
    let notebook = answer.notebook.context("the answer holds no notebook")?;
    reach(api, output, notebook, Goal::Stopped, wait).await
}

pub(super) async fn restart(api: &Api, output: Output, id: &str, wait: &WaitArgs) -> Result<()> {
    let request = RestartNotebookRequest {
        notebook: id.to_owned(),
    };
    let answer = api.ask(api.notebook().restart_notebook(request)).await?;
    let notebook = answer.notebook.context("the answer holds no notebook")?;
    reach(api, output, notebook, Goal::Running, wait).await
}

/// Waits until the notebook is where it is wanted, and prints it; without waiting, as it is now.
pub(super) async fn reach(
    api: &Api,
    output: Output,
    notebook: Notebook,
    goal: Goal,
    wait: &WaitArgs,
) -> Result<()> {
    let name = notebook.name.clone();
    if wait.no_wait {
        let doing = match goal {
            Goal::Running => "starting",
            Goal::Stopped => "stopping",
        };
        note(&format!(
            "not waiting; {name} goes on {doing}: see \"quire notebook show {name}\""
        ));
        return shown(api, output, notebook).await;
    }
    let notebook = arrived(api, notebook, goal).await?;
    if goal == Goal::Running && output == Output::Table {
        out!("{}?token={}", notebook.url, notebook.token);
        return Ok(());
    }
    shown(api, output, notebook).await
}

/// Waits until the notebook is where it is wanted.
pub(super) async fn arrived(api: &Api, notebook: Notebook, goal: Goal) -> Result<Notebook> {
    let name = notebook.name.clone();
    let running =
        |notebook: &Notebook| notebook.state() == NotebookState::Running && !notebook.restarting;
    let (limit, doing) = match goal {
        Goal::Running => (RUNS_WITHIN, "starting"),
        Goal::Stopped => (STOPS_WITHIN, "stopping"),
    };
    let patience = Patience {
        limit,
        goes_on: &format!("{name} goes on {doing}"),
        look: &format!("quire why {name}"),
    };
    let done = |notebook: &Notebook| match goal {
        Goal::Running => running(notebook) || is_rest(notebook),
        Goal::Stopped => is_rest(notebook) && !notebook.keeping,
    };
    let notebook = wait_for(api, notebook, patience, done).await?;
    if goal == Goal::Running && !running(&notebook) {
        let (state, reason) = (state_name(notebook.state()), &notebook.reason);
        bail!(
            "{name} did not start: {state}: {reason}\n  see \"quire why {name}\" and \"quire notebook logs {name}\""
        );
    }
    Ok(notebook)
}
