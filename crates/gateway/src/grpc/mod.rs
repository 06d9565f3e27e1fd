//! gRPC: calls pass through to the service that their path names. Messages are not decoded; the caller's key becomes a token
//! on the way, trailers and deadlines stay as they are, and what fails here is answered as a proper gRPC status.

mod body;
mod headers;
mod lasting;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use chassis::telemetry::{self, CallMetrics};
use chassis::{Error, Result};
use http::{HeaderMap, HeaderValue, Request, Response, Version};
use hyper::body::{Body as HttpBody, Incoming};
use tokio::sync::Semaphore;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Code, Status};
use tower::{Service as _, ServiceExt as _};
use tracing::Instrument as _;

use self::body::{Answered, Asked};
use crate::keys::KeyRing;
use crate::upstream::{self, Area, Channels, Upstream};

/// Answered by the gateway itself: probes ask about this program, not about one behind it.
const HEALTH: &str = "/grpc.health.v1.Health/";
/// Every service describes all contracts; identity is asked because it is the least busy.
const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/";

/// An answer, and what ends the request that it belongs to.
type Passed = (Response<Body>, Option<DropGuard>);

/// Passes calls through.
#[derive(Clone)]
pub(crate) struct Calls {
    upstream: Upstream,
    channels: Channels,
    keys: KeyRing,
    permits: Arc<Semaphore>,
    lasting: Arc<HashSet<String>>,
    health: Routes,
    metrics: CallMetrics,
    cancel: CancellationToken,
}

/// Whether a call was refused at once by a replica that cannot answer it now.
fn is_unavailable(headers: &HeaderMap) -> bool {
    Status::from_header_map(headers).is_some_and(|status| status.code() == Code::Unavailable)
}

fn stopping() -> Error {
    Error::Unavailable("the gateway is stopping; connect again".to_owned())
}

impl Calls {
    /// At most `most` calls at once; streams end when `cancel` says so.
    ///
    /// # Errors
    /// When the contracts' descriptors cannot be read.
    pub(crate) fn new(
        upstream: Upstream,
        keys: KeyRing,
        most: usize,
        cancel: CancellationToken,
    ) -> Result<Self> {
        let (_, health) = tonic_health::server::health_reporter();
        Ok(Self {
            channels: upstream.channels(),
            upstream,
            keys,
            permits: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))),
            lasting: Arc::new(lasting::streaming_calls()?),
            health: Routes::new(health),
            metrics: CallMetrics::new("gateway"),
            cancel,
        })
    }

    /// The same for one more connection, with channels of its own.
    pub(crate) fn for_connection(&self) -> Self {
        Self {
            channels: self.upstream.channels(),
            ..self.clone()
        }
    }

    /// Answers one call. Failures are answers too.
    pub(crate) async fn answer(self, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let span = tracing::info_span!("call", otel.name = %path, otel.kind = "server");
        telemetry::continue_trace(&span, request.headers());
        let started = Instant::now();
        let answered = self.try_answer(&path, request).instrument(span).await;
        let response = answered.unwrap_or_else(|error| Status::from(error).into_http());
        // Callers choose the path: what no contract has gets one label for all.
        let known = contracts::access_of(&path).map_or("unknown", |access| access.path);
        self.metrics
            .record(known, response.headers(), started.elapsed());
        response
    }

    async fn try_answer(&self, path: &str, request: Request<Incoming>) -> Result<Response<Body>> {
        if request.version() != Version::HTTP_2 {
            return Err(Error::Precondition(format!(
                "gRPC needs HTTP/2; this is {:?}",
                request.version()
            )));
        }
        let permit = self.permits.clone().try_acquire_owned().map_err(|_| {
            Error::Unavailable(
                "the gateway passes as many calls through as it may; try again".to_owned(),
            )
        })?;
        let lasts = self.lasting.contains(path) || path.starts_with("/grpc.");
        let stop = if lasts {
            self.cancel.clone()
        } else {
            CancellationToken::new()
        };
        let (response, asked) = tokio::select! {
            response = self.dispatch(path, request) => response?,
            () = stop.cancelled() => return Err(stopping()),
        };
        // An answer that is over already is left as it is.
        if HttpBody::is_end_stream(response.body()) {
            return Ok(response);
        }
        Ok(response.map(|inner| Body::new(Answered::new(inner, stop, (permit, asked)))))
    }

    async fn dispatch(&self, path: &str, request: Request<Incoming>) -> Result<Passed> {
        if path.starts_with(HEALTH) {
            let answered = self.health.clone().oneshot(request).await;
            return Ok((answered.unwrap_or_else(|never| match never {}), None));
        }
        let area = if path.starts_with(REFLECTION) {
            Some(Area::Identity)
        } else {
            Area::of_path(path)
        };
        let area = area.ok_or_else(|| Error::not_found("call", path))?;
        self.pass(area, path, request).await
    }

    async fn pass(&self, area: Area, path: &str, request: Request<Incoming>) -> Result<Passed> {
        let mut headers = headers::end_to_end(request.headers());
        self.authorize(path, request.headers(), &mut headers)
            .await?;
        headers.insert(http::header::TE, HeaderValue::from_static("trailers"));
        if let Some(trace) =
            telemetry::traceparent().and_then(|text| HeaderValue::from_str(&text).ok())
        {
            headers.insert("traceparent", trace);
        }
        let mut passed = Request::new(Body::empty());
        *passed.method_mut() = request.method().clone();
        *passed.uri_mut() = request.uri().clone();
        *passed.version_mut() = Version::HTTP_2;
        *passed.headers_mut() = headers;
        let (asked, guard) = Asked::new(request.into_body());
        *passed.body_mut() = Body::new(asked);
        let mut channel = self.channels.to(area)?;
        let broken =
            |error: tonic::transport::Error| upstream::failure(Status::from_error(error.into()));
        let service = channel.ready().await.map_err(broken)?;
        let mut response = service.call(passed).await.map_err(broken)?;
        if is_unavailable(response.headers()) {
            // A replica that only stands by answers so, and would again.
            self.channels.forget(area);
        }
        *response.headers_mut() = headers::end_to_end(response.headers());
        Ok((response, Some(guard)))
    }

    /// Calls that anyone may make go without: a token that has ended would only have them refused.
    async fn authorize(&self, path: &str, shown: &HeaderMap, passed: &mut HeaderMap) -> Result<()> {
        passed.remove(http::header::AUTHORIZATION);
        let anonymous = contracts::access_of(path).is_some_and(|access| access.anonymous);
        if !anonymous {
            passed.insert(
                http::header::AUTHORIZATION,
                self.keys.authorization(shown).await?,
            );
        }
        Ok(())
    }
}
