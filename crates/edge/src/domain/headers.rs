//! What is passed on of a request's and an answer's head.

use std::net::IpAddr;

use http::header::{
    ACCEPT, CONNECTION, CONTENT_LENGTH, EXPECT, FORWARDED, HOST, HeaderName, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, REFERER, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Method, Version};

use super::credential;
use super::origin::Host;
use super::query::Query;

/// Headers that are for one connection only (RFC 9110, 7.6.1), beside those that `Connection` names.
const HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("keep-alive"),
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
];

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// What only the door may say about who asks: dropped when it comes from outside.
const CLAIMS: [HeaderName; 7] = [
    FORWARDED,
    FORWARDED_FOR,
    FORWARDED_PROTO,
    FORWARDED_HOST,
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-scheme"),
];

const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");

/// What the notebook is told about who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visitor<'a> {
    /// Address of the other end.
    pub(crate) peer: IpAddr,
    /// Host that was asked for.
    pub(crate) host: &'a Host,
    /// The browser came by `https://`.
    pub(crate) secure: bool,
}

/// Whether a request asks for a WebSocket. No other protocol is passed through: the door could not look into it.
pub(crate) fn wants_websocket(method: &Method, version: Version, headers: &HeaderMap) -> bool {
    *method == Method::GET
        && version == Version::HTTP_11
        && has_word(headers, &CONNECTION, "upgrade")
        && has_word(headers, &UPGRADE, "websocket")
}

/// Whether requests with this method are passed on: `CONNECT` asks for another place, and the answer to `TRACE` would show the
/// notebook's own token.
pub(crate) fn is_passed_on(method: &Method) -> bool {
    *method != Method::CONNECT && *method != Method::TRACE
}

/// Whether an answer may be a page for people.
pub(crate) fn wants_html(headers: &HeaderMap) -> bool {
    let lines = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let html = kind.eq_ignore_ascii_case("text/html")
            || kind.eq_ignore_ascii_case("application/xhtml+xml");
        html && !parts.any(|part| {
            matches!(
                part.strip_prefix("q="),
                Some("0" | "0.0" | "0.00" | "0.000")
            )
        })
    })
}

/// Makes the head of a request one for the notebook: without the visitor's token and what concerns this connection only.
pub(crate) fn to_notebook(headers: &mut HeaderMap, visitor: &Visitor<'_>, websocket: bool) {
    if headers.contains_key(TRANSFER_ENCODING) {
        headers.remove(CONTENT_LENGTH);
    }
    drop_hop_by_hop(headers);
    for claim in &CLAIMS {
        headers.remove(claim);
    }
    // The door itself tells the client to go on.
    headers.remove(EXPECT);
    credential::hide_cookie(headers);
    hide_referring_token(headers);
    if websocket {
        ask_for_websocket(headers);
    }
    let set = |headers: &mut HeaderMap, name, value: &str| match HeaderValue::from_str(value) {
        Ok(value) => drop(headers.insert(name, value)),
        Err(_) => drop(headers.remove(name)),
    };
    set(headers, HOST, visitor.host.as_str());
    set(headers, FORWARDED_HOST, visitor.host.as_str());
    set(headers, FORWARDED_FOR, &visitor.peer.to_string());
    set(
        headers,
        FORWARDED_PROTO,
        if visitor.secure { "https" } else { "http" },
    );
}

/// Makes the head of an answer one for the visitor.
pub(crate) fn to_visitor(headers: &mut HeaderMap, websocket: bool) {
    drop_hop_by_hop(headers);
    if websocket {
        ask_for_websocket(headers);
    }
}

fn ask_for_websocket(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, WEBSOCKET);
}

