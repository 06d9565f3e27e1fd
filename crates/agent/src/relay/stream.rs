//! A stream from an edge to a workload: CONNECT (RFC 9113, section 8.5) to `workload:generation`, as others would connect to
//! `host:port`.

use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use axum::http::uri::Uri;
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse as _, Response};
use chassis::Error;
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, on as upgrade_of};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader, copy_buf};
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{Relay, not_here, refuse};

/// Bytes on their way in each direction.
const BUFFER: usize = 32 << 10;
/// How long one end stays after the other has gone: neither may hold the stream for ever.
const LINGER: Duration = Duration::from_secs(5);

impl Relay {
    /// Connects an edge to a workload that runs here. The stream ends with one of its ends, or when `gone` is cancelled.
    pub(super) async fn connect(
        &self,
        mut request: Request<Incoming>,
        gone: CancellationToken,
    ) -> Response {
        let Some((workload, generation)) = attempt(request.uri()) else {
            let problem = "is not workload:generation; name one that runs here";
            return refuse(
                StatusCode::BAD_REQUEST,
                &Error::invalid("authority", problem),
            );
        };
        let Some((_, socket)) = self.find(&workload, generation) else {
            return not_here(&workload, generation);
        };
        match dial(&socket).await {
            Ok(server) => {
                let edge = upgrade_of(&mut request);
                let span = tracing::debug_span!("stream", workload, generation);
                let open = self.metrics.stream();
                let joined = async move {
                    gone.run_until_cancelled(join(edge, server)).await;
                    drop(open);
                };
                tokio::spawn(joined.instrument(span));
                StatusCode::OK.into_response()
            }
            Err(error) => refuse(StatusCode::BAD_GATEWAY, &error),
        }
    }
}

async fn dial(socket: &Path) -> Result<UnixStream, Error> {
    chassis::socket::connect(socket).await.map_err(|error| {
        Error::Unavailable(format!("the workload's server does not answer: {error}"))
    })
}

/// Which attempt is asked for.
fn attempt(uri: &Uri) -> Option<(String, u64)> {
    let (workload, generation) = uri.authority()?.as_str().rsplit_once(':')?;
    Some((workload.to_owned(), generation.parse().ok()?))
}

/// Lets bytes through until an end goes.
async fn join(edge: OnUpgrade, server: UnixStream) {
    let edge = match edge.await {
        Ok(edge) => TokioIo::new(edge),
        Err(error) => return tracing::debug!(%error, "a stream was not taken up"),
    };
    let (from_edge, to_edge) = tokio::io::split(edge);
    let (from_server, to_server) = server.into_split();
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
            attempt(
                &Uri::builder()
                    .authority(authority)
                    .build()
                    .unwrap_or_default(),
            )
        };
        assert_eq!(read("wo-1a:7"), Some(("wo-1a".to_owned(), 7)));
        assert_eq!(
            read("wo-1a:18446744073709551615"),
            Some(("wo-1a".to_owned(), u64::MAX))
        );
        for wrong in ["wo-1a", "wo-1a:", "wo-1a:x", "wo-1a:18446744073709551616"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
