//! What the agent of a node answers on its relay's socket.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bus::Target;
use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Collected, Limited};
use hyper::body::Incoming;
use serde::Deserialize;

use super::{Lease, Pool, UpstreamError};
use crate::body::full;

/// Time that an agent has to begin its answer.
const ANSWER: Duration = Duration::from_secs(5);
/// Longest answer about a place, in bytes.
const LONGEST: usize = 64 << 10;

/// Where a workload listens.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Its socket.
    pub(crate) socket: Arc<Path>,
    /// What it wants in `Authorization`.
    pub(crate) authorization: HeaderValue,
}

/// Which part of the logs is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogsQuery {
    /// Also what is written from now on.
    pub(crate) follow: bool,
    /// Only so many of the last lines; `None` = all.
    pub(crate) tail: Option<u32>,
}

#[derive(Deserialize)]
struct UpstreamAnswer {
    socket: PathBuf,
    token: String,
}

#[derive(Deserialize)]
struct Refusal {
    message: String,
}

/// The relays of this host's agents.
#[derive(Debug)]
pub(crate) struct Relay {
    folder: PathBuf,
    pool: Arc<Pool>,
}

impl Relay {
    /// The relays in `folder`.
    pub(crate) fn new(folder: PathBuf, pool: Arc<Pool>) -> Self {
        Self { folder, pool }
    }

    /// Asks where a workload listens.
    pub(crate) async fn find(&self, target: &Target) -> Result<Place, UpstreamError> {
        in_time(async {
            let (answer, lease) = self.ask(target, "upstream").await?;
            let body = short_body(answer).await?;
            lease.give_back();
            place(&body)
        })
        .await
    }

    /// Asks for what a workload has written.
    pub(crate) async fn logs(
        &self,
        target: &Target,
        query: LogsQuery,
    ) -> Result<(Response<Incoming>, Lease), UpstreamError> {
        let tail = query
            .tail
            .map(|tail| format!("&tail={tail}"))
            .unwrap_or_default();
        let what = format!("logs?follow={}{tail}", query.follow);
        in_time(self.ask(target, &what)).await
    }

    async fn ask(
        &self,
        target: &Target,
        what: &str,
    ) -> Result<(Response<Incoming>, Lease), UpstreamError> {
        let node = one_name(&target.node_id)?;
        let socket: Arc<Path> = self.folder.join(format!("{node}.sock")).into();
        let path = format!(
            "/v1/workloads/{}/{}/{what}",
            one_name(&target.workload_id)?,
            target.generation
        );
        let request = Request::get(path)
            .header(HOST, "relay")
            .body(full(Bytes::new()))
            .map_err(|error| UpstreamError::BadAnswer(error.to_string()))?;
        let mut lease = self.pool.connect(&socket).await?;
        let answer = lease.send(request).await.map_err(|failed| failed.error)?;
        match answer.status() {
            StatusCode::OK => Ok((answer, lease)),
            StatusCode::NOT_FOUND => Err(UpstreamError::NotThere(refusal(answer).await)),
            other => Err(UpstreamError::BadAnswer(format!(
                "{other}: {}",
                refusal(answer).await
            ))),
        }
    }
}

async fn in_time<T>(
    asked: impl Future<Output = Result<T, UpstreamError>>,
) -> Result<T, UpstreamError> {
    tokio::time::timeout(ANSWER, asked)
        .await
        .map_err(|_| UpstreamError::Slow)?
}

async fn short_body(answer: Response<Incoming>) -> Result<Bytes, UpstreamError> {
    let body = Limited::new(answer.into_body(), LONGEST).collect().await;
    body.map(Collected::to_bytes)
        .map_err(|error| UpstreamError::BadAnswer(error.to_string()))
}

fn place(answer: &[u8]) -> Result<Place, UpstreamError> {
    let bad = |error: &dyn std::fmt::Display| UpstreamError::BadAnswer(error.to_string());
    let answer: UpstreamAnswer = serde_json::from_slice(answer).map_err(|error| bad(&error))?;
    let text = format!("token {}", answer.token);
    let mut authorization = HeaderValue::try_from(text)
        .map_err(|_| bad(&"its token has characters that no header holds"))?;
    authorization.set_sensitive(true);
    if !answer.socket.is_absolute() {
        return Err(bad(&format!(
            "its socket {:?} is not an absolute path",
            answer.socket
        )));
    }
    Ok(Place {
        socket: answer.socket.into(),
        authorization,
    })
}

async fn refusal(answer: Response<Incoming>) -> String {
    let body = short_body(answer).await.unwrap_or_default();
    serde_json::from_slice(&body).map_or_else(
        |_| "no reason given".to_owned(),
        |refusal: Refusal| refusal.message,
    )
}

/// An identifier as it may stand in a path.
fn one_name(id: &str) -> Result<&str, UpstreamError> {
    let holds = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if (1..=64).contains(&id.len()) && id.bytes().all(holds) {
        return Ok(id);
    }
    Err(UpstreamError::NotThere(format!(
        "{id:?} in the route is not an identifier"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_checked() {
        let good = place(br#"{"socket": "/run/w/http.sock", "token": "t"}"#).unwrap();
        assert_eq!(
            (&*good.socket, good.authorization.as_bytes()),
            (Path::new("/run/w/http.sock"), &b"token t"[..])
        );
        assert!(!format!("{good:?}").contains("token t"));
        for wrong in [
            "",
            "{}",
            r#"{"socket": "a.sock", "token": "t"}"#,
            r#"{"socket": "/a", "token": "t\n"}"#,
        ] {
            let error = place(wrong.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with("the agent's answer: "), "{error}");
        }
    }

    #[test]
    fn identifiers_stay_inside_their_part_of_a_path() {
        assert_eq!(one_name("no-1a").unwrap(), "no-1a");
        for wrong in ["", "..", "a/b", "a?b", &"a".repeat(65)] {
            assert!(one_name(wrong).is_err(), "{wrong}");
        }
    }
}
