//! What an edge on this host asks the agent: where a workload answers, and what it logged. A socket that only this user may
//! open; whoever may, is trusted.

mod logs;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path as Segments, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use chassis::{Error, Result};
use serde::{Deserialize, Serialize};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use crate::attempt::{Board, Kept};
use crate::files;
use crate::runtime::Runtime;

/// Most lines that can be asked for.
const MAX_TAIL: usize = 100_000;

/// What requests are answered from.
#[derive(Clone, Debug)]
pub(crate) struct Relay {
    pub(crate) board: Arc<Board>,
    pub(crate) kept: Arc<Kept>,
    pub(crate) runtime: Arc<dyn Runtime>,
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

/// Listens at `path`, in place of an agent that is gone.
///
/// # Errors
/// When another agent answers there, or the file system refuses.
pub(crate) async fn bind(path: &Path) -> Result<UnixListener> {
    let failed = |error: std::io::Error| {
        Error::Unavailable(format!("cannot listen on {}: {error}", path.display()))
    };
    if UnixStream::connect(path).await.is_ok() {
        return Err(Error::Unavailable(format!(
            "cannot listen on {}: another agent answers there",
            path.display()
        )));
    }
    files::private_folder(path.parent().unwrap_or(Path::new("/"))).map_err(failed)?;
    // Bound under another name first, so that nobody but this user can ever connect under the known one.
    let fresh = path.with_extension("new");
    fs::remove_file(&fresh).ok();
    let listener = UnixListener::bind(&fresh).map_err(failed)?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o600)).map_err(failed)?;
    fs::rename(&fresh, path).map_err(failed)?;
    Ok(listener)
}

impl Relay {
    /// Answers until `cancel`.
    ///
    /// # Errors
    /// When the listener breaks.
    pub(crate) async fn run(self, listener: UnixListener, cancel: CancellationToken) -> Result<()> {
        let router = Router::new()
            .route(
                "/v1/workloads/{workload}/{generation}/upstream",
                get(upstream),
            )
            .route("/v1/workloads/{workload}/{generation}/logs", get(read_logs))
            .with_state(self);
        // Not the graceful way: who follows a log would hold up the stop.
        tokio::select! {
            () = cancel.cancelled() => Ok(()),
            ended = axum::serve(listener, router) => ended.map_err(|error| Error::internal("serving the relay", error)),
        }
    }
}

impl Relay {
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
            let held = || {
                Some(
                    self.board
                        .find(workload, generation)?
                        .job
                        .folder
                        .root()
                        .to_owned(),
                )
            };
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
    let entry = relay.board.find(&workload, generation);
    let Some((entry, socket)) =
        entry.and_then(|entry| Some((entry.clone(), relay.runtime.upstream(&entry.job)?)))
    else {
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

fn not_here(workload: &str, generation: u64) -> Response {
    let error = Error::not_found("workload", &format!("{workload}/{generation}"));
    let body = serde_json::json!({ "code": error.code().rest(), "message": error.public_text() });
    (StatusCode::NOT_FOUND, Json(body)).into_response()
}
