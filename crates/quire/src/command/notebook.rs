//! `quire notebook` and `quire why`.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use chassis::tls::{HTTP1, Trust};
use contracts::billing::v1::ListPricesRequest;
use contracts::common::v1::PageRequest;
use contracts::notebook::v1::{
    CreateNotebookRequest, DeleteNotebookRequest, ExplainNotebookRequest, GetNotebookRequest,
    ListNotebooksRequest, Notebook, NotebookState, StartNotebookRequest, StopNotebookRequest,
};
use futures::StreamExt as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::idle;
use crate::api::Api;
use crate::cli::{CreateArgs, NotebookCommand, Output};
use crate::print::out;
use crate::print::{self, Row};
use crate::{failure, wait};

/// A notebook as programs see it. Fields are only added.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct View {
    id: String,
    name: String,
    state: String,
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
    stops_at: Option<String>,
    stops_because: String,
    kept_until: Option<String>,
    idle_warn_seconds: u32,
    /// What people are told instead of the reason while a stop is near.
    #[serde(skip)]
    stop_words: String,
}

impl From<Notebook> for View {
    fn from(notebook: Notebook) -> Self {
        let state = state_name(notebook.state());
        Self {
            state,
            created_at: print::time(notebook.created_at),
            started_at: notebook.started_at.map(|at| print::time(Some(at))),
            stops_at: notebook.stops_at.map(|at| print::time(Some(at))),
            kept_until: notebook.kept_until.map(|at| print::time(Some(at))),
            stop_words: idle::stop_words(&notebook, None),
            stops_because: notebook.stops_because,
            idle_warn_seconds: notebook.idle_warn_seconds,
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
        let reason = if self.stop_words.is_empty() {
            &self.reason
        } else {
            &self.stop_words
        };
        let texts = [
            &self.name,
            &self.state,
            &self.machine_type,
            &self.environment,
            &self.url,
            reason,
            &self.id,
        ];
        texts.map(String::clone).to_vec()
    }
}

/// `Running`, `Stopped`, …
fn state_name(state: NotebookState) -> String {
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

fn is_rest(state: NotebookState) -> bool {
    matches!(
        state,
        NotebookState::Stopped
            | NotebookState::Cancelled
            | NotebookState::Failed
            | NotebookState::Error
            | NotebookState::Preempted
    )
}

pub(crate) async fn run(command: NotebookCommand, api: &Api, output: Output) -> Result<()> {
    match command {
        NotebookCommand::Create(args) => create(api, output, args).await,
        NotebookCommand::List => list(api, output).await,
        NotebookCommand::Show { id } => {
            let notebook = get(api, &id).await?;
            print::one(output, &with_price(api, notebook).await?)
        }
        NotebookCommand::Extend { id, length } => idle::extend(api, output, id, length).await,
        NotebookCommand::Open { id } => open(api, output, &id).await,
        NotebookCommand::Logs { id, follow, tail } => logs(api, &id, follow, tail).await,
        NotebookCommand::Stop { id } => {
            let notebook = stop(api, &id).await?;
            let stopped = wait_for(api, notebook, is_rest).await?;
            finish(output, stopped)
        }
        NotebookCommand::Start { id } => start(api, output, &id).await,
        NotebookCommand::Delete { id } => delete(api, output, &id).await,
    }
}

async fn get(api: &Api, id: &str) -> Result<Notebook> {
    let request = GetNotebookRequest {
        notebook: id.to_owned(),
    };
    let answer = api.ask(api.notebook().get_notebook(request)).await?;
    answer.notebook.context("the answer holds no notebook")
}

async fn all(api: &Api) -> Result<Vec<Notebook>> {
    let mut notebooks = Vec::new();
    let mut after = String::new();
    loop {
        let page = Some(PageRequest { after, limit: 120 });
        let request = ListNotebooksRequest {
            page,
            name: String::new(),
        };
        let answer = api.ask(api.notebook().list_notebooks(request)).await?;
        notebooks.extend(answer.notebooks);
        let info = answer.page.unwrap_or_default();
        if !info.has_more {
            return Ok(notebooks);
        }
        after = info.next_page;
    }
}

async fn list(api: &Api, output: Output) -> Result<()> {
    let mut rows = Vec::new();
    for notebook in all(api).await? {
        rows.push(with_price(api, notebook).await?);
    }
    print::list(
        output,
        &rows,
        "no notebooks yet; make one with \"quire notebook create\"",
    )
}

async fn create(api: &Api, output: Output, args: CreateArgs) -> Result<()> {
    let request = CreateNotebookRequest {
        name: args.name.unwrap_or_default(),
        project: args.project.unwrap_or_default(),
        machine_type: args.machine_type.unwrap_or_default(),
        environment: args.environment.unwrap_or_default(),
        idle_timeout_seconds: args.idle_timeout.map(|minutes| minutes * 60),
        shutdown_timeout_seconds: args.shutdown_timeout.map_or(0, |hours| hours * 3_600),
        // A lost answer can be asked for again without a second notebook.
        request_id: kernel::id::EventId::generate().to_string(),
    };
    let created = wait::retry(|| async {
        let answer = api.notebook().create_notebook(request.clone()).await;
        Ok(answer.map_err(chassis::Error::from)?.into_inner())
    })
    .await
    .map_err(|error| failure(&error.into(), api.server()))?;
    let notebook = created.notebook.context("the answer holds no notebook")?;
    print::note(&format!(
        "{}: machine type {}, environment {}, {} per hour",
        notebook.name,
        notebook.machine_type,
        notebook.environment,
        price(api, &notebook.machine_type).await?
    ));
    run_until_running(api, output, notebook).await
}

/// A notebook as people see it: one that will be stopped with what it costs until then.
async fn with_price(api: &Api, notebook: Notebook) -> Result<View> {
    let words = match notebook.stops_at {
        Some(_) => idle::stop_words(&notebook, Some(&price(api, &notebook.machine_type).await?)),
        None => String::new(),
    };
    Ok(View {
        stop_words: words,
        ..View::from(notebook)
    })
}

async fn price(api: &Api, machine_type: &str) -> Result<String> {
    let answer = api
        .ask(api.billing().list_prices(ListPricesRequest {}))
        .await?;
    let prices = answer.prices;
    let found = prices
        .into_iter()
        .find(|price| price.machine_type == machine_type);
    Ok(found.map_or_else(
        || "nothing".to_owned(),
        |price| format!("{} {}", print::rate(price.nanos_per_hour), price.currency),
    ))
}

async fn start(api: &Api, output: Output, id: &str) -> Result<()> {
    let request = StartNotebookRequest {
        notebook: id.to_owned(),
    };
    let answer = api.ask(api.notebook().start_notebook(request)).await?;
    let notebook = answer.notebook.context("the answer holds no notebook")?;
    run_until_running(api, output, notebook).await
}

async fn run_until_running(api: &Api, output: Output, notebook: Notebook) -> Result<()> {
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

fn finish(output: Output, notebook: Notebook) -> Result<()> {
    print::one(output, &View::from(notebook))
}

async fn stop(api: &Api, id: &str) -> Result<Notebook> {
    let request = StopNotebookRequest {
        notebook: id.to_owned(),
    };
    let answer = api.ask(api.notebook().stop_notebook(request)).await?;
    answer.notebook.context("the answer holds no notebook")
}

async fn delete(api: &Api, output: Output, id: &str) -> Result<()> {
    let request = DeleteNotebookRequest {
        notebook: id.to_owned(),
    };
    let answer = api.ask(api.notebook().delete_notebook(request)).await?;
    let id = answer.id;
    let gone = |status: &tonic::Status| status.code() == tonic::Code::NotFound;
    wait::until(Duration::from_millis(200), || async {
        let request = GetNotebookRequest {
            notebook: id.clone(),
        };
        match api.notebook().get_notebook(request).await {
            Err(status) if gone(&status) => Ok(Some(())),
            Err(status) => Err(failure(&status, api.server())),
            Ok(_) => Ok(None),
        }
    })
    .await?;
    match output {
        Output::Json => print::json(&serde_json::json!({ "id": id, "deleted": true })),
        Output::Table => {
            out!("{id} and its files are deleted");
            Ok(())
        }
    }
}

/// Shows how a notebook comes along until `done`.
async fn wait_for(
    api: &Api,
    notebook: Notebook,
    done: impl Fn(NotebookState) -> bool,
) -> Result<Notebook> {
    let progress = Progress::new();
    let mut seen = notebook;
    loop {
        progress.show(&seen);
        if done(seen.state()) {
            return Ok(seen);
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
        seen = get(api, &seen.id).await?;
    }
}

/// Progress on one line of a terminal, or a line for each change elsewhere.
struct Progress {
    bar: ProgressBar,
    last: std::cell::RefCell<String>,
}

impl Progress {
    fn new() -> Self {
        let bar = if print::is_terminal() {
            ProgressBar::new_spinner()
        } else {
            ProgressBar::hidden()
        };
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Self {
            bar,
            last: std::cell::RefCell::default(),
        }
    }

    fn show(&self, notebook: &Notebook) {
        let state = state_name(notebook.state());
        let text = if notebook.reason.is_empty() {
            state
        } else {
            format!("{state}: {}", notebook.reason)
        };
        let new = *self.last.borrow() != text;
        if new && self.bar.is_hidden() {
            print::note(&text);
        }
        self.bar.set_message(text.clone());
        self.last.replace(text);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "whether there is a display is a matter of the terminal, not of configuration"
)]
fn has_display() -> bool {
    std::env::var("DISPLAY").is_ok() || std::env::var("WAYLAND_DISPLAY").is_ok()
}

async fn open(api: &Api, output: Output, id: &str) -> Result<()> {
    let notebook = get(api, id).await?;
    if notebook.state() != NotebookState::Running {
        let (name, state) = (&notebook.name, state_name(notebook.state()));
        bail!("{name} is {state}; start it with \"quire notebook start {name}\"");
    }
    let url = format!("{}?token={}", notebook.url, notebook.token);
    if output == Output::Json {
        return print::json(&serde_json::json!({ "url": url }));
    }
    out!("{url}");
    if has_display() {
        std::process::Command::new("xdg-open")
            .arg(&url)
            .spawn()
            .ok();
    }
    Ok(())
}

async fn logs(api: &Api, id: &str, follow: bool, tail: Option<u32>) -> Result<()> {
    let notebook = get(api, id).await?;
    let mut url: reqwest::Url = notebook
        .url
        .parse()
        .context("reading the notebook's address")?;
    url.set_path("/.quire/logs");
    url.query_pairs_mut()
        .append_pair("follow", &follow.to_string());
    if let Some(lines) = tail {
        url.query_pairs_mut()
            .append_pair("tail", &lines.to_string());
    }
    let response = edge_client(&url, api.trust())?
        .get(url)
        .header("authorization", format!("token {}", notebook.token))
        .send()
        .await
        .map_err(reqwest::Error::without_url)
        .context("asking the edge for the logs")?;
    if !response.status().is_success() {
        let text = response.text().await.unwrap_or_default();
        let message = serde_json::from_str::<serde_json::Value>(&text)
            .ok()
            .and_then(|body| body.get("message")?.as_str().map(str::to_owned))
            .unwrap_or(text);
        bail!("no logs of {}: {message}", notebook.name);
    }
    let mut chunks = response.bytes_stream();
    let mut out = tokio::io::stdout();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk
            .map_err(reqwest::Error::without_url)
            .context("reading the logs")?;
        tokio::io::AsyncWriteExt::write_all(&mut out, &chunk).await?;
        tokio::io::AsyncWriteExt::flush(&mut out).await?;
    }
    Ok(())
}

/// `*.localhost` is this machine, also where the system's resolver does not know it (RFC 6761, 6.3).
fn edge_client(url: &reqwest::Url, trust: &Trust) -> Result<reqwest::Client> {
    let tls = trust.client_config(&[HTTP1])?;
    let mut client =
        reqwest::Client::builder().tls_backend_preconfigured(Arc::unwrap_or_clone(tls));
    if let Some(host) = url.host_str().filter(|host| host.ends_with(".localhost")) {
        let port = url.port_or_known_default().unwrap_or(80);
        client = client.resolve(host, std::net::SocketAddr::from(([127, 0, 0, 1], port)));
    }
    client.build().context("making an HTTP client")
}

pub(crate) async fn why(api: &Api, output: Output, id: &str) -> Result<()> {
    let request = ExplainNotebookRequest {
        notebook: id.to_owned(),
    };
    let answer = api.ask(api.notebook().explain_notebook(request)).await?;
    let notebook = answer.notebook.context("the answer holds no notebook")?;
    let notebook = with_price(api, notebook).await?;
    if output == Output::Json {
        return print::json(&serde_json::json!({
            "id": notebook.id,
            "name": notebook.name,
            "state": notebook.state,
            "summary": answer.summary,
            "details": answer.details,
            "stopsAt": notebook.stops_at,
            "stopsBecause": notebook.stops_because,
            "keptUntil": notebook.kept_until,
        }));
    }
    let summary = if !notebook.stop_words.is_empty() {
        notebook.stop_words
    } else if answer.summary.is_empty() {
        "as wished".to_owned()
    } else {
        answer.summary
    };
    out!("{} is {}: {summary}", notebook.name, notebook.state);
    for detail in answer.details {
        out!("  {detail}");
    }
    Ok(())
}
