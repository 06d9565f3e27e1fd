//! Taking connections in, each with its limits, and letting them go at the end.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use chassis::Result;
use chassis::grpc::{Connection, Listener};
use chassis::tasks::GRACE;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::pulse::{Overstayed, Pulse};
use super::{Door, Sender};
use crate::answer;
use crate::body::{Body, Holding};
use crate::config::Limits;
use crate::domain::headers;
use crate::metrics::Metrics;
use crate::refusal::Refusal;
use crate::watched::Watched;

/// At a stop, WebSockets stay so long for what is on its way.
const PART: Duration = Duration::from_secs(2);
/// At a stop, requests have so long to end: less than the program has.
const DRAIN: Duration = GRACE.saturating_sub(Duration::from_secs(2));
/// A connection that was asked to end has so long for it when nothing is being answered.
const CLOSE: Duration = Duration::from_secs(2);
/// Connections over the limit that are told so at once; more are closed without a word.
const REFUSED_AT_ONCE: usize = 128;
/// Time that it takes at most to tell them.
const REFUSE: Duration = Duration::from_secs(5);
/// Pause after the system would not give a connection, such as when all file descriptors are in use.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// Requests at once on one HTTP/2 connection.
const STREAMS: u32 = 128;

/// A connection's place among all.
#[derive(Debug)]
pub(super) struct Slot {
    _permit: OwnedSemaphorePermit,
    metrics: Arc<Metrics>,
}

impl Slot {
    fn new(permit: OwnedSemaphorePermit, metrics: Arc<Metrics>) -> Arc<Self> {
        metrics.connections.add(1, &[]);
        Arc::new(Self {
            _permit: permit,
            metrics,
        })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.metrics.connections.add(-1, &[]);
    }
}

/// Takes connections in until `cancel`; then waits for what is open, at most [`DRAIN`].
pub(crate) async fn serve(
    door: Arc<Door>,
    mut listener: Listener,
    cancel: CancellationToken,
) -> Result<()> {
    let slots = Arc::new(Semaphore::new(
        usize::try_from(door.config.limits.connections).unwrap_or(Semaphore::MAX_PERMITS),
    ));
    let refusals = Arc::new(Semaphore::new(REFUSED_AT_ONCE));
    let abort = CancellationToken::new();
    loop {
        let accepted = tokio::select! {
            () = cancel.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, "taking a connection in");
                tokio::time::sleep(ACCEPT_AGAIN).await;
                continue;
            }
        };
        if let Ok(permit) = slots.clone().try_acquire_owned() {
            let slot = Slot::new(permit, door.metrics.clone());
            let connection = door.clone().converse(stream, slot, cancel.clone());
            door.open
                .spawn(abort.clone().run_until_cancelled_owned(connection));
        } else {
            door.metrics.limit("connections");
            if let Ok(permit) = refusals.clone().try_acquire_owned() {
                door.open.spawn(refuse(stream, permit));
            }
        }
    }
    drop(listener);
    door.drain(&abort).await;
    Ok(())
}

impl Door {
    /// Answers the requests of one connection.
    async fn converse(
        self: Arc<Self>,
        stream: Connection,
        slot: Arc<Slot>,
        cancel: CancellationToken,
    ) {
        let pulse = Arc::new(Pulse::default());
        let sender = Sender {
            peer: stream
                .peer()
                .map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.ip()),
            slot,
        };
        let limits = self.config.limits.clone();
        let service = service_fn(|request: Request<Incoming>| {
            let (door, sender, answering) = (self.clone(), sender.clone(), pulse.begin());
            async move {
                let response = door.answer(request, &sender).await;
                Ok::<_, Infallible>(response.map(|body| Holding::new(body, answering)))
            }
        });
        let reading = pulse.clone();
        let stream = Watched::new(stream, move |bytes: &[u8]| {
            if !bytes.is_empty() {
                reading.read()
            }
        });
        let protocol = protocol(&limits);
        let mut connection =
            pin!(protocol.serve_connection_with_upgrades(TokioIo::new(stream), service));
        tokio::select! {
            ended = connection.as_mut() => return self.ended(ended),
            overstayed = pulse.overstayed(limits.header_time(), limits.idle_time()) => self.overstayed(overstayed),
            () = cancel.cancelled() => {}
        }
        connection.as_mut().graceful_shutdown();
        let patience = async {
            pulse.quiet().await;
            tokio::time::sleep(CLOSE).await;
        };
        tokio::select! {
            ended = connection => self.ended(ended),
            () = patience => {}
        }
    }

    fn ended(&self, ended: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
        let Err(error) = ended else { return };
        let too_large = |error: &hyper::Error| error.is_parse_too_large();
        if error.downcast_ref().is_some_and(too_large) {
            self.metrics.limit("header_bytes");
        }
        tracing::debug!(error = chassis::error::chain(&*error), "a connection broke");
    }

    fn overstayed(&self, overstayed: Overstayed) {
        self.metrics.limit(match overstayed {
            Overstayed::Head => "header_seconds",
            Overstayed::Idle => "idle_seconds",
        });
    }

    async fn drain(&self, abort: &CancellationToken) {
        self.open.close();
        let part = async {
            tokio::time::sleep(PART).await;
            self.part.cancel();
            tokio::time::sleep(DRAIN.saturating_sub(PART)).await;
        };
        tokio::select! {
            () = self.open.wait() => return,
            () = part => {}
        }
        tracing::warn!(
            open = self.open.len(),
            "connections did not end in time and are cut"
        );
        abort.cancel();
        self.open.wait().await;
    }
}

fn protocol(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut protocol = auto::Builder::new(TokioExecutor::new());
    // The time for heads is kept by the pulse, which also covers the first bytes and HTTP/2.
    protocol
        .http1()
        .max_buf_size(usize::try_from(limits.header_bytes).unwrap_or(usize::MAX))
        .header_read_timeout(None);
    protocol
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(limits.header_bytes)
        .max_concurrent_streams(STREAMS);
    protocol
}

/// Tells a connection that there are too many.
async fn refuse(stream: Connection, _permit: OwnedSemaphorePermit) {
    let service = service_fn(|request: Request<Incoming>| async move {
        let html = headers::wants_html(request.headers());
        let mut response: Response<Body> = answer::refuse(&Refusal::DoorFull, html);
        response.headers_mut().insert(
            http::header::CONNECTION,
            http::HeaderValue::from_static("close"),
        );
        Ok::<_, Infallible>(response)
    });
    let protocol = protocol(&Limits::default());
    let connection = protocol.serve_connection(TokioIo::new(stream), service);
    tokio::time::timeout(REFUSE, connection).await.ok();
}
