//! Ways to servers that speak HTTP/1.1: to workloads and to other ports of theirs, and to the agents of this host.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use bus::Target;
use bytes::Bytes;
use http::header::{CONNECTION, HOST, UPGRADE};
use http::{Request, StatusCode};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::upgrade::{Upgraded, on as upgrade_of};
use hyper_util::rt::TokioIo;

use super::UpstreamError;
use super::agents::{accepted, in_time};
use super::relays::Relay;
use crate::body::{Body, full};

/// What a connection to an agent of this host becomes: bytes, as they are.
const PROTOCOL: &str = "quire-stream";

/// One attempt of a workload.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Attempt {
    pub(super) workload: Arc<str>,
    pub(super) generation: u64,
}

impl Attempt {
    pub(super) fn of(target: &Target) -> Self {
        Self {
            workload: target.workload_id.as_str().into(),
            generation: target.generation,
        }
    }
}

/// Where in a workload a connection ends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct End {
    pub(super) attempt: Attempt,
    /// `None` = its own server.
    pub(super) port: Option<u16>,
}

impl fmt::Display for End {
    /// As a stream to it is asked for: `workload:generation`, `port.workload:generation`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(port) = self.port {
            write!(f, "{port}.")?;
        }
        write!(f, "{}:{}", self.attempt.workload, self.attempt.generation)
    }
}

/// Where a connection leads, and over what.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Way {
    /// A socket of this host.
    Socket(Arc<Path>),
    /// A port of a workload on this host, by way of its agent, which listens on this socket.
    Port(Arc<Path>, Attempt, u16),
    /// A stream of an agent's connection, to a workload.
    Stream(Relay, End),
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => path.display().fmt(f),
            Self::Port(_, attempt, port) => {
                write!(f, "port {port} of {}", attempt.workload)
            }
            Self::Stream(relay, end) => write!(f, "{end} of {}", relay.node()),
        }
    }
}

impl Way {
    /// A new connection.
    pub(super) async fn open(&self) -> Result<SendRequest<Body>, UpstreamError> {
        // The connection ends with its sender or its peer, whichever is first; what goes wrong is told to the request that it goes
        // wrong for.
        let opened = match self {
            Self::Socket(path) => return self.to_socket(path).await,
            Self::Port(agent, attempt, port) => {
                let stream = self.to_port(agent, attempt, *port).await?;
                handshake(stream).await.map(|(sender, connection)| {
                    tokio::spawn(connection.with_upgrades());
                    sender
                })
            }
            Self::Stream(relay, end) => {
                let (stream, open) = relay.connect(end).await?;
                handshake(stream).await.map(|(sender, connection)| {
                    tokio::spawn(async move {
                        connection.with_upgrades().await.ok();
                        drop(open);
                    });
                    sender
                })
            }
        };
        opened.map_err(|cause| self.broken(cause))
    }

    async fn to_socket(&self, path: &Path) -> Result<SendRequest<Body>, UpstreamError> {
        let stream = chassis::socket::connect(path).await;
        let stream = stream.map_err(|cause| UpstreamError::Connect {
            to: self.to_string(),
            cause,
        })?;
        let connected = handshake(TokioIo::new(stream)).await;
        let (sender, connection) = connected.map_err(|cause| self.broken(cause))?;
        tokio::spawn(connection.with_upgrades());
        Ok(sender)
    }

    /// A connection to the agent that has become one to a port of a workload.
    async fn to_port(
        &self,
        agent: &Path,
        attempt: &Attempt,
        port: u16,
    ) -> Result<Upgraded, UpstreamError> {
        let bad = |error: &dyn fmt::Display| UpstreamError::BadAnswer(error.to_string());
        let (workload, generation) = (&attempt.workload, attempt.generation);
        let request = Request::get(format!(
            "/v1/workloads/{workload}/{generation}/ports/{port}"
        ))
        .header(HOST, "relay")
        .header(CONNECTION, "upgrade")
        .header(UPGRADE, PROTOCOL)
        .body(full(Bytes::new()))
        .map_err(|error| bad(&error))?;
        let mut sender = self.to_socket(agent).await?;
        in_time(async {
            let answer = sender.send_request(request).await;
            let answer = answer.map_err(|cause| self.broken(cause))?;
            if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
                accepted(answer).await?;
                return Err(bad(&"it did not change the protocol"));
            }
            upgrade_of(answer).await.map_err(|cause| self.broken(cause))
        })
        .await
    }

    /// What is wrong when the connection broke.
    pub(super) fn broken(&self, cause: hyper::Error) -> UpstreamError {
        UpstreamError::Broken {
            to: self.to_string(),
            cause,
        }
    }
}
