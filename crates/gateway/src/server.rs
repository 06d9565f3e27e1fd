//! Connections: HTTP/1.1 and HTTP/2 (with prior knowledge, or chosen by ALPN where there is TLS) on one listener, bounded in number, size and patience.

use std::future::pending;
use std::time::Duration;

use chassis::grpc::{Connection, Listener};
use chassis::tasks::GRACE;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::Limits;
use crate::door::Door;

/// A connection that asks nothing for so long is ended: before its first request, and on HTTP/1.1 between requests.
const PATIENCE: Duration = Duration::from_secs(30);
/// A peer that does not answer a ping for so long is gone.
const PING: Duration = Duration::from_secs(20);
/// Most headers of one request.
const MOST_HEADERS: usize = 100;
/// A stop waits so long for what is in flight, a little less than the program as a whole.
const DRAIN: Duration = GRACE.saturating_sub(Duration::from_secs(1));
/// Pause after the system refused a connection, for example because too many files are open.
const REFUSED: Duration = Duration::from_millis(100);

fn http(limits: &Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_headers(MOST_HEADERS)
        .max_buf_size(usize::try_from(limits.header_bytes).unwrap_or(usize::MAX));
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .max_concurrent_streams(limits.calls_per_connection)
        .max_header_list_size(limits.header_bytes);
    builder
}

/// Answers connections until `cancel`, then lets what is in flight end.
pub(crate) async fn serve(
    mut listener: Listener,
    door: Door,
    limits: &Limits,
    cancel: CancellationToken,
) {
    let builder = http(limits);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = cancel.cancelled() => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept(), if connections.len() < limits.connections => accepted,
        };
        match accepted {
            Ok(io) => {
                connections.spawn(answer(
                    builder.clone(),
                    io,
                    door.for_connection(),
                    cancel.clone(),
                ));
            }
            Err(error) => {
                tracing::warn!(%error, "accepting a connection");
                tokio::time::sleep(REFUSED).await;
            }
        }
    }
    drop(listener);
    let drained = tokio::time::timeout(DRAIN, async {
        while connections.join_next().await.is_some() {}
    });
    if drained.await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "ending connections that are still busy"
        );
        connections.shutdown().await;
    }
}

async fn answer(
    builder: Builder<TokioExecutor>,
    io: Connection,
    door: Door,
    cancel: CancellationToken,
) {
    let spoke = CancellationToken::new();
    let said = spoke.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        said.cancel();
        door.clone().answer(request)
    });
    let connection = builder.serve_connection(TokioIo::new(io), service);
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = silence(spoke) => return,
        () = cancel.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    // A connection that breaks has nobody left to tell.
    connection.await.ok();
}

/// Ends when nothing was asked in time; never when something was.
async fn silence(spoke: CancellationToken) {
    if tokio::time::timeout(PATIENCE, spoke.cancelled())
        .await
        .is_ok()
    {
        pending::<()>().await;
    }
}
