//! Commands inside a workload, for its people: the records of [`crate::exec`] go to and fro as the bodies of one request and its
//! answer, which come and go at the same time. When either breaks off, the command is hung up on.

use std::collections::BTreeMap;
use std::io;
use std::process::Stdio;

use axum::body::Body;
use axum::extract::{Path as Segments, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use chassis::Error;
use futures::{Stream, StreamExt as _};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::errands::Permit;
use super::metrics::Open;
use super::{Relay, not_here, refusal};
use crate::runtime::{Inside, Job};

/// How much is passed on at once.
const CHUNK: usize = 32 << 10;

/// A command that runs; it is hung up on when this value goes.
#[derive(Debug)]
pub(super) struct Running {
    output: ChildStdout,
    /// Nobody is at the other end any more.
    gone: CancellationToken,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.gone.cancel();
    }
}

/// Runs a command inside a workload that runs here.
pub(super) async fn exec(
    State(relay): State<Relay>,
    Segments((workload, generation)): Segments<(String, u64)>,
    body: Body,
) -> Response {
    let Some(entry) = relay.board.find(&workload, generation) else {
        return not_here(&workload, generation);
    };
    match begin(&relay, &entry.job, "command", |_| Vec::new(), body).await {
        Ok(running) => answer(running),
        Err(error) => refusal(&error),
    }
}

/// What a command that runs says, as it says it.
pub(super) fn answer(running: Running) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/octet-stream")];
    (kind, Body::from_stream(output(running))).into_response()
}

/// Runs a command inside a workload. Its records are those that `before` makes of the workload's variables, then those in `body`;
/// `kind` is told in the trace.
pub(super) async fn begin(
    relay: &Relay,
    job: &Job,
    kind: &'static str,
    before: impl FnOnce(&BTreeMap<String, String>) -> Vec<u8>,
    body: Body,
) -> Result<Running, Error> {
    let permit = relay.commands.begin(job.id())?;
    let Inside {
        mut command,
        mut first,
        variables,
    } = relay.runtime.inside(job).await?;
    first.extend(before(&variables));
    let failed = |cause| Error::internal("starting a command inside a workload", cause);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let pipes = (child.stdin.take(), child.stdout.take());
    let (Some(input), Some(output)) = pipes else {
        return Err(failed(io::Error::other("no pipes")));
    };
    let gone = CancellationToken::new();
    let span = tracing::info_span!("command", kind, attempt = job.id());
    // What it is may hold secrets.
    span.in_scope(|| tracing::info!("a command begins inside a workload"));
    let counted = (permit, relay.metrics.command());
    tokio::spawn(attend(child, gone.clone(), counted).instrument(span.clone()));
    let passing = pass_on(first, body, input, gone.clone());
    tokio::spawn(
        gone.clone()
            .run_until_cancelled_owned(passing.instrument(span)),
    );
    Ok(Running { output, gone })
}

/// Waits for the end of what attends to the command, which ends it when nobody is there any more.
async fn attend(mut child: Child, gone: CancellationToken, _counted: (Permit, Open)) {
    tokio::select! {
        ended = child.wait() => return tracing::info!(?ended, "a command has ended"),
        () = gone.cancelled() => tracing::info!("a command is hung up on"),
    }
    let attends = child.id().and_then(|pid| i32::try_from(pid).ok());
    if let Some(attends) = attends.and_then(Pid::from_raw) {
        // It is not waited for yet: its number is still its own.
        kill_process(attends, Signal::TERM).ok();
    }
    child.wait().await.ok();
}

async fn pass_on(first: Vec<u8>, body: Body, mut input: ChildStdin, gone: CancellationToken) {
    if input.write_all(&first).await.is_err() {
        return;
    }
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let Ok(chunk) = chunk else {
            gone.cancel();
            return;
        };
        if input.write_all(&chunk).await.is_err() {
            return;
        }
    }
}

fn output(running: Running) -> impl Stream<Item = io::Result<Bytes>> + Send {
    futures::stream::try_unfold(running, |mut running| async {
        let mut chunk = vec![0; CHUNK];
        let read = tokio::select! {
            read = running.output.read(&mut chunk) => read?,
            () = running.gone.cancelled() => return Err(io::ErrorKind::ConnectionAborted.into()),
        };
        chunk.truncate(read);
        Ok((read > 0).then(|| (chunk.into(), running)))
    })
}
