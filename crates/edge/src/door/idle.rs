//! The door's pages for idle notebooks: when it will stop (from the route, so that it is known also when nobody else answers), what
//! shows that it is used (from the agent beside it), the script of the notice inside `JupyterLab`, and the wish to keep it.

use bus::Route;
use chassis::Error;
use contracts::from_wire_time;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::json;

use super::Door;
use crate::answer::{json_answer, own_headers};
use crate::body::{Body, full};
use crate::refusal::Refusal;
use crate::upstream::UpstreamError;

/// What a page of `JupyterLab` loads as an extension.
const NOTICE: &str = include_str!("notice.js");
/// Longest wish, in bytes.
const LONGEST: usize = 4 << 10;

/// A wish to keep the notebook.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    /// For so long from now.
    seconds: u32,
}

/// When it will stop, as far as this door knows.
pub(super) fn status(route: &Route) -> Response<Body> {
    json_answer(&json!({
        "running": route.running,
        "state": route.state,
        "reason": route.reason,
        "note": route.note,
        "stopsAt": route.idle.stops_at,
        "because": route.idle.because,
        "costs": route.idle.costs,
        "keptUntil": route.idle.kept_until,
        "runUntil": route.idle.run_until,
    }))
}

/// The script of the notice.
pub(super) fn notice() -> Response<Body> {
    let mut response = Response::new(full(NOTICE));
    own_headers(response.headers_mut(), "text/javascript; charset=utf-8");
    response
}

impl Door {
    /// What is measured of the notebook: "signs" that it is used, or its "usage".
    pub(super) async fn measured(
        &self,
        route: &Route,
        what: &str,
    ) -> Result<Response<Body>, Refusal> {
        let nothing = Refusal::NothingThere("nothing is measured of this notebook now");
        let Some(target) = route.target.as_ref().filter(|_| route.running) else {
            return Err(nothing);
        };
        match self.upstream.measured(target, what).await {
            Ok(measured) => {
                let mut response = Response::new(full(measured));
                own_headers(response.headers_mut(), "application/json");
                Ok(response)
            }
            Err(UpstreamError::NotThere(_)) => Err(nothing),
            Err(error) => {
                self.failed(&error);
                Err(Refusal::Unreachable)
            }
        }
    }

    /// Keeps the notebook. What the notebook service says is told as it is; that it does not answer is no fault of the notebook.
    pub(super) async fn extend(
        &self,
        request: Request<Incoming>,
        route: &Route,
    ) -> Result<Response<Body>, Refusal> {
        let body = Limited::new(request.into_body(), LONGEST).collect().await;
        let wish = body
            .ok()
            .and_then(|body| serde_json::from_slice::<Wish>(&body.to_bytes()).ok())
            .ok_or_else(|| Refusal::Malformed("expected {\"seconds\": N}".to_owned()))?;
        let extended = self.extension.extend(&route.id, wish.seconds).await;
        let kept = extended.and_then(|kept| {
            let until = kept.kept_until.unwrap_or_default();
            Ok((from_wire_time("kept_until", until)?, kept.note))
        });
        Ok(match kept {
            Ok((until, note)) => json_answer(&json!({ "keptUntil": until, "note": note })),
            Err(error) => refused(&error, "a notebook was not extended"),
        })
    }
}

/// What the notebook service refused, or that it does not answer now, as it is. `what` did not happen.
pub(super) fn refused(error: &Error, what: &str) -> Response<Body> {
    tracing::info!(error = chassis::error::chain(error), "{what}");
    let (code, message) = (error.code(), error.public_text());
    let mut response = json_answer(&json!({ "code": code.rest(), "message": message }));
    *response.status_mut() =
        StatusCode::from_u16(code.http_status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    response
        .headers_mut()
        .insert("retry-after", HeaderValue::from_static("5"));
    response
}
