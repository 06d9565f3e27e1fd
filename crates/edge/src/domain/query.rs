//! The query of a URL: the parameter `token` belongs to the door, all others to the notebook.

use http::uri::PathAndQuery;

const TOKEN: &str = "token";

/// A query, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    /// Values of all parameters `token`, decoded.
    pub(crate) tokens: Vec<String>,
    /// All other parameters as they were sent.
    pub(crate) rest: String,
}

impl Query {
    /// Takes `query` apart.
    pub(crate) fn read(query: &str) -> Self {
        let mut rest = Vec::new();
        let mut tokens = Vec::new();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if decode(name) == TOKEN {
                tokens.push(decode(value));
            } else {
                rest.push(pair);
            }
        }
        Self {
            tokens,
            rest: rest.join("&"),
        }
    }

    /// The value of the first parameter with this name, decoded.
    pub(crate) fn value(&self, wanted: &str) -> Option<String> {
        self.rest.split('&').find_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name) == wanted).then(|| decode(value))
        })
    }

    /// `path` with what is left of the query.
    pub(crate) fn after(&self, path: &str) -> String {
        if self.rest.is_empty() {
            path.to_owned()
        } else {
            format!("{path}?{}", self.rest)
        }
    }
}

/// The same place without the token, as a `Location` that can only lead to the same origin.
pub(crate) fn local_redirect(path: &str, query: &Query) -> String {
    let location = query.after(path);
    // Browsers read "//host" and "/\host" as another host; "/." in front keeps the path and the host.
    if location.starts_with("//") || location.starts_with("/\\") {
        return format!("/.{location}");
    }
    location
}

/// What the notebook is asked for: the same without the token.
pub(crate) fn forwarded(asked: &PathAndQuery) -> Option<PathAndQuery> {
    match asked.query() {
        None => Some(asked.clone()),
        Some(query) => PathAndQuery::try_from(Query::read(query).after(asked.path())).ok(),
    }
}

/// A value as it may stand in a query (RFC 3986, section 2.3).
pub(crate) fn encode(value: &str) -> String {
    let mut encoded = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// Percent escapes and "+" decoded; what is no escape stays as it is.
fn decode(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let (byte, after) = match byte {
            b'%' => escaped(after).unwrap_or((b'%', after)),
            b'+' => (b' ', after),
            other => (*other, after),
        };
        decoded.push(byte);
        rest = after;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn escaped(text: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, after) = text.split_at_checked(2)?;
    let digits = std::str::from_utf8(digits)
        .ok()
        .filter(|digits| !digits.starts_with('+'))?;
    Some((u8::from_str_radix(digits, 16).ok()?, after))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tokens_are_taken_out_and_the_rest_stays_as_it_was() {
        let query = Query::read("a=%20&token=x%2By&b&to%6ben=two&&c=1+1");
        assert_eq!(query.tokens, ["x+y", "two"]);
        assert_eq!(query.rest, "a=%20&b&&c=1+1");
        assert_eq!(query.value("c").as_deref(), Some("1 1"));
        assert_eq!(query.value("b").as_deref(), Some(""));
        assert_eq!(query.value("token"), None);
        assert_eq!(Query::read("token=x").after("/lab"), "/lab");
    }

    #[test]
    fn a_redirect_stays_on_the_origin() {
        let to = |path: &str| local_redirect(path, &Query::read("token=x&a=1"));
        assert_eq!(to("/lab"), "/lab?a=1");
        assert_eq!(to("//evil.example/x"), "/.//evil.example/x?a=1");
        assert_eq!(to("/\\evil.example"), "/./\\evil.example?a=1");
    }

    #[test]
    fn forwarded_urls_hold_no_token() {
        let to = |asked: &str| {
            forwarded(&PathAndQuery::try_from(asked).unwrap())
                .unwrap()
                .to_string()
        };
        assert_eq!(to("/a?token=x"), "/a");
        assert_eq!(to("//a?b=1&token=x"), "//a?b=1");
        assert_eq!(to("/a?b=1"), "/a?b=1");
        assert_eq!(to("*"), "*");
    }

    proptest! {
        #[test]
        fn no_query_keeps_a_token(query in "([a-zA-Z%0-9+]{0,3}|token|=|&|%74oken|;){0,12}") {
            let read = Query::read(&query);
            let again = Query::read(&read.rest);
            prop_assert_eq!(again.tokens, Vec::<String>::new());
            prop_assert_eq!(again.rest, read.rest);
        }

        #[test]
        fn plain_texts_decode_to_themselves(text in "[a-z0-9._~-]{0,40}") {
            prop_assert_eq!(decode(&text), text);
        }
    }
}
