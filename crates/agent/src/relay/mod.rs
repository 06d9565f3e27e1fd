//! What edges ask the agent: where a workload answers, what it logged, and a stream to it. An edge on this host asks over a
//! socket that only this user may open ([`local`]), and goes to the workload's socket itself; edges on other hosts are dialled
//! and ask over that connection ([`remote`]).

mod dial;
mod edges;
mod errands;
mod exec;
mod files;
mod local;
mod logs;
mod metrics;
mod remote;
mod ssh;
mod stream;

use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path as Segments, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use chassis::Error;
use serde::{Deserialize, Serialize};

use crate::attempt::{Board, Entry, Kept};
use crate::runtime::Runtime;
use crate::signs::{Sign, Signs};
use crate::space::Space;

pub(crate) use edges::{Edges, Listing};
pub(crate) use errands::Errands;
pub(crate) use local::bind;
pub(crate) use metrics::Metrics;

/// Most lines that can be asked for.
const MAX_TAIL: usize = 100_000;

/// What requests are answered from.
#[derive(Clone, Debug)]
pub(crate) struct Relay {
    pub(crate) board: Arc<Board>,
    pub(crate) kept: Arc<Kept>,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) errands: Arc<Errands>,
    pub(crate) commands: Arc<Errands>,
    pub(crate) signs: Arc<Signs>,
    pub(crate) space: Arc<Space>,
}

/// What shows that a workload works.
#[derive(Debug, Serialize)]
struct Measured {
    signs: Vec<Sign>,
}

/// Where a workload answers.
#[derive(Debug, Serialize)]
struct Upstream {
    socket: PathBuf,
    token: String,
}

#[derive(Debug, Deserialize)]
struct LogQuery {
    #[serde(default)]
    follow: bool,
    tail: Option<usize>,
}

impl Relay {
    /// The questions, and what answers them.
    fn questions(self) -> Router {
        let upstream = get(upstream);
        let logs = get(read_logs);
        let signs = get(read_signs);
        let usage = get(read_usage);
        let files = get(files::list)
            .post(files::pack)
            .put(files::unpack)
            .delete(files::remove);
        Router::new()
            .route("/v1/workloads/{workload}/{generation}/upstream", upstream)
            .route("/v1/workloads/{workload}/{generation}/logs", logs)
            .route("/v1/workloads/{workload}/{generation}/signs", signs)
            .route("/v1/workloads/{workload}/{generation}/usage", usage)
            .route(
                "/v1/workloads/{workload}/{generation}/exec",
                post(exec::exec),
            )
            .route("/v1/workloads/{workload}/{generation}/ssh", post(ssh::ssh))
            .route(
                "/v1/workloads/{workload}/{generation}/ports/{port}",
                get(stream::to_port),
            )
            .route("/v1/volumes/{volume}/files", files)
            .with_state(self)
    }

    /// A running attempt, and the socket on which it listens.
    fn find(&self, workload: &str, generation: u64) -> Option<(Entry, PathBuf)> {
        let entry = self.board.find(workload, generation)?;
        let socket = self.runtime.upstream(&entry.job)?;
        Some((entry, socket))
    }

    /// Reads the log of an attempt that is held or kept; `None` when it is neither.
    async fn log_reader(
        &self,
        workload: &str,
        generation: u64,
        tail: Option<usize>,
    ) -> Option<logs::Reader> {
        let mut found = None;
        // It may move from the one place to the other while it is looked for.
        for _ in 0..2 {
            let past = self.kept.find(workload, generation).map(|past| past.folder);
            let held = || Some(self.board.find(workload, generation)?.job.folder.sandbox());
            found = logs::Reader::open(past.or_else(held)?, tail).await.ok();
            if found.as_ref().is_some_and(logs::Reader::has_log) {
                break;
            }
        }
        found
    }
}

async fn upstream(
    State(relay): State<Relay>,
    Segments((workload, generation)): Segments<(String, u64)>,
) -> Response {
    let Some((entry, socket)) = relay.find(&workload, generation) else {
        return not_here(&workload, generation);
    };
    match tokio::fs::read_to_string(entry.job.folder.token()).await {
        Ok(token) => Json(Upstream { socket, token }).into_response(),
        Err(_) => not_here(&workload, generation),
    }
}

async fn read_logs(
    State(relay): State<Relay>,
    Segments((workload, generation)): Segments<(String, u64)>,
    Query(query): Query<LogQuery>,
) -> Response {
    let tail = query.tail.map(|lines| lines.min(MAX_TAIL));
    let Some(reader) = relay.log_reader(&workload, generation, tail).await else {
        return not_here(&workload, generation);
    };
    let follow = query.follow.then_some(logs::Follow {
        board: relay.board,
        workload,
        generation,
    });
    let body = Body::from_stream(logs::stream(reader, follow));
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response()
}

async fn read_signs(
    State(relay): State<Relay>,
    Segments((workload, generation)): Segments<(String, u64)>,
) -> Response {
    let found = relay.board.find(&workload, generation);
    match found.and_then(|entry| relay.signs.of(entry.job.id())) {
        Some(signs) => Json(Measured { signs }).into_response(),
        None => not_here(&workload, generation),
    }
}

async fn read_usage(
    State(relay): State<Relay>,
    Segments((workload, generation)): Segments<(String, u64)>,
) -> Response {
    let Some(entry) = relay.board.find(&workload, generation) else {
        return not_here(&workload, generation);
    };
    match relay.signs.usage(&entry.job).await {
        Ok(usage) => Json(usage).into_response(),
        Err(error) => refusal(&error),
    }
}

fn not_here(workload: &str, generation: u64) -> Response {
    let error = Error::not_found("workload", &format!("{workload}/{generation}"));
    refuse(StatusCode::NOT_FOUND, &error)
}

fn refuse(status: StatusCode, error: &Error) -> Response {
    let body = serde_json::json!({ "code": error.code().rest(), "message": error.public_text() });
    (status, Json(body)).into_response()
}

/// A refusal with the status of its kind; what is not the asker's fault is told here.
fn refusal(error: &Error) -> Response {
    if let Error::Internal { .. } = error {
        tracing::warn!(
            error = chassis::error::chain(error),
            "a question of an edge"
        );
    }
    let status = StatusCode::from_u16(error.code().http_status());
    refuse(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), error)
}
