//! What the agent of a node is asked: on its relay's socket when it is on this host, else over its connection to this edge.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bus::Target;
use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Collected, Limited};
use hyper::body::Incoming;
use serde::Deserialize;

use super::relays::{Relay, Relays};
use super::way::Way;
use super::{Lease, Pool, UpstreamError};
use crate::body::{Body, full};

/// Time that an agent has to begin its answer.
const ANSWER: Duration = Duration::from_secs(5);
/// Longest answer about a place, in bytes.
const LONGEST: usize = 64 << 10;

/// Where a workload listens.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Where.
    pub(crate) at: At,
    /// What it wants in `Authorization`.
    pub(crate) authorization: HeaderValue,
}

/// On which side of the network a workload is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// On this host, with this socket.
    Socket(Arc<Path>),
    /// On another: this node.
    Node(String),
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

/// The agents of this host, and those that are connected.
#[derive(Debug)]
pub(crate) struct Agents {
    folder: PathBuf,
    relays: Arc<Relays>,
    pool: Arc<Pool>,
}

/// Who answered a question.
enum Asked {
    /// An agent of this host; its connection may be used again after the answer.
    Here(Lease),
    /// An agent that is connected.
    Connected,
}

impl Asked {
    /// The connection that the answer comes on, to be used again after it.
    fn lease(self) -> Option<Lease> {
        match self {
            Self::Here(lease) => Some(lease),
            Self::Connected => None,
        }
    }
}

impl Agents {
    /// Those whose relays are in `folder`, and `relays`.
    pub(crate) fn new(folder: PathBuf, relays: Arc<Relays>, pool: Arc<Pool>) -> Self {
        Self {
            folder,
            relays,
            pool,
        }
    }

    /// Asks where a workload listens.
    pub(crate) async fn find(&self, target: &Target) -> Result<Place, UpstreamError> {
        in_time(async {
            let (answer, asked) = self.ask(target, "upstream").await?;
            let body = short_body(answer).await?;
            let (socket, authorization) = place(&body)?;
            let at = match asked {
                Asked::Here(lease) => {
                    lease.give_back();
                    At::Socket(socket.into())
                }
                Asked::Connected => At::Node(target.node_id.clone()),
            };
            Ok(Place { at, authorization })
        })
        .await
    }

    /// Asks for what a workload has written.
    pub(crate) async fn logs(
        &self,
        target: &Target,
        query: LogsQuery,
    ) -> Result<(Response<Incoming>, Option<Lease>), UpstreamError> {
        let tail = query
            .tail
            .map(|tail| format!("&tail={tail}"))
            .unwrap_or_default();
        let what = format!("logs?follow={}{tail}", query.follow);
        let (answer, asked) = in_time(self.ask(target, &what)).await?;
        Ok((answer, asked.lease()))
    }

    /// Asks what is measured of a workload: its signs, its usage.
    pub(crate) async fn measured(
        &self,
        target: &Target,
        what: &str,
    ) -> Result<Bytes, UpstreamError> {
        in_time(async {
            let (answer, asked) = self.ask(target, what).await?;
            let body = short_body(answer).await?;
            if let Asked::Here(lease) = asked {
                lease.give_back();
            }
            Ok(body)
        })
        .await
    }

    /// Has a command run inside a workload (`exec`), or a visitor by ssh let in (`ssh`); records go in by `body` and come by the answer's, at the same time.
    pub(crate) async fn exec(
        &self,
        target: &Target,
        what: &str,
        body: Body,
    ) -> Result<(Response<Incoming>, Option<Lease>), UpstreamError> {
        let path = format!(
            "/v1/workloads/{}/{}/{what}",
            one_name(&target.workload_id)?,
            target.generation
        );
        let (answer, asked) = self.send(target, Method::POST, path, body).await?;
        Ok((answer, asked.lease()))
    }

    /// Where the relay of a node's agent is, when the agent is on this host.
    pub(crate) fn socket(&self, node: &str) -> Result<Arc<Path>, UpstreamError> {
        let node = one_name(node)?;
        Ok(self.folder.join(format!("{node}.sock")).into())
    }

    /// The connection of a node's agent.
    pub(crate) async fn relay(&self, node: &str) -> Result<Relay, UpstreamError> {
        let relay = self.relays.of(node).await;
        relay.ok_or_else(|| UpstreamError::NoAgent(node.to_owned()))
    }

    /// Asks for files of a notebook to be listed (GET), packed (POST), unpacked (PUT) or removed (DELETE); an answer may take as long as they do.
    pub(crate) async fn files(
        &self,
        target: &Target,
        method: Method,
        place: &str,
        body: Body,
    ) -> Result<(Response<Incoming>, Option<Lease>), UpstreamError> {
        let path = format!("/v1/volumes/{}/files?{place}", one_name(&target.volume_id)?);
        let (answer, asked) = self.send(target, method, path, body).await?;
        Ok((answer, asked.lease()))
    }

    async fn ask(
        &self,
        target: &Target,
        what: &str,
    ) -> Result<(Response<Incoming>, Asked), UpstreamError> {
        let path = format!(
            "/v1/workloads/{}/{}/{what}",
            one_name(&target.workload_id)?,
            target.generation
        );
        self.send(target, Method::GET, path, full(Bytes::new()))
            .await
    }

    async fn send(
        &self,
        target: &Target,
        method: Method,
        path: String,
        body: Body,
    ) -> Result<(Response<Incoming>, Asked), UpstreamError> {
        let node = &target.node_id;
        let socket = Way::Socket(self.socket(node)?);
        let (answer, asked) = match self.pool.connect(&socket).await {
            Ok(mut lease) => {
                let request = question(method, path, body)?;
                let answer = lease.send(request).await.map_err(|failed| failed.error)?;
                (answer, Asked::Here(lease))
            }
            Err(UpstreamError::Connect { .. }) => {
                let relay = self.relay(node).await?;
                let request = question(method, format!("http://relay{path}"), body)?;
                (relay.send(request).await?, Asked::Connected)
            }
            Err(error) => return Err(error),
        };
        accepted(answer).await.map(|answer| (answer, asked))
    }
}

fn question(method: Method, uri: String, body: Body) -> Result<Request<Body>, UpstreamError> {
    Request::builder()
        .method(method)
        .uri(uri)
        .header(HOST, "relay")
        .body(body)
        .map_err(|error| UpstreamError::BadAnswer(error.to_string()))
}

/// The answer, unless it is a refusal.
pub(super) async fn accepted(
    answer: Response<Incoming>,
) -> Result<Response<Incoming>, UpstreamError> {
    match answer.status() {
        StatusCode::OK => Ok(answer),
        StatusCode::NOT_FOUND => Err(UpstreamError::NotThere(refusal(answer).await)),
        StatusCode::BAD_REQUEST | StatusCode::PRECONDITION_FAILED => {
            Err(UpstreamError::Refused(refusal(answer).await))
        }
        StatusCode::BAD_GATEWAY => Err(UpstreamError::Silent(refusal(answer).await)),
        StatusCode::TOO_MANY_REQUESTS => Err(UpstreamError::Busy(refusal(answer).await)),
        other => Err(UpstreamError::BadAnswer(format!(
            "{other}: {}",
            refusal(answer).await
        ))),
    }
}

pub(super) async fn in_time<T>(
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

fn place(answer: &[u8]) -> Result<(PathBuf, HeaderValue), UpstreamError> {
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
    Ok((answer.socket, authorization))
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
        let (socket, authorization) = &good;
        assert_eq!(
            (socket.as_path(), authorization.as_bytes()),
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
