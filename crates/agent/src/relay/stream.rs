//! A stream from an edge to a workload: CONNECT (RFC 9113, section 8.5) to `workload:generation`, as others would connect to
//! `host:port`, or to `port.workload:generation` for another port of it. An edge on this host, which goes to the workload's own
//! socket itself, gets the stream to another port as an upgrade of `GET …/ports/{port}` (RFC 9110, section 7.8).

use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use axum::extract::{Path as Segments, State};
use axum::http::uri::Uri;
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use chassis::Error;
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, on as upgrade_of};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader, copy_buf};
use tokio::net::{TcpStream, UnixStream};
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{Relay, not_here, refusal, refuse};

/// Bytes on their way in each direction.
const BUFFER: usize = 32 << 10;
/// What a connection of an edge on this host becomes: bytes, as they are.
const PROTOCOL: &str = "quire-stream";
/// How long one end stays after the other has gone: neither may hold the stream for ever.
const LINGER: Duration = Duration::from_secs(5);

impl Relay {
    /// Connects an edge to a workload that runs here. The stream ends with one of its ends, or when `gone` is cancelled.
    pub(super) async fn connect(
        &self,
        mut request: Request<Incoming>,
        gone: CancellationToken,
    ) -> Response {
        let Some(end) = End::read(request.uri()) else {
            let problem = "is not workload:generation; name one that runs here";
            return refuse(
                StatusCode::BAD_REQUEST,
                &Error::invalid("authority", problem),
            );
        };
        match self.stream(&end, upgrade_of(&mut request), gone).await {
            Ok(()) => StatusCode::OK.into_response(),
            Err(refused) => refused,
        }
    }

    /// Connects what an edge's request becomes with an end here.
    async fn stream(
        &self,
        end: &End,
        edge: OnUpgrade,
        gone: CancellationToken,
    ) -> Result<(), Response> {
        let (workload, generation) = (end.workload.as_str(), end.generation);
        let found = self.find(workload, generation);
        let (entry, socket) = found.ok_or_else(|| not_here(workload, generation))?;
        let server = match end.port {
            None => dial(&socket).await.map(Either::Left),
            Some(port) => self.runtime.port(&entry.job, port).await.map(Either::Right),
        };
        let server: Server = server.map_err(|error| match error {
            Error::Unavailable(_) => refuse(StatusCode::BAD_GATEWAY, &error),
            error => refusal(&error),
        })?;
        let span = tracing::debug_span!("stream", workload, generation, port = end.port);
        let open = self.metrics.stream();
        let joined = async move {
            gone.run_until_cancelled(join(edge, server)).await;
            drop(open);
        };
        tokio::spawn(joined.instrument(span));
        Ok(())
    }
}

/// The workload's end of a stream.
type Server = Either<UnixStream, TcpStream>;

/// Turns a connection of an edge on this host into a stream to another port of a workload.
pub(super) async fn to_port(
    State(relay): State<Relay>,
    Segments((workload, generation, port)): Segments<(String, u64, u16)>,
    mut request: axum::extract::Request,
) -> Response {
    let wanted = request.headers().get(header::UPGRADE);
    if wanted.is_none_or(|protocol| protocol != PROTOCOL) {
        let problem = format!("is not {PROTOCOL}, to which this connection can change");
        return refuse(
            StatusCode::UPGRADE_REQUIRED,
            &Error::invalid("upgrade", problem),
        );
    }
    let end = End {
        port: Some(port),
        workload,
        generation,
    };
    let edge = upgrade_of(&mut request);
    match relay.stream(&end, edge, CancellationToken::new()).await {
        Ok(()) => {
            let changes = [
                (header::CONNECTION, HeaderValue::from_static("upgrade")),
                (header::UPGRADE, HeaderValue::from_static(PROTOCOL)),
            ];
            (StatusCode::SWITCHING_PROTOCOLS, changes).into_response()
        }
        Err(refused) => refused,
    }
}

async fn dial(socket: &Path) -> Result<UnixStream, Error> {
    chassis::socket::connect(socket).await.map_err(|error| {
        Error::Unavailable(format!("the workload's server does not answer: {error}"))
    })
}

/// Where a stream is to end.
#[derive(Clone, Debug, PartialEq, Eq)]
struct End {
    /// `None` = the workload's own socket.
    port: Option<u16>,
    workload: String,
    generation: u64,
}

impl End {
    fn read(uri: &Uri) -> Option<Self> {
        let (host, generation) = uri.authority()?.as_str().rsplit_once(':')?;
        let (port, workload) = match host.split_once('.') {
            Some((port, workload)) => (Some(port.parse().ok()?), workload),
            None => (None, host),
        };
        Some(Self {
            port,
            workload: workload.to_owned(),
            generation: generation.parse().ok()?,
        })
    }
}

/// Lets bytes through until an end goes.
async fn join(edge: OnUpgrade, server: Server) {
    let edge = match edge.await {
        Ok(edge) => TokioIo::new(edge),
        Err(error) => return tracing::debug!(%error, "a stream was not taken up"),
    };
    let (from_edge, to_edge) = tokio::io::split(edge);
    let (from_server, to_server) = tokio::io::split(server);
    let mut inwards = pin!(pass(from_edge, to_server));
    let mut outwards = pin!(pass(from_server, to_edge));
    let cut = tokio::select! {
        () = &mut inwards => tokio::time::timeout(LINGER, outwards).await,
        () = &mut outwards => tokio::time::timeout(LINGER, inwards).await,
    };
    if cut.is_err() {
        tracing::debug!("one end of a stream stayed after the other, and was cut off");
    }
}

/// Passes all that comes on, then its end. That an end broke off is no more than that it ended.
async fn pass(from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
    let mut from = BufReader::with_capacity(BUFFER, from);
    if copy_buf(&mut from, &mut to).await.is_ok() {
        to.shutdown().await.ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_is_named_as_a_host_and_its_port() {
        let read = |authority: &str| {
            let uri = Uri::builder().authority(authority).build();
            End::read(&uri.unwrap_or_default())
        };
        let end = |port, generation| {
            Some(End {
                port,
                workload: "wo-1a".to_owned(),
                generation,
            })
        };
        assert_eq!(read("wo-1a:7"), end(None, 7));
        assert_eq!(read("wo-1a:18446744073709551615"), end(None, u64::MAX));
        assert_eq!(read("8080.wo-1a:7"), end(Some(8080), 7));
        for wrong in [
            "wo-1a",
            "wo-1a:",
            "wo-1a:x",
            "wo-1a:18446744073709551616",
            "65536.wo-1a:7",
            "x.wo-1a:7",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
