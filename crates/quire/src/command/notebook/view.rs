//! A notebook as people and programs see it.

use contracts::notebook::v1::{Notebook, NotebookState};
use serde::Serialize;

use crate::print::{self, Row};

/// A notebook as programs see it. Fields are only added.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct View {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) state: String,
    reason: String,
    url: String,
    token: String,
    machine_type: String,
    environment: String,
    project_id: String,
    team_id: String,
    volume_id: String,
    idle_timeout_seconds: u32,
    shutdown_timeout_seconds: u32,
    created_at: String,
    started_at: Option<String>,
}

impl From<Notebook> for View {
    fn from(notebook: Notebook) -> Self {
        let state = state_name(notebook.state());
        Self {
            state,
            created_at: print::time(notebook.created_at),
            started_at: notebook.started_at.map(|at| print::time(Some(at))),
            id: notebook.id,
            name: notebook.name,
            reason: notebook.reason,
            url: notebook.url,
            token: notebook.token,
            machine_type: notebook.machine_type,
            environment: notebook.environment,
            project_id: notebook.project_id,
            team_id: notebook.team_id,
            volume_id: notebook.volume_id,
            idle_timeout_seconds: notebook.idle_timeout_seconds,
            shutdown_timeout_seconds: notebook.shutdown_timeout_seconds,
        }
    }
}

impl Row for View {
    const COLUMNS: &'static [&'static str] = &[
        "NAME",
        "STATE",
        "MACHINE",
        "ENVIRONMENT",
        "URL",
        "REASON",
        "ID",
    ];

    fn cells(&self) -> Vec<String> {
        let texts = [
            &self.name,
            &self.state,
            &self.machine_type,
            &self.environment,
            &self.url,
            &self.reason,
            &self.id,
        ];
        texts.map(String::clone).to_vec()
    }
}

/// `Running`, `Stopped`, …
pub(super) fn state_name(state: NotebookState) -> String {
    let name = state
        .as_str_name()
        .trim_start_matches("NOTEBOOK_STATE_")
        .to_lowercase();
    let mut letters = name.chars();
    letters
        .next()
        .map(|first| first.to_ascii_uppercase())
        .into_iter()
        .chain(letters)
        .collect()
}

pub(super) fn is_rest(state: NotebookState) -> bool {
    matches!(
        state,
        NotebookState::Stopped
            | NotebookState::Cancelled
            | NotebookState::Failed
            | NotebookState::Error
            | NotebookState::Preempted
    )
}
