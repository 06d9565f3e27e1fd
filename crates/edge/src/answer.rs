//! What the door itself answers: pages for people, `{code, message}` for programs.

use std::sync::Arc;

use bus::Route;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Response, StatusCode};
use kernel::Code;
use serde_json::json;

use crate::body::{Body, full};
use crate::page::{self, Page};

/// After so many seconds it is worth another look at what is being started.
const LOOK_AGAIN: u32 = 3;

/// Why a request did not reach the notebook.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It is no request that a notebook could be asked; says what is wrong.
    Malformed(String),
    /// No notebook has this origin.
    UnknownHost,
    /// No token came with it.
    NoToken,
    /// The token does not open this notebook.
    WrongToken,
    /// A page of another origin is behind it.
    Foreign,
    /// The door has no such page.
    NoPage,
    /// The notebook does not run.
    NotRunning(Arc<Route>),
    /// Too many requests are open at this notebook.
    NotebookFull,
    /// Too many connections are open at this door.
    DoorFull,
    /// The notebook cannot be reached.
    Unreachable,
    /// The agent does not have what is asked for; says what.
    NothingThere(&'static str),
    /// The notebook did not begin its answer in time.
    TooSlow,
}

struct Facts {
    outcome: &'static str,
    status: StatusCode,
    code: Code,
    title: String,
    text: String,
    /// Seconds after which it is worth another try.
    again: Option<u32>,
}

impl Refusal {
    /// For the metric.
    pub(crate) fn outcome(&self) -> &'static str {
        self.facts().outcome
    }

    /// As an answer.
    pub(crate) fn answer(&self, html: bool) -> Response<Body> {
        let facts = self.facts();
        let asks_token = matches!(self, Self::NoToken | Self::WrongToken);
        let mut response = if html {
            let page = Page { title: &facts.title, text: &facts.text, again: facts.again, asks_token };
            page_answer(page::render(&page))
        } else {
            let text = if let Self::NotRunning(_) = self { format!("{}: {}", facts.title, facts.text) } else { facts.text };
            json_answer(&json!({ "code": facts.code.rest(), "message": text }))
        };
        *response.status_mut() = facts.status;
        if let Some(seconds) = facts.again {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        if asks_token {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }

    fn facts(&self) -> Facts {
        let facts = |outcome, status, code, title: &str, text: &str, again| Facts {
            outcome,
            status,
            code,
            title: title.to_owned(),
            text: text.to_owned(),
            again,
        };
        let plain = |outcome, code: Code, title, text| {
            let status = StatusCode::from_u16(code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            facts(outcome, status, code, title, text, None)
        };
        match self {
            Self::Malformed(problem) => plain("malformed", Code::InvalidArgument, "Not understood", problem),
            Self::UnknownHost => plain("unknown_host", Code::NotFound, "No such notebook", "no notebook has this address; check it, and whether the notebook was deleted"),
            Self::NoToken => plain("no_token", Code::Unauthenticated, "Token needed", "this notebook opens with its token"),
            Self::WrongToken => plain("wrong_token", Code::Unauthenticated, "Token needed", "this token does not open this notebook; its owner can look it up"),
            Self::Foreign => plain("foreign", Code::PermissionDenied, "Refused", "a page of another origin may not do this; open the notebook's own address"),
            Self::NoPage => plain("no_page", Code::NotFound, "No such page", "the notebook's door has only /.quire/logs and /.quire/health"),
            Self::NothingThere(what) => plain("nothing_there", Code::NotFound, "Nothing there", what),
            Self::NotebookFull => plain("notebook_full", Code::ResourceExhausted, "Too many requests", "too many requests are open at this notebook; close some, or wait for their end"),
            Self::DoorFull => facts("door_full", StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, "Too many connections", "too many connections are open; try again soon", Some(LOOK_AGAIN)),
            Self::Unreachable => facts("unreachable", StatusCode::BAD_GATEWAY, Code::Unavailable, "No answer", "the notebook runs but does not answer; it may be ending or its node may be in trouble", Some(LOOK_AGAIN)),
            Self::TooSlow => facts("too_slow", StatusCode::GATEWAY_TIMEOUT, Code::DeadlineExceeded, "No answer in time", "the notebook took too long to begin its answer", None),
            Self::NotRunning(route) => {
                let starts = matches!(route.state.as_str(), "Pending" | "Provisioned");
                let again = starts.then_some(LOOK_AGAIN);
                facts("not_running", StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, &route.state, &route.reason, again)
            }
        }
    }
}

/// The same place without the token in its URL, which the browser keeps as a cookie from now on.
pub(crate) fn redirect(location: &str, cookie: HeaderValue) -> Option<Response<Body>> {
    let mut response = Response::new(full(""));
    *response.status_mut() = StatusCode::FOUND;
    let headers = response.headers_mut();
    headers.insert(LOCATION, HeaderValue::try_from(location).ok()?);
    headers.insert(SET_COOKIE, cookie);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Some(response)
}

/// JSON of the door's own.
pub(crate) fn json_answer(value: &serde_json::Value) -> Response<Body> {
    own_answer(value.to_string(), "application/json")
}

fn page_answer(page: String) -> Response<Body> {
    let mut response = own_answer(page, "text/html; charset=utf-8");
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(page::POLICY));
    response
}

fn own_answer(text: String, kind: &'static str) -> Response<Body> {
    let mut response = Response::new(full(text));
    own_headers(response.headers_mut(), kind);
    response
}

/// Headers of all that the door itself answers.
pub(crate) fn own_headers(headers: &mut http::HeaderMap, kind: &'static str) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}
