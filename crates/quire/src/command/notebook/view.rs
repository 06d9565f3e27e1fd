//! A notebook as people and programs see it.

use contracts::notebook::v1::{Notebook, NotebookState};
use kernel::time::SystemClock;
use kernel::{Clock as _, Micros};
use serde::Serialize;

use super::bill::Bills;
use super::stop::Stop;
use crate::print::{self, Row};
use crate::when;

/// A notebook as programs see it. Fields are only added.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct View {
    id: String,
    name: String,
    state: String,
    reason: String,
    /// What its users are to know of its files; empty = nothing.
    files_note: String,
    url: String,
    token: String,
    machine_type: String,
    environment: String,
    project_id: String,
    team_id: String,
    volume_id: String,
    /// Template that it was made from; empty = none.
    template: String,
    /// Identifier of the notebook whose files it began with; empty = none.
    forked_from: String,
    /// Git repository that it was made with; empty = none.
    repository: String,
    /// Branch, tag or commit of that; empty = the repository's own choice.
    repository_ref: String,
    idle_timeout_seconds: u32,
    shutdown_timeout_seconds: u32,
    /// It may be stopped for others, with notice.
    preemptible: bool,
    /// Its turn in its queue.
    priority: i32,
    created_at: String,
    started_at: Option<String>,
    /// When it is stopped at the latest; null = nobody knows of an end.
    stops_at: Option<String>,
    /// Why it is stopped then, in words; empty = nobody knows of an end.
    stops_because: String,
    /// Until when somebody keeps it from being stopped for being idle.
    kept_until: Option<String>,
    /// So long before it is stopped for being idle it is warned.
    idle_warn_seconds: u32,
    /// What all of its runs cost so far; null = not known.
    cost_micros: Option<i64>,
    /// What the run that goes on costs so far; null = none does.
    run_cost_micros: Option<i64>,
    /// Null = not known.
    price_per_hour: Option<String>,
    currency: String,
    /// The same for people, with its currency.
    #[serde(skip)]
    per_hour: String,
    #[serde(skip)]
    stops_in: String,
    /// What people are told beside the reason while a stop is near.
    #[serde(skip)]
    stop_words: Option<String>,
}

impl View {
    pub(super) fn new(notebook: Notebook, bills: &Bills) -> Self {
        let bill = bills.bill(&notebook);
        let state = state_name(notebook.state());
        let (now, stop) = (SystemClock.now(), Stop::next(&notebook));
        let stops_at = stop.as_ref().map(|stop| stop.at);
        let per_hour = bill.per_hour();
        Self {
            state,
            created_at: print::time(notebook.created_at),
            started_at: notebook.started_at.map(|at| print::time(Some(at))),
            stops_at: stops_at.map(|at| print::time(Some(contracts::to_wire_time(at)))),
            stops_in: stops_at.map_or_else(String::new, |at| when::until(at, now)),
            stop_words: stop
                .as_ref()
                .and_then(|stop| stop.words(per_hour.as_deref(), now)),
            per_hour: per_hour.unwrap_or_else(|| "?".to_owned()),
            stops_because: stop.map_or_else(String::new, |stop| stop.because),
            kept_until: notebook.kept_until.map(|at| print::time(Some(at))),
            idle_warn_seconds: notebook.idle_warn_seconds,
            cost_micros: bill.total_micros,
            run_cost_micros: bill.running_micros,
            price_per_hour: bill.nanos_per_hour.map(print::rate),
            currency: bill.currency,
            id: notebook.id,
            name: notebook.name,
            reason: notebook.reason,
            files_note: notebook.files_note,
            url: notebook.url,
            token: notebook.token,
            machine_type: notebook.machine_type,
            environment: notebook.environment,
            project_id: notebook.project_id,
            team_id: notebook.team_id,
            volume_id: notebook.volume_id,
            template: notebook.template,
            forked_from: notebook.forked_from,
            repository: notebook.repository,
            repository_ref: notebook.repository_ref,
            idle_timeout_seconds: notebook.idle_timeout_seconds,
            shutdown_timeout_seconds: notebook.shutdown_timeout_seconds,
            preemptible: notebook.preemptible,
            priority: notebook.priority,
        }
    }

    fn cost(&self, micros: Option<i64>) -> String {
        micros.map_or_else(
            || "?".to_owned(),
            |micros| format!("{} {}", Micros(micros), self.currency),
        )
    }

    fn reason(&self) -> String {
        // What is said of the present, such as that it makes room for others, is not hidden by a later stop.
        let told = [
            Some(&self.reason),
            self.stop_words.as_ref(),
            Some(&self.files_note),
        ];
        let told: Vec<_> = told
            .into_iter()
            .flatten()
            .filter(|words| !words.is_empty())
            .map(String::as_str)
            .collect();
        told.join("; ")
    }
}

/// One line each: what people look for in a list.
impl Row for View {
    const COLUMNS: &'static [&'static str] = &[
        "NAME",
        "STATE",
        "MACHINE",
        "COST SO FAR",
        "PER HOUR",
        "STOPS IN",
        "URL",
        "REASON",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            self.state.clone(),
            self.machine_type.clone(),
            self.cost(self.cost_micros),
            self.per_hour.clone(),
            self.stops_in.clone(),
            self.url.clone(),
            self.reason(),
        ]
    }
}

/// The same with all that people may want to know of one.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Details(pub(super) View);

impl Row for Details {
    const COLUMNS: &'static [&'static str] = &[
        "NAME",
        "STATE",
        "REASON",
        "MACHINE",
        "ENVIRONMENT",
        "URL",
        "COST SO FAR",
        "THIS RUN",
        "PER HOUR",
        "STOPS IN",
        "IDLE TIMEOUT",
        "PRIORITY",
        "MAY BE STOPPED FOR OTHERS",
        "VOLUME",
        "PROJECT",
        "CREATED",
        "ID",
    ];

    fn cells(&self) -> Vec<String> {
        let Self(view) = self;
        let run = match view.run_cost_micros {
            None => String::new(),
            cost => view.cost(cost),
        };
        let idle = match view.idle_timeout_seconds {
            0 => "never".to_owned(),
            seconds => when::length(seconds.into()),
        };
        vec![
            view.name.clone(),
            view.state.clone(),
            view.reason(),
            view.machine_type.clone(),
            view.environment.clone(),
            view.url.clone(),
            view.cost(view.cost_micros),
            run,
            view.per_hour.clone(),
            view.stops_in.clone(),
            idle,
            view.priority.to_string(),
            if view.preemptible { "yes" } else { "no" }.to_owned(),
            view.volume_id.clone(),
            view.project_id.clone(),
            view.created_at.clone(),
            view.id.clone(),
        ]
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

/// Nothing happens to it any more until somebody wishes it.
pub(super) fn is_rest(notebook: &Notebook) -> bool {
    !notebook.restarting
        && matches!(
            notebook.state(),
            NotebookState::Stopped
                | NotebookState::Cancelled
                | NotebookState::Failed
                | NotebookState::Error
                | NotebookState::Preempted
        )
}