fn drop_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = words(headers, &CONNECTION)
        .filter_map(|word| word.parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// A page that was opened with the token in its URL names it in `Referer`.
fn hide_referring_token(headers: &mut HeaderMap) {
    let Some(referring) = headers.get(REFERER).and_then(|value| value.to_str().ok()) else {
        return;
    };
    let Some((before, query)) = referring.split_once('?') else {
        return;
    };
    let query = Query::read(query);
    if !query.tokens.is_empty() {
        match HeaderValue::try_from(query.after(before)) {
            Ok(value) => drop(headers.insert(REFERER, value)),
            Err(_) => drop(headers.remove(REFERER)),
        }
    }
}

fn words<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers
        .get_all(name)
        .iter()
        .filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

fn has_word(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    words(headers, name).any(|found| found.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use http::Uri;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn forwarded(pairs: &[(&'static str, &'static str)], websocket: bool) -> HeaderMap {
        let mut headers = headers(pairs);
        let host = Host::of(
            &Uri::from_static("http://nb-1.localhost:7701"),
            &HeaderMap::new(),
        )
        .unwrap();
        let visitor = Visitor {
            peer: IpAddr::from([127, 0, 0, 1]),
            host: &host,
            secure: true,
        };
        to_notebook(&mut headers, &visitor, websocket);
        headers
    }

    const ALWAYS: [(&str, &str); 4] = [
        ("host", "nb-1.localhost:7701"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", "nb-1.localhost:7701"),
        ("x-forwarded-proto", "https"),
    ];

    fn and_always(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        headers(&[pairs, &ALWAYS].concat())
    }

    #[test]
    fn what_concerns_one_connection_stays_there() {
        let sent = [
            ("connection", "close, X-Hop"),
            ("connection", "Host"),
            ("x-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("proxy-authorization", "Basic x"),
            ("expect", "100-continue"),
            ("accept", "a/b"),
        ];
        assert_eq!(forwarded(&sent, false), and_always(&[("accept", "a/b")]));
    }

    #[test]
    fn nobody_else_says_who_asks_and_no_token_is_passed_on() {
        let sent = [
            ("x-forwarded-for", "1.1.1.1"),
            ("forwarded", "for=1.1.1.1"),
            ("x-real-ip", "1.1.1.1"),
            ("host", "other"),
            ("cookie", "quire-token=secret; a=b"),
            ("referer", "http://nb-1.localhost:7701/lab?x=1&token=secret"),
        ];
        let expected = [
            ("cookie", "a=b"),
            ("referer", "http://nb-1.localhost:7701/lab?x=1"),
        ];
        assert_eq!(forwarded(&sent, false), and_always(&expected));
    }

    #[test]
    fn a_body_has_one_length() {
        let sent = [("transfer-encoding", "chunked"), ("content-length", "5")];
        assert_eq!(forwarded(&sent, false), and_always(&[]));
        assert_eq!(
            forwarded(&[("content-length", "5")], false),
            and_always(&[("content-length", "5")])
        );
    }

    #[test]
    fn only_websockets_are_passed_through() {
        let sent = [
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
            ("sec-websocket-key", "x"),
        ];
        assert!(wants_websocket(
            &Method::GET,
            Version::HTTP_11,
            &headers(&sent)
        ));
        assert!(!wants_websocket(
            &Method::POST,
            Version::HTTP_11,
            &headers(&sent)
        ));
        assert!(!wants_websocket(
            &Method::GET,
            Version::HTTP_2,
            &headers(&sent)
        ));
        assert!(!wants_websocket(
            &Method::GET,
            Version::HTTP_11,
            &headers(&[("connection", "upgrade"), ("upgrade", "h2c")])
        ));
        let expected = [
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-key", "x"),
        ];
        assert_eq!(forwarded(&sent, true), and_always(&expected));
    }

    #[test]
    fn people_get_pages() {
        let html = |accept| wants_html(&headers(&[("accept", accept)]));
        assert!(html("text/html,application/xhtml+xml,*/*;q=0.8") && html("a/b, TEXT/HTML;q=0.1"));
        assert!(
            !html("*/*")
                && !html("application/json")
                && !html("text/html;q=0")
                && !wants_html(&headers(&[]))
        );
    }
}
