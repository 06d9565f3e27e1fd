//! What every REST request gets: an id, a span, a count, a place among the requests worked on, and a deadline.

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use chassis::{Error, telemetry};
use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::metrics::{Counter, Histogram};
use opentelemetry::{KeyValue, global};
use tracing::Instrument as _;
use uuid::Uuid;

use super::App;
use super::failure::Failure;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest request id that is taken over from a caller.
const LONGEST_ID: usize = 128;
/// The label for what no route knows: callers choose paths and methods, labels must stay few.
const UNMATCHED: &str = "unmatched";

/// Counts and times REST requests.
#[derive(Clone, Debug)]
pub(super) struct RequestMetrics {
    requests: Counter<u64>,
    seconds: Histogram<f64>,
}

impl RequestMetrics {
    pub(super) fn new() -> Self {
        let meter = global::meter("quire");
        Self {
            requests: meter
                .u64_counter("quire_requests")
                .with_description("REST requests answered")
                .build(),
            seconds: meter
                .f64_histogram("quire_request_seconds")
                .with_description("time to answer a REST request")
                .build(),
        }
    }

    fn record(&self, method: &str, route: &str, status: u16, started: Instant) {
        let labels = [
            KeyValue::new("method", method.to_owned()),
            KeyValue::new("route", route.to_owned()),
            KeyValue::new("status", i64::from(status)),
        ];
        self.requests.add(1, &labels);
        self.seconds
            .record(started.elapsed().as_secs_f64(), &labels);
    }
}

/// The caller's own request id where it is short and plain, or a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte);
    let given = headers.get(REQUEST_ID).filter(|value| {
        (1..=LONGEST_ID).contains(&value.len()) && value.as_bytes().iter().all(plain)
    });
    let made = || HeaderValue::from_str(&Uuid::now_v7().to_string());
    given
        .cloned()
        .map_or_else(made, Ok)
        .unwrap_or_else(|_| HeaderValue::from_static(UNMATCHED))
}

/// Answers a request, and tells about it.
pub(super) async fn observe(State(app): State<App>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or(UNMATCHED, MatchedPath::as_str);
    let method = request.method().clone();
    let method = if matched.is_some() {
        method.as_str()
    } else {
        UNMATCHED
    };
    let id = request_id(request.headers());
    let span = tracing::info_span!(
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        request_id = id.to_str().unwrap_or_default(),
        status = tracing::field::Empty,
    );
    telemetry::continue_trace(&span, request.headers());
    let mut response = bounded(&app, request, next).instrument(span.clone()).await;
    let status = response.status().as_u16();
    span.record("status", status);
    app.metrics.record(method, route, status, started);
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

async fn bounded(app: &App, request: Request, next: Next) -> Response {
    let Ok(_permit) = app.permits.try_acquire() else {
        let busy = Error::Unavailable(
            "the gateway works on as many requests as it may; try again".to_owned(),
        );
        return Failure::from(busy).into_response();
    };
    let answered = tokio::time::timeout(app.request_time, next.run(request)).await;
    answered.unwrap_or_else(|_| Failure::from(Error::Deadline).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_callers_are_taken_over_when_they_are_plain() {
        let with = |text| {
            request_id(&HeaderMap::from_iter([(
                REQUEST_ID,
                HeaderValue::from_str(text).unwrap(),
            )]))
        };
        assert_eq!(with("build-17/step.3"), "build-17/step.3");
        for odd in ["", "a b", "<script>", &"x".repeat(LONGEST_ID + 1)] {
            assert_ne!(with(odd), *odd);
        }
        assert_ne!(request_id(&HeaderMap::new()), request_id(&HeaderMap::new()));
    }
}
