//! The relay for edges on other hosts: HTTP/2 on a connection that this agent has dialled. From then on the roles turn: the edge
//! asks, the agent answers.

use std::convert::Infallible;
use std::time::Duration;

use axum::http::{Method, Request};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use super::Relay;

/// Streams at once, of all workloads together.
const STREAMS: u32 = 2_048;
/// Bytes of one stream that may be on their way to here, not read yet: 100 MB/s where an answer takes 5 ms.
const WINDOW: u32 = 512 << 10;
/// The same of all streams together: those that nobody reads cannot hold up the others.
const WINDOWS: u32 = STREAMS * WINDOW;
/// An edge is asked so often whether it is there.
const PING: Duration = Duration::from_secs(5);
/// An edge that has not answered for so long is gone.
const PONG: Duration = Duration::from_secs(10);

impl Relay {
    /// Answers the edge at the other end of `connection` until it goes.
    ///
    /// # Errors
    /// When the connection breaks.
    pub(super) async fn answer(
        self,
        connection: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> hyper::Result<()> {
        let gone = CancellationToken::new();
        let _streams_end_with_this = gone.clone().drop_guard();
        let questions = TowerToHyperService::new(self.clone().questions());
        let service = service_fn(move |request: Request<Incoming>| {
            let (relay, questions, gone) = (self.clone(), questions.clone(), gone.clone());
            async move {
                match *request.method() {
                    Method::CONNECT => Ok::<_, Infallible>(relay.connect(request, gone).await),
                    _ => questions.call(request).await,
                }
            }
        });
        http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING)
            .keep_alive_timeout(PONG)
            .max_concurrent_streams(STREAMS)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOWS)
            .serve_connection(TokioIo::new(connection), service)
            .await
    }
}
