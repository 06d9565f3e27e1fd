//! Web origins: which notebook, and which port of it, a request is for, and whether another web page made the browser send it.

use http::header::{HOST, ORIGIN};
use http::uri::{Authority, Uri};
use http::{HeaderMap, Method};

/// Whose origin it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The route's id.
    pub(crate) id: String,
    /// Another port of the notebook; `None` = its own server.
    pub(crate) port: Option<u16>,
}

impl Place {
    /// `ID` or `PORT-ID`; no id begins with a number.
    fn read(label: &str) -> Self {
        let of_port = label.split_once('-').and_then(|(port, id)| {
            let digits = !port.starts_with('0') && port.bytes().all(|byte| byte.is_ascii_digit());
            let port = digits.then(|| port.parse().ok())?;
            port.map(|port| (id, port))
        });
        let (id, port) = of_port.map_or((label, None), |(id, port)| (id, Some(port)));
        Self {
            id: id.to_owned(),
            port,
        }
    }
}

/// Host and port that a client asked for, as it wrote them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host(Authority);

impl Host {
    /// From `:authority`, the absolute form of the URL, or `Host`; `None` when there is not exactly one that can be read.
    pub(crate) fn of(uri: &Uri, headers: &HeaderMap) -> Option<Self> {
        let authority = match uri.authority() {
            Some(authority) => authority.clone(),
            None => {
                let mut lines = headers.get_all(HOST).iter();
                let only = lines.next().filter(|_| lines.next().is_none())?;
                Authority::try_from(only.as_bytes()).ok()?
            }
        };
        // Names of users have no place here and have fooled many a reader of URLs.
        (!authority.as_str().contains('@')).then_some(Self(authority))
    }

    /// As it was sent, with the port.
    pub(crate) fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// What the first label names, when all others are `domain`, which is in lower case.
    pub(crate) fn place(&self, domain: &str) -> Option<Place> {
        let name = self.0.host().to_ascii_lowercase();
        let name = name.strip_suffix('.').unwrap_or(&name);
        let label = name.strip_suffix(domain)?.strip_suffix('.')?;
        (!label.is_empty() && !label.contains('.')).then(|| Place::read(label))
    }

    /// Whether `origin`, as the header `Origin` has it, is this host, whatever ends TLS in front.
    fn is_origin(&self, origin: &str) -> bool {
        let Ok(origin) = origin.parse::<Uri>() else {
            return false;
        };
        let usual = match origin.scheme_str() {
            Some("http") => 80,
            Some("https") => 443,
            _ => return false,
        };
        origin.authority().is_some_and(|authority| {
            authority.host().eq_ignore_ascii_case(self.0.host())
                && authority.port_u16().unwrap_or(usual) == self.0.port_u16().unwrap_or(usual)
        })
    }
}

/// Whether a page of another origin is behind a request that a cookie lets in. Other tenants' notebooks may be the *same site*,
/// so that `SameSite` does not keep their pages from sending the cookie. Following a link stays allowed.
pub(crate) fn is_foreign(host: &Host, method: &Method, headers: &HeaderMap, upgrade: bool) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let foreign = match headers.get(ORIGIN) {
        Some(origin) => !origin.to_str().is_ok_and(|origin| host.is_origin(origin)),
        None => matches!(text("sec-fetch-site"), Some("cross-site" | "same-site")),
    };
    let link = method.is_safe() && !upgrade && text("sec-fetch-mode") == Some("navigate");
    foreign && !link
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &'static str) -> Host {
        Host(Authority::from_static(text))
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn the_first_label_names_the_notebook() {
        let named = |text| host(text).place("lab.example").map(|place| place.id);
        assert_eq!(named("nb-1.lab.example:7701").as_deref(), Some("nb-1"));
        assert_eq!(named("NB-1.Lab.Example").as_deref(), Some("nb-1"));
        assert_eq!(named("nb-1.lab.example.").as_deref(), Some("nb-1"));
        for other in [
            "lab.example",
            "a.b.lab.example",
            "nb-1lab.example",
            "nb-1.lab.example.org",
            "127.0.0.1:1",
        ] {
            assert_eq!(named(other), None, "{other}");
        }
    }

    #[test]
    fn a_number_before_the_name_is_a_port() {
        let named = |text| {
            let place = host(text).place("localhost").unwrap();
            (place.id, place.port)
        };
        for (text, id, port) in [
            ("nb-1.localhost", "nb-1", None),
            ("8080-nb-1.localhost:7701", "nb-1", Some(8080)),
            ("65535-NB-1.localhost", "nb-1", Some(65_535)),
            ("65536-nb-1.localhost", "65536-nb-1", None),
            ("0-nb-1.localhost", "0-nb-1", None),
            ("080-nb-1.localhost", "080-nb-1", None),
            ("+80-nb-1.localhost", "+80-nb-1", None),
            ("-nb-1.localhost", "-nb-1", None),
        ] {
            assert_eq!(named(text), (id.to_owned(), port), "{text}");
        }
    }

    #[test]
    fn there_is_one_host() {
        let path = Uri::from_static("/");
        let of =
            |uri: &Uri, pairs| Host::of(uri, &headers(pairs)).map(|host| host.as_str().to_owned());
        assert_eq!(of(&path, &[("host", "a.b:1")]).as_deref(), Some("a.b:1"));
        assert_eq!(
            of(&Uri::from_static("http://c.d/x"), &[("host", "a.b")]).as_deref(),
            Some("c.d")
        );
        assert_eq!(of(&path, &[]), None);
        assert_eq!(of(&path, &[("host", "a.b"), ("host", "c.d")]), None);
        assert_eq!(of(&path, &[("host", "x@a.b")]), None);
        assert_eq!(of(&path, &[("host", "a b")]), None);
    }

    #[test]
    fn only_the_own_origin_is_not_foreign() {
        let own = host("nb-1.localhost:7701");
        let post = |pairs: &[(&'static str, &'static str)]| {
            is_foreign(&own, &Method::POST, &headers(pairs), false)
        };
        assert!(!post(&[("origin", "http://NB-1.localhost:7701")]));
        assert!(!post(&[
            ("origin", "https://nb-1.localhost:7701"),
            ("sec-fetch-site", "same-origin")
        ]));
        assert!(!post(&[("sec-fetch-site", "none")]) && !post(&[]));
        for foreign in [
            "http://nb-2.localhost:7701",
            "http://nb-1.localhost",
            "http://localhost:7701",
            "null",
            "",
            "ftp://nb-1.localhost:7701",
        ] {
            assert!(post(&[("origin", foreign)]), "{foreign}");
        }
        assert!(post(&[("sec-fetch-site", "same-site")]));
        assert!(post(&[
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate")
        ]));
        assert!(!is_foreign(
            &host("a.b"),
            &Method::POST,
            &headers(&[("origin", "https://a.b")]),
            false
        ));
    }

    #[test]
    fn links_may_be_followed_but_nothing_else_is_read_or_opened_from_outside() {
        let own = host("nb-1.localhost");
        let site = ("sec-fetch-site", "same-site");
        let get = |mode, upgrade| {
            is_foreign(
                &own,
                &Method::GET,
                &headers(&[site, ("sec-fetch-mode", mode)]),
                upgrade,
            )
        };
        assert!(!get("navigate", false));
        assert!(get("no-cors", false) && get("cors", false));
        assert!(get("websocket", true) && get("navigate", true));
        assert!(!is_foreign(&own, &Method::GET, &headers(&[]), true));
    }
}
