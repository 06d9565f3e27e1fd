//! One port, two languages: gRPC is told from REST by its content type.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use chassis::Result;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use kernel::Clock;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::config::GatewayConfig;
use crate::grpc::Calls;
use crate::keys::KeyRing;
use crate::rest;
use crate::upstream::{Area, Upstream};

/// Answers the requests of one connection.
#[derive(Clone)]
pub(crate) struct Door {
    calls: Calls,
    rest: Router,
}

impl Door {
    /// A door to the services that `config` names.
    ///
    /// # Errors
    /// When the configured address of identity cannot be one of a server, or the authority cannot be read.
    pub(crate) fn new(
        config: &GatewayConfig,
        clock: Arc<dyn Clock>,
        cancel: CancellationToken,
    ) -> Result<Self> {
        let upstream = Upstream::new(config)?;
        let shared = upstream.channels();
        let keys = KeyRing::new(shared.to(Area::Identity)?, clock);
        let calls = Calls::new(upstream, keys.clone(), config.limits.calls, cancel)?;
        Ok(Self {
            calls,
            rest: rest::router(keys, &shared, &config.limits)?,
        })
    }

    /// The door as one more connection sees it.
    pub(crate) fn for_connection(&self) -> Self {
        Self {
            calls: self.calls.for_connection(),
            rest: self.rest.clone(),
        }
    }

    /// Answers one request. Failures are answers too.
    pub(crate) async fn answer(
        self,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Infallible> {
        if is_grpc(request.headers()) {
            return Ok(self.calls.answer(request).await.map(Body::new));
        }
        self.rest.oneshot(request.map(Body::new)).await
    }
}

/// `application/grpc`, with a message format behind `+` or parameters behind `;`. Not `application/grpc-web`, which is another
/// protocol.
fn is_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let rest = content_type.and_then(|text| text.strip_prefix("application/grpc"));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['+', ';']))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn grpc_is_known_by_its_content_type() {
        let with = |text| {
            is_grpc(&HeaderMap::from_iter([(
                CONTENT_TYPE,
                HeaderValue::from_static(text),
            )]))
        };
        assert!(
            with("application/grpc")
                && with("application/grpc+proto")
                && with("application/grpc;x=y")
        );
        assert!(
            !with("application/json")
                && !with("application/grpc-web")
                && !with("application/grpcx")
        );
        assert!(!is_grpc(&HeaderMap::new()));
    }
}
