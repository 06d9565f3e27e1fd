//! HTTP/1.1 connections to unix sockets, kept for the next request.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::time::Instant;

use super::UpstreamError;
use crate::body::Body;

/// Unused connections kept for one socket.
const KEPT: usize = 64;
/// How long one is kept: less than any server closes it after.
const KEPT_FOR: Duration = Duration::from_secs(30);
/// How long a server whose queue is full is tried.
const CONNECT: Duration = Duration::from_secs(5);
/// Pause between these tries.
const RETRY: Duration = Duration::from_millis(5);

/// Connections that wait for their next request.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    unused: Mutex<HashMap<Arc<Path>, Vec<Unused>>>,
}

#[derive(Debug)]
struct Unused {
    sender: SendRequest<Body>,
    since: Instant,
}

/// A connection for one request.
#[derive(Debug)]
pub(crate) struct Lease {
    sender: SendRequest<Body>,
    socket: Arc<Path>,
    pool: Arc<Pool>,
}

/// A request has no answer.
#[derive(Debug)]
pub(crate) struct SendError {
    /// Why.
    pub(crate) error: UpstreamError,
    /// The request, when not a byte of it was sent.
    pub(crate) unsent: Option<Request<Body>>,
}

impl Pool {
    /// A connection to `socket`, kept or new.
    pub(crate) async fn connect(
        self: &Arc<Self>,
        socket: &Arc<Path>,
    ) -> Result<Lease, UpstreamError> {
        let sender = match self.take(socket) {
            Some(sender) => sender,
            None => open(socket).await?,
        };
        Ok(Lease {
            sender,
            socket: socket.clone(),
            pool: self.clone(),
        })
    }

    /// Closes what was not used for a while.
    pub(crate) fn close_unused(&self) {
        self.lock().retain(|_, kept| {
            kept.retain(Unused::is_good);
            !kept.is_empty()
        });
    }

    /// The connection that was used last of those that are ready: a moment after an answer's end, one is not yet.
    fn take(&self, socket: &Arc<Path>) -> Option<SendRequest<Body>> {
        let mut unused = self.lock();
        let kept = unused.get_mut(socket)?;
        kept.retain(Unused::is_good);
        let ready = kept.iter().rposition(|unused| unused.sender.is_ready())?;
        Some(kept.remove(ready).sender)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<Path>, Vec<Unused>>> {
        self.unused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Unused {
    fn is_good(&self) -> bool {
        !self.sender.is_closed() && self.since.elapsed() < KEPT_FOR
    }
}

impl Lease {
    /// Sends the one request.
    ///
    /// # Errors
    /// With the request itself, when it may be sent on another connection.
    pub(crate) async fn send(
        &mut self,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, SendError> {
        self.sender
            .try_send_request(request)
            .await
            .map_err(|mut failed| SendError {
                unsent: failed.take_message(),
                error: broken(&self.socket, failed.into_error()),
            })
    }

    /// The answer has come to its end: the next request may have the connection.
    pub(crate) fn give_back(self) {
        let mut unused = self.pool.lock();
        let kept = unused.entry(self.socket).or_default();
        if kept.len() < KEPT && !self.sender.is_closed() {
            kept.push(Unused {
                sender: self.sender,
                since: Instant::now(),
            });
        }
    }
}

async fn open(socket: &Path) -> Result<SendRequest<Body>, UpstreamError> {
    let stream = dial(socket).await.map_err(|cause| UpstreamError::Connect {
        socket: socket.display().to_string(),
        cause,
    })?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|cause| broken(socket, cause))?;
    // Ends with its sender or its peer, whichever is first; what goes wrong is told to the request that it goes wrong for.
    tokio::spawn(connection.with_upgrades());
    Ok(sender)
}

/// A unix socket refuses at once when its server's queue is full, where TCP would wait.
async fn dial(socket: &Path) -> io::Result<UnixStream> {
    let began = Instant::now();
    loop {
        match UnixStream::connect(socket).await {
            Err(full) if full.kind() == io::ErrorKind::WouldBlock && began.elapsed() < CONNECT => {
                tokio::time::sleep(RETRY).await;
            }
            settled => return settled,
        }
    }
}

fn broken(socket: &Path, cause: hyper::Error) -> UpstreamError {
    UpstreamError::Broken {
        socket: socket.display().to_string(),
        cause,
    }
}
