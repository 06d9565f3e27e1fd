//! What somebody gets who may only look: the door's own page with the list of files, in the place of the notebook's first one, and
//! from the notebook what [`view`] allows.

use http::header::CONTENT_SECURITY_POLICY;
use http::{HeaderValue, Method, Request, Response};
use hyper::body::Incoming;

use super::reserved::is_reserved;
use crate::answer::own_headers;
use crate::body::{Body, full};
use crate::domain::view;
use crate::refusal::Refusal;

const PAGE: &str = include_str!("view.html");
const SCRIPT: &str = include_str!("view.js");
/// What the page may load: its own script and style, and the list.
const POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";

/// The page or script; `None` = what is asked for is the notebook's or one of the door's other pages, and may be looked at.
///
/// # Errors
/// [`Refusal::ViewOnly`] when it may not.
pub(super) fn own_page(
    request: &Request<Incoming>,
    port: Option<u16>,
    websocket: bool,
) -> Result<Option<Response<Body>>, Refusal> {
    let (method, path) = (request.method(), request.uri().path());
    let reads = matches!(*method, Method::GET | Method::HEAD) && !websocket && port.is_none();
    let (text, kind) = match path {
        "/" if reads => (PAGE, "text/html; charset=utf-8"),
        "/.quire/view.js" if reads => (SCRIPT, "text/javascript; charset=utf-8"),
        "/.quire/health" | "/.quire/status" if reads => return Ok(None),
        path if port.is_none() && !is_reserved(path) && view::allows(method, path, websocket) => {
            return Ok(None);
        }
        _ => return Err(Refusal::ViewOnly),
    };
    let mut response = Response::new(full(text));
    own_headers(response.headers_mut(), kind);
    let policy = HeaderValue::from_static(POLICY);
    response
        .headers_mut()
        .insert(CONTENT_SECURITY_POLICY, policy);
    Ok(Some(response))
}
