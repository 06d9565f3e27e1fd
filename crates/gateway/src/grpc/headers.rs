//! Which headers go on to the other side.

use http::header::{CONNECTION, HOST};
use http::{HeaderMap, HeaderName};

/// Headers that are between two neighbours (RFC 9110 section 7.6.1), and the name of this door.
const BETWEEN_NEIGHBOURS: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// All headers but those that are between two neighbours, by name or because `Connection` names them.
pub(super) fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let mut kept = headers.clone();
    for name in BETWEEN_NEIGHBOURS {
        kept.remove(name);
    }
    kept.remove(HOST);
    for value in headers.get_all(CONNECTION) {
        let named = value.to_str().unwrap_or_default().split(',');
        for name in named.filter_map(|name| name.trim().parse::<HeaderName>().ok()) {
            kept.remove(name);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn what_is_between_neighbours_stays_there() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Private"),
            ("x-private", "1"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("host", "door"),
            ("grpc-timeout", "5S"),
            ("x-trace-bin", "AAAA"),
        ] {
            headers.insert(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        headers.append("x-trace-bin", HeaderValue::from_static("BBBB"));
        let kept = end_to_end(&headers);
        assert_eq!(kept.get("grpc-timeout").unwrap(), "5S");
        assert_eq!(kept.get_all("x-trace-bin").iter().count(), 2);
        assert_eq!(kept.keys_len(), 2);
    }
}
