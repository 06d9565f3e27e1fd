//! HTTP/1.1 connections, kept for the next request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use tokio::time::Instant;

use super::UpstreamError;
use super::way::Way;
use crate::body::Body;

/// Unused connections kept for one way.
const KEPT: usize = 64;
/// How long one is kept: less than any server closes it after.
const KEPT_FOR: Duration = Duration::from_secs(30);
/// Connections that wait for their next request.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    unused: Mutex<HashMap<Way, Vec<Unused>>>,
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
    way: Way,
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
    /// A connection by `way`, kept or new.
    pub(crate) async fn connect(self: &Arc<Self>, way: &Way) -> Result<Lease, UpstreamError> {
        let sender = match self.take(way) {
            Some(sender) => sender,
            None => way.open().await?,
        };
        Ok(Lease {
            sender,
            way: way.clone(),
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
    fn take(&self, way: &Way) -> Option<SendRequest<Body>> {
        let mut unused = self.lock();
        let kept = unused.get_mut(way)?;
        kept.retain(Unused::is_good);
        let ready = kept.iter().rposition(|unused| unused.sender.is_ready())?;
        Some(kept.remove(ready).sender)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Way, Vec<Unused>>> {
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
                error: self.way.broken(failed.into_error()),
            })
    }

    /// The answer has come to its end: the next request may have the connection.
    pub(crate) fn give_back(self) {
        let mut unused = self.pool.lock();
        let kept = unused.entry(self.way).or_default();
        if kept.len() < KEPT && !self.sender.is_closed() {
            kept.push(Unused {
                sender: self.sender,
                since: Instant::now(),
            });
        }
    }
}
