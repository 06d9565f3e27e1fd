//! Ways to servers that speak HTTP/1.1: to workloads, and to the agents of this host.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use bus::Target;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;

use super::UpstreamError;
use super::relays::Relay;
use crate::body::Body;

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

/// Where a connection leads, and over what.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Way {
    /// A socket of this host.
    Socket(Arc<Path>),
    /// A stream of an agent's connection, to a workload.
    Stream(Relay, Attempt),
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => path.display().fmt(f),
            Self::Stream(relay, attempt) => {
                let Attempt {
                    workload,
                    generation,
                } = attempt;
                write!(f, "{workload}/{generation} of {}", relay.node())
            }
        }
    }
}

impl Way {
    /// A new connection.
    pub(super) async fn open(&self) -> Result<SendRequest<Body>, UpstreamError> {
        // The connection ends with its sender or its peer, whichever is first; what goes wrong is told to the request that it goes
        // wrong for.
        let opened = match self {
            Self::Socket(path) => {
                let stream = chassis::socket::connect(path).await;
                let stream = stream.map_err(|cause| UpstreamError::Connect {
                    to: self.to_string(),
                    cause,
                })?;
                handshake(TokioIo::new(stream))
                    .await
                    .map(|(sender, connection)| {
                        tokio::spawn(connection.with_upgrades());
                        sender
                    })
            }
            Self::Stream(relay, attempt) => {
                let (stream, open) = relay.connect(attempt).await?;
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

    /// What is wrong when the connection broke.
    pub(super) fn broken(&self, cause: hyper::Error) -> UpstreamError {
        UpstreamError::Broken {
            to: self.to_string(),
            cause,
        }
    }
}
