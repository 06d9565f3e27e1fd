//! Connections of agents on other hosts: each node's agent dials this edge and keeps one. After the handshake this edge asks and
//! the agent answers, by HTTP/2. A node's newest connection is the one; what goes on over an older one may end there.

mod listener;

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper::upgrade::{Upgraded, on as upgrade_of};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::Instant;

use super::agents::{accepted, in_time};
use super::{End, UpstreamError};
use crate::body::{Body, full};
use crate::metrics::{Metrics, Open};
pub(crate) use listener::RelayListener;

/// Bytes of one stream that may be on their way to here, not read yet: 100 MB/s where an answer takes 5 ms.
const WINDOW: u32 = 512 << 10;
/// The same of all streams of a connection together: as many as an agent takes, so that those that no visitor reads cannot hold
/// up the others.
const WINDOWS: u32 = 2_048 * WINDOW;
/// An agent is asked so often whether it is there.
const PING: Duration = Duration::from_secs(5);
/// An agent that has not answered for so long is gone.
const PONG: Duration = Duration::from_secs(10);
/// Requests wait so long for the connection of an agent that lost it, or may not have it yet because this edge has just begun.
const AWAITED: Duration = Duration::from_secs(5);

/// The newest connection of each node.
#[derive(Debug)]
pub(crate) struct Relays {
    nodes: Mutex<HashMap<String, Node>>,
    changes: watch::Sender<()>,
    numbers: AtomicU64,
    /// Whether nodes connect here at all, and since when they may.
    since: Option<Instant>,
    metrics: Arc<Metrics>,
}

/// What is known of a node.
#[derive(Debug)]
enum Node {
    Connected(Relay),
    LostAt(Instant),
}

/// A connection of an agent; the same as another when it is the same connection.
#[derive(Clone, Debug)]
pub(crate) struct Relay {
    node: Arc<str>,
    number: u64,
    sender: http2::SendRequest<Body>,
    metrics: Arc<Metrics>,
}

impl PartialEq for Relay {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Relay {}

impl Hash for Relay {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.number.hash(state);
    }
}

impl Relay {
    /// The node that has dialled.
    pub(super) fn node(&self) -> &str {
        &self.node
    }

    /// Sends a request.
    pub(super) async fn send(
        &self,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, UpstreamError> {
        let answer = self.sender.clone().send_request(request).await;
        answer.map_err(|cause| UpstreamError::Broken {
            to: format!("the agent of {}", self.node),
            cause,
        })
    }

    /// A stream to a workload, and what counts it: CONNECT to `workload:generation`, as others would connect to `host:port`.
    pub(super) async fn connect(&self, end: &End) -> Result<(Upgraded, Open), UpstreamError> {
        let bad = |error: &dyn std::fmt::Display| UpstreamError::BadAnswer(error.to_string());
        let uri = Uri::builder().authority(end.to_string()).build();
        let mut request = Request::new(full(Bytes::new()));
        *request.method_mut() = Method::CONNECT;
        *request.uri_mut() = uri.map_err(|error| bad(&error))?;
        in_time(async {
            let answer = accepted(self.send(request).await?).await?;
            let stream = upgrade_of(answer).await.map_err(|error| bad(&error))?;
            Ok((stream, self.metrics.relay_stream()))
        })
        .await
    }
}

impl Relays {
    /// None yet. `awaited`: nodes connect here.
    pub(crate) fn new(awaited: bool, metrics: Arc<Metrics>) -> Self {
        Self {
            nodes: Mutex::default(),
            changes: watch::Sender::new(()),
            numbers: AtomicU64::default(),
            since: awaited.then(Instant::now),
            metrics,
        }
    }

    /// The connection of a node's agent. One that broke or ended just now is waited for: its agent dials again.
    pub(super) async fn of(&self, node: &str) -> Option<Relay> {
        let mut changes = self.changes.subscribe();
        loop {
            let lost_at = match self.lock().get(node) {
                Some(Node::Connected(relay)) if !relay.sender.is_closed() => {
                    return Some(relay.clone());
                }
                Some(Node::Connected(_)) => Instant::now(),
                Some(Node::LostAt(at)) => *at,
                None => self.since?,
            };
            let change = tokio::time::timeout_at(lost_at + AWAITED, changes.changed());
            change.await.ok()?.ok()?;
        }
    }

    /// Takes a connection that the agent of `node` has dialled; gives what runs it until it ends.
    ///
    /// # Errors
    /// When it breaks at once.
    async fn take<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        self: &Arc<Self>,
        node: &str,
        stream: S,
    ) -> hyper::Result<impl Future<Output = ()> + Send + use<S>> {
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING)
            .keep_alive_timeout(PONG)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOWS)
            .handshake(TokioIo::new(stream))
            .await?;
        let relay = Relay {
            node: node.into(),
            number: self.numbers.fetch_add(1, Ordering::Relaxed),
            sender,
            metrics: self.metrics.clone(),
        };
        let (node, number) = (relay.node.clone(), relay.number);
        self.lock().insert(node.to_string(), Node::Connected(relay));
        self.changes.send_replace(());
        let open = self.metrics.relay(&node);
        // Not what keeps the connection: when the door is gone, connections end with it.
        let relays = Arc::downgrade(self);
        Ok(async move {
            let ended = connection.await;
            drop(open);
            if let Err(error) = ended {
                tracing::info!(
                    error = chassis::error::chain(&error),
                    "an agent's connection broke"
                );
            }
            if let Some(relays) = relays.upgrade() {
                relays.lost(&node, number);
            }
        })
    }

    /// A connection has ended.
    fn lost(&self, node: &str, number: u64) {
        let mut nodes = self.lock();
        nodes.retain(|_, node| !matches!(node, Node::LostAt(at) if at.elapsed() > AWAITED));
        if let Some(Node::Connected(relay)) = nodes.get(node)
            && relay.number == number
        {
            nodes.insert(node.to_owned(), Node::LostAt(Instant::now()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Node>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
