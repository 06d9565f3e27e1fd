//! The console: the page for people's browsers, embedded in the program. `scripts/console` builds it from `console/` into
//! `page/built`; a program that was built without it shows `page/notice.html`, which says how.

use std::borrow::Cow;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use rust_embed::Embed;

use super::failure::Failure;

/// The page speaks with this origin only, runs no script but its own files, and is in nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// Windows that the page opens do not reach it: notebooks run other people's code.
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
/// Names of assets have a hash of their content: what has such a name never changes.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// What is embedded: the notice, and the built page where there was one.
#[derive(Embed)]
#[folder = "page"]
struct Page;

/// Whether a browser asks for something to show, rather than a program for JSON.
pub(super) fn is_for_people(headers: &HeaderMap) -> bool {
    let accepted = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok());
    accepted
        .flat_map(|text| text.split(','))
        .any(|kind| kind.split(';').next().map(str::trim) == Some("text/html"))
}

/// The page itself, never older than the program: it names its assets by their hashes.
pub(super) fn front() -> Result<Response, Failure> {
    let page = Page::get("built/index.html").or_else(|| Page::get("notice.html"));
    let page = page.ok_or_else(Failure::no_such_route)?;
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-cache"),
        (VARY, "accept"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (OPENER_POLICY, "same-origin"),
    ];
    Ok((headers, bytes(page.data)).into_response())
}

/// A script, style or picture of the page.
pub(super) async fn asset(Path(name): Path<String>) -> Result<Response, Failure> {
    let file = Page::get(&format!("built/assets/{name}")).ok_or_else(Failure::no_such_route)?;
    let kind = HeaderValue::from_str(file.metadata.mimetype())
        .unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let headers = [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, HeaderValue::from_static(FOR_EVER)),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    Ok((headers, bytes(file.data)).into_response())
}

fn bytes(data: Cow<'static, [u8]>) -> bytes::Bytes {
    match data {
        Cow::Borrowed(data) => bytes::Bytes::from_static(data),
        Cow::Owned(data) => data.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_known_by_what_they_accept() {
        let accepts = |text| {
            is_for_people(&HeaderMap::from_iter([(
                ACCEPT,
                HeaderValue::from_static(text),
            )]))
        };
        assert!(accepts(
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
        ));
        assert!(accepts("application/json, text/html;q=0.5"));
        assert!(!accepts("*/*") && !accepts("application/json") && !accepts("text/htmlx"));
        assert!(!is_for_people(&HeaderMap::new()));
    }

    #[test]
    fn there_is_always_something_to_show() {
        let notice = Page::get("notice.html").unwrap();
        assert!(String::from_utf8_lossy(&notice.data).contains("scripts/up"));
        assert!(front().is_ok());
    }
}
