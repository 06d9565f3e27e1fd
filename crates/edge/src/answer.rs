//! What the door itself answers: pages for people, `{code, message}` for programs.

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, RETRY_AFTER,
    SET_COOKIE, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

use crate::body::{Body, full};
use crate::page::{self, Page};
use crate::refusal::Refusal;

/// What the visitor is told instead of the notebook's answer.
pub(crate) fn refuse(refusal: &Refusal, html: bool) -> Response<Body> {
    let mut response = if html {
        let page = Page {
            title: refusal.title(),
            text: &refusal.text(),
            again: refusal.again(),
            asks_token: refusal.asks_token(),
        };
        page_answer(page::render(&page))
    } else {
        let body = json!({ "code": refusal.code().rest(), "message": refusal.to_string() });
        json_answer(&body)
    };
    *response.status_mut() = refusal.status();
    let headers = response.headers_mut();
    if let Some(seconds) = refusal.again() {
        headers.insert(RETRY_AFTER, seconds.into());
    }
    if refusal.asks_token() {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
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
    response.headers_mut().insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(page::POLICY),
    );
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
