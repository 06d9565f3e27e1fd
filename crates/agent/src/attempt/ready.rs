//! Asks a workload's web server whether it is ready.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, header};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use crate::runtime::{Job, Runtime};

/// Pause between questions.
const ASK_EVERY: Duration = Duration::from_millis(10);
/// Pause between looks whether a workload has begun.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// A server that takes longer for one answer is asked again.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Answers from here on mean that it is not ready.
const FIRST_FAILURE: u16 = 400;

/// Comes back when the workload answers; one that has nothing to answer on, when it has begun.
pub(super) async fn answered(runtime: &dyn Runtime, job: &Job) {
    let path = job.spec().ready_path.as_str();
    while path.is_empty() {
        if runtime.has_begun(job) {
            return;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    loop {
        if let Some(socket) = runtime.upstream(job) {
            let token = tokio::fs::read_to_string(job.folder.token())
                .await
                .unwrap_or_default();
            let asked = tokio::time::timeout(ANSWER_WITHIN, ask(&socket, path, &token)).await;
            if matches!(asked, Ok(Some(status)) if status < FIRST_FAILURE) {
                return;
            }
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

async fn ask(socket: &Path, path: &str, token: &str) -> Option<u16> {
    let stream = UnixStream::connect(socket).await.ok()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .ok()?;
    let request = Request::get(path)
        .header(header::HOST, "localhost")
        .header(
            header::AUTHORIZATION,
            HeaderValue::from_str(&format!("token {token}")).ok()?,
        )
        .body(Empty::<Bytes>::new())
        .ok()?;
    tokio::select! {
        response = sender.send_request(request) => Some(response.ok()?.status().as_u16()),
        _ = connection => None,
    }
}
