//! The standard health service for the door itself, by hand: it is the only gRPC that the door speaks. Probes ask it under any
//! host that is not a notebook's.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt as _, Full};

use crate::body::Body;

const CHECK: &str = "/grpc.health.v1.Health/Check";
/// One frame, not compressed, of two bytes: field 1 (status) is 1 (serving).
const SERVING: &[u8] = &[0, 0, 0, 0, 2, 8, 1];

/// Whether somebody asks for the door's health.
pub(super) fn is_asked<B>(request: &Request<B>) -> bool {
    request.uri().path() == CHECK
}

/// That the door serves.
pub(super) fn serving() -> Response<Body> {
    let status = HeaderMap::from_iter([(
        header::HeaderName::from_static("grpc-status"),
        HeaderValue::from_static("0"),
    )]);
    let body = Full::new(Bytes::from_static(SERVING))
        .with_trailers(std::future::ready(Some(Ok(status))))
        .map_err(|never| match never {});
    let mut response = Response::new(body.boxed_unsync());
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/grpc"),
    );
    response
}
