//! The layer in front of every gRPC server: reads the token, checks the call against its contract, and counts it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use http::{HeaderMap, Request, Response};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};
use tracing::Instrument;

use super::{Principal, Verifier};
use crate::telemetry::{self, CallMetrics};
use crate::{Error, Result};

/// Calls that probes and tools make, with who may make them.
const HEALTH: &str = "/grpc.health.v1.Health/";
const REFLECTION: &str = "/grpc.reflection.";

/// The principal of a request that passed the layer.
///
/// # Errors
/// [`Error::Unauthenticated`] when the request did not pass through an [`AccessLayer`].
pub fn caller<T>(request: &tonic::Request<T>) -> Result<Principal> {
    request
        .extensions()
        .get::<Principal>()
        .cloned()
        .ok_or_else(|| Error::Unauthenticated("the call carries no principal".to_owned()))
}

/// Puts [`Access`] in front of a server.
#[derive(Clone, Debug)]
pub struct AccessLayer {
    verifier: Verifier,
    metrics: CallMetrics,
}

impl AccessLayer {
    /// A layer that verifies with `verifier`.
    pub fn new(verifier: Verifier, area: &'static str) -> Self {
        Self {
            verifier,
            metrics: CallMetrics::new(area),
        }
    }
}

impl<S> Layer<S> for AccessLayer {
    type Service = Access<S>;

    fn layer(&self, inner: S) -> Access<S> {
        Access {
            inner,
            verifier: self.verifier.clone(),
            metrics: self.metrics.clone(),
        }
    }
}

/// Checks each call before the server behind it sees it.
#[derive(Clone, Debug)]
pub struct Access<S> {
    inner: S,
    verifier: Verifier,
    metrics: CallMetrics,
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers
        .get(http::header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .strip_prefix("Bearer ")
}

async fn authorize(verifier: &Verifier, path: &str, headers: &HeaderMap) -> Result<Principal> {
    let principal = match bearer(headers) {
        Some(token) => verifier.verify(token).await?,
        None => Principal::Anonymous,
    };
    if path.starts_with(HEALTH)
        || (path.starts_with(REFLECTION) && principal != Principal::Anonymous)
    {
        return Ok(principal);
    }
    let Some(access) = contracts::access_of(path) else {
        return Err(Error::not_found("call", path));
    };
    principal.check(access)?;
    Ok(principal)
}

impl<S, B> Service<Request<B>> for Access<S>
where
    S: Service<Request<B>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // The clone is fresh; the one that was polled ready goes with the call.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let (verifier, metrics) = (self.verifier.clone(), self.metrics.clone());
        let path = request.uri().path().to_owned();
        let span = tracing::info_span!("call", otel.name = %path, otel.kind = "server", principal = tracing::field::Empty);
        telemetry::continue_trace(&span, request.headers());
        let run = async move {
            #[allow(clippy::disallowed_methods, reason = "measures a duration")]
            let started = Instant::now();
            let response = match authorize(&verifier, &path, request.headers()).await {
                Ok(principal) => {
                    tracing::Span::current().record("principal", tracing::field::debug(&principal));
                    request.extensions_mut().insert(principal);
                    inner.call(request).await
                }
                Err(error) => Ok(Status::from(error).into_http()),
            };
            if let Ok(response) = &response {
                let known = contracts::access_of(&path).map_or("unknown", |access| access.path);
                metrics.record(known, response.headers(), started.elapsed());
            }
            response
        };
        Box::pin(run.instrument(span))
    }
}
