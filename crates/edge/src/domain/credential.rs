//! Who may enter: whoever shows a token that opens the route ([`super::grant`]), in the query, in `Authorization`, or in the cookie.

use super::grant::Key;
use super::query::Query;
use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderValue};

/// Name of the door's cookie.
pub(crate) const COOKIE_NAME: &str = "quire-token";

/// How somebody came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// The token was in the query.
    Query,
    /// The token was in `Authorization`.
    Header,
    /// The browser added the cookie, whoever made it send the request.
    Cookie,
}

/// Nobody comes in so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoAccess {
    /// No token came with the request.
    Missing,
    /// A token came that does not open this notebook.
    Wrong,
}

/// Looks for a token that `opens`. All that were sent are tried: browsers send what other pages and programs left them.
pub(crate) fn check(
    opens: impl Fn(&[u8]) -> Option<Key>,
    query: &Query,
    headers: &HeaderMap,
) -> Result<(Access, Key), NoAccess> {
    let in_query = query
        .tokens
        .iter()
        .map(|token| (Access::Query, token.as_bytes()));
    let in_header = header_tokens(headers).map(|token| (Access::Header, token));
    let in_cookie =
        cookies(headers).filter_map(|cookie| Some((Access::Cookie, own_cookie(cookie)?)));
    let mut refusal = NoAccess::Missing;
    for (access, token) in in_query.chain(in_header).chain(in_cookie) {
        if let Some(key) = opens(token) {
            return Ok((access, key));
        }
        refusal = NoAccess::Wrong;
    }
    Err(refusal)
}

/// Whether `Authorization` has a token that opens, whatever else does.
pub(crate) fn opens_by_header(opens: impl Fn(&[u8]) -> Option<Key>, headers: &HeaderMap) -> bool {
    header_tokens(headers).any(|token| opens(token).is_some())
}

/// Which of the query's tokens it is that opens.
pub(crate) fn right_one(opens: impl Fn(&[u8]) -> Option<Key>, query: &Query) -> Option<&str> {
    query
        .tokens
        .iter()
        .map(String::as_str)
        .find(|token| opens(token.as_bytes()).is_some())
}

/// A cookie that keeps `token`; `None` when the token has characters that no cookie can hold.
pub(crate) fn cookie(token: &str, secure: bool) -> Option<HeaderValue> {
    let holds = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\');
    if !token.bytes().all(holds) {
        return None;
    }
    let secure = if secure { "; Secure" } else { "" };
    let text = format!("{COOKIE_NAME}={token}; Path=/; HttpOnly; SameSite=Lax{secure}");
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Joins the lines of `Cookie` and leaves the door's own out.
pub(crate) fn hide_cookie(headers: &mut HeaderMap) {
    let kept: Vec<&[u8]> = cookies(headers)
        .filter(|cookie| own_cookie(cookie).is_none())
        .collect();
    let kept = HeaderValue::from_bytes(&kept.join(&b"; "[..]))
        .ok()
        .filter(|kept| !kept.is_empty());
    match kept {
        Some(kept) => drop(headers.insert(COOKIE, kept)),
        None => drop(headers.remove(COOKIE)),
    }
}

// Bytes, because a cookie of the notebook need not be text, and must not hide the door's own.
fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let lines = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes);
    lines
        .flat_map(|line| line.split(|byte| *byte == b';'))
        .map(<[u8]>::trim_ascii)
        .filter(|cookie| !cookie.is_empty())
}

fn own_cookie(cookie: &[u8]) -> Option<&[u8]> {
    let value = cookie
        .strip_prefix(COOKIE_NAME.as_bytes())?
        .trim_ascii_start()
        .strip_prefix(b"=")?;
    let value = value.trim_ascii();
    let quoted = value
        .strip_prefix(b"\"")
        .and_then(|value| value.strip_suffix(b"\""));
    Some(quoted.unwrap_or(value))
}

fn header_tokens(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers.get_all(AUTHORIZATION).iter().filter_map(|line| {
        let mut words = line.as_bytes().trim_ascii().splitn(2, |byte| *byte == b' ');
        let (scheme, token) = (words.next()?, words.next()?);
        let known = scheme.eq_ignore_ascii_case(b"token") || scheme.eq_ignore_ascii_case(b"bearer");
        known.then(|| token.trim_ascii())
    })
}

#[cfg(test)]
mod tests {
    use super::super::grant::Grant;
    use super::*;

    fn opens(token: &[u8]) -> Option<Key> {
        (token == b"open").then(|| Key {
            token_sha256: String::new(),
            grant: Grant::Use,
            until: None,
        })
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    fn enter(query: &str, pairs: &[(&'static str, &'static str)]) -> Result<Access, NoAccess> {
        check(opens, &Query::read(query), &headers(pairs)).map(|(access, _)| access)
    }

    #[test]
    fn the_token_opens_wherever_it_is() {
        assert_eq!(enter("token=open", &[]), Ok(Access::Query));
        assert_eq!(
            enter("", &[("authorization", "token open")]),
            Ok(Access::Header)
        );
        assert_eq!(
            enter("", &[("authorization", "Bearer open")]),
            Ok(Access::Header)
        );
        assert_eq!(
            enter("", &[("cookie", "a=b; quire-token=open")]),
            Ok(Access::Cookie)
        );
        assert_eq!(
            enter(
                "",
                &[
                    ("cookie", "quire-token=old"),
                    ("cookie", "quire-token=open")
                ]
            ),
            Ok(Access::Cookie)
        );
        assert_eq!(
            enter(
                "token=old",
                &[("authorization", "token x"), ("cookie", "quire-token=open")]
            ),
            Ok(Access::Cookie)
        );
    }

    #[test]
    fn nothing_else_opens() {
        assert_eq!(enter("", &[]), Err(NoAccess::Missing));
        assert_eq!(
            enter(
                "tokens=open",
                &[("cookie", "token=open"), ("authorization", "Basic open")]
            ),
            Err(NoAccess::Missing)
        );
        assert_eq!(enter("token=", &[]), Err(NoAccess::Wrong));
        assert_eq!(enter("token=Open", &[]), Err(NoAccess::Wrong));
    }

    #[test]
    fn the_cookie_is_kept_from_the_notebook() {
        let mut sent = headers(&[("cookie", "a=b; quire-token=open;c=d"), ("cookie", "e=f")]);
        hide_cookie(&mut sent);
        assert_eq!(sent, headers(&[("cookie", "a=b; c=d; e=f")]));
        let bytes = HeaderValue::from_bytes(b"a=\xe9; quire-token=\"open\"").unwrap();
        let mut sent = HeaderMap::from_iter([(COOKIE, bytes)]);
        let found = check(opens, &Query::default(), &sent).map(|(access, _)| access);
        assert_eq!(found, Ok(Access::Cookie));
        hide_cookie(&mut sent);
        assert_eq!(sent[COOKIE].as_bytes(), b"a=\xe9");
        let mut only = headers(&[("cookie", "quire-token=open")]);
        hide_cookie(&mut only);
        assert_eq!(only, HeaderMap::new());
    }

    #[test]
    fn cookies_hold_tokens_and_nothing_more() {
        assert_eq!(
            cookie("a-B_1", false).unwrap(),
            "quire-token=a-B_1; Path=/; HttpOnly; SameSite=Lax"
        );
        assert!(
            cookie("a", true)
                .unwrap()
                .to_str()
                .unwrap()
                .ends_with("; Secure")
        );
        assert_eq!(cookie("a; Domain=example.org", false), None);
    }
}
