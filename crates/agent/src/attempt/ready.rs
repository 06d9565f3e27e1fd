//! Asks a workload's web server whether it is ready.

use std::path::Path;
use std::pin::pin;
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
    let mut response = pin!(sender.send_request(request));
    let response = tokio::select! {
        response = &mut response => response,
        // A server that closes after its answer may have given one.
        _ = connection => response.await,
    };
    Some(response.ok()?.status().as_u16())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixListener;

    use super::*;

    /// What is made of a server that says just `answer` and closes at once. On one thread, so that both are there together.
    async fn asked_of(answer: &'static str) -> Option<u16> {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let heard = stream.read(&mut [0; 1_024]).await.unwrap();
            assert_ne!(heard, 0, "it was asked");
            stream.write_all(answer.as_bytes()).await.unwrap();
        };
        tokio::join!(ask(&socket, "/", "t"), serve).0
    }

    #[tokio::test]
    async fn an_answer_counts_when_the_server_closes_after_it() {
        let answer = "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nready";
        assert_eq!(asked_of(answer).await, Some(200));
        assert_eq!(asked_of("").await, None);
    }
}
