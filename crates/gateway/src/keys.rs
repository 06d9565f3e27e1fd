//! Keys for tokens: what a caller shows becomes what services verify. An exchanged token is kept for a short time under the
//! key's hash, so that a revoked key ends soon and identity is not asked for every request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chassis::{Error, Result, seal};
use chrono::TimeDelta;
use contracts::identity::v1::ExchangeKeyRequest;
use contracts::identity::v1::identity_service_client::IdentityServiceClient;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use kernel::{Clock, Code, Timestamp};
use tonic::transport::Channel;

use crate::upstream;

/// A token is kept at most this long: a revoked key works no longer than that.
const KEPT: TimeDelta = TimeDelta::seconds(60);
/// A token is not used when less than this is left: a call that begins with it can also end with it.
const RENEW_BEFORE: TimeDelta = TimeDelta::minutes(2);
/// Most tokens kept at once.
const MOST_KEPT: usize = 10_000;
/// Longest key that is looked at, in bytes.
const LONGEST_KEY: usize = 256;
/// Keys that come through this door: of users and of nodes. Services have their own way to identity.
const KEY_BEGINNINGS: [&str; 2] = ["qk_", "qn_"];
/// Longest time that an exchange may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// The error for a missing or wrong key, in the words that Paperspace's clients know.
pub(crate) fn not_logged_in() -> Error {
    Error::Unauthenticated("You must be logged in to access this method.".to_owned())
}

#[derive(Clone)]
struct Kept {
    header: HeaderValue,
    until: Timestamp,
}

/// Exchanges keys, and keeps the tokens for a while.
#[derive(Clone)]
pub(crate) struct KeyRing {
    identity: IdentityServiceClient<Channel>,
    clock: Arc<dyn Clock>,
    kept: Arc<Mutex<HashMap<String, Kept>>>,
}

/// What a caller showed.
#[derive(Debug, PartialEq, Eq)]
enum Shown<'a> {
    Key(&'a str),
    Token,
}

fn shown(headers: &HeaderMap) -> Option<Shown<'_>> {
    let text = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, value) = text.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let value = value.trim();
    // A JSON Web Token has three parts (RFC 7519 section 3); no key has a dot.
    if value.matches('.').count() == 2 {
        return Some(Shown::Token);
    }
    let is_key = KEY_BEGINNINGS
        .iter()
        .any(|beginning| value.starts_with(beginning));
    (is_key && value.len() <= LONGEST_KEY).then_some(Shown::Key(value))
}

fn kept_until(now: Timestamp, expires_at: Timestamp) -> Timestamp {
    (now + KEPT).min(expires_at - RENEW_BEFORE)
}

/// Puts a token in; when there is no room, what has ended goes, and then what ends first.
fn keep(kept: &mut HashMap<String, Kept>, most: usize, hash: String, token: Kept, now: Timestamp) {
    if kept.len() >= most {
        kept.retain(|_, token| token.until > now);
    }
    if kept.len() >= most {
        let first = kept
            .iter()
            .min_by_key(|(_, token)| token.until)
            .map(|(hash, _)| hash.clone());
        first.and_then(|hash| kept.remove(&hash));
    }
    kept.insert(hash, token);
}

impl KeyRing {
    /// Keys are exchanged by the identity service behind `identity`.
    pub(crate) fn new(identity: Channel, clock: Arc<dyn Clock>) -> Self {
        Self {
            identity: IdentityServiceClient::new(identity),
            clock,
            kept: Arc::default(),
        }
    }

    /// The `authorization` header that services verify, for what `headers` show.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when they show no key or a wrong one; what identity says when it cannot be asked.
    pub(crate) async fn authorization(&self, headers: &HeaderMap) -> Result<HeaderValue> {
        match shown(headers).ok_or_else(not_logged_in)? {
            Shown::Token => headers
                .get(AUTHORIZATION)
                .cloned()
                .ok_or_else(not_logged_in),
            Shown::Key(key) => self.token_for(key).await,
        }
    }

    async fn token_for(&self, key: &str) -> Result<HeaderValue> {
        let hash = seal::sha256_hex(key);
        let now = self.clock.now();
        if let Some(header) = self.still_kept(&hash, now) {
            return Ok(header);
        }
        let token = self.exchange(key, now).await?;
        let header = token.header.clone();
        if let Ok(mut kept) = self.kept.lock() {
            keep(&mut kept, MOST_KEPT, hash, token, now);
        }
        Ok(header)
    }

    fn still_kept(&self, hash: &str, now: Timestamp) -> Option<HeaderValue> {
        let kept = self.kept.lock().ok()?;
        kept.get(hash)
            .filter(|token| token.until > now)
            .map(|token| token.header.clone())
    }

    async fn exchange(&self, key: &str, now: Timestamp) -> Result<Kept> {
        let mut request = tonic::Request::new(ExchangeKeyRequest {
            key: key.to_owned(),
        });
        request.set_timeout(DEADLINE);
        let answer = self
            .identity
            .clone()
            .exchange_key(request)
            .await
            .map_err(refusal)?
            .into_inner();
        let mut header = HeaderValue::from_str(&format!("Bearer {}", answer.token))
            .map_err(|error| Error::internal("reading a token", error))?;
        header.set_sensitive(true);
        let expires_at =
            contracts::from_wire_time("expires_at", answer.expires_at.unwrap_or_default())
                .map_err(|error| Error::internal("reading a token", error))?;
        Ok(Kept {
            header,
            until: kept_until(now, expires_at),
        })
    }
}

/// Who has the key may hear that it is unknown, has expired or was revoked, and a node that it was given up. Other reasons are
/// identity's secret: the key is a wrong one to the caller.
fn refusal(status: tonic::Status) -> Error {
    let error = upstream::failure(status);
    match error {
        Error::GivenUp { .. } => return error,
        Error::Unauthenticated(why) => {
            return Error::Unauthenticated(format!("authorization: {why}"));
        }
        _ => {}
    }
    match error.code() {
        Code::Unauthenticated | Code::PermissionDenied | Code::NotFound | Code::InvalidArgument => {
            not_logged_in()
        }
        Code::Conflict
        | Code::FailedPrecondition
        | Code::ResourceExhausted
        | Code::Unavailable
        | Code::DeadlineExceeded
        | Code::Internal => error,
    }
}

#[cfg(test)]
mod tests {
    use kernel::time::from_micros;

    use super::*;

    fn headers(authorization: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(authorization).unwrap())])
    }

    #[test]
    fn keys_and_tokens_are_told_apart() {
        assert_eq!(shown(&headers("Bearer qk_abc")), Some(Shown::Key("qk_abc")));
        assert_eq!(
            shown(&headers("bearer  qn_abc")),
            Some(Shown::Key("qn_abc"))
        );
        assert_eq!(shown(&headers("Bearer a.b.c")), Some(Shown::Token));
        let long = format!("Bearer qk_{}", "x".repeat(LONGEST_KEY));
        for wrong in [
            "qk_abc",
            "Basic qk_abc",
            "Bearer",
            "Bearer ",
            "Bearer qs_service",
            "Bearer a.b",
            &long,
        ] {
            assert_eq!(shown(&headers(wrong)), None, "{wrong}");
        }
    }

    #[test]
    fn tokens_are_kept_a_minute_at_most_and_never_near_their_end() {
        let at = |seconds: i64| from_micros(seconds * 1_000_000);
        assert_eq!(kept_until(at(0), at(600)), at(60));
        assert_eq!(kept_until(at(0), at(150)), at(30));
        assert!(kept_until(at(0), at(100)) < at(0));
    }

    #[test]
    fn room_is_made_by_what_ends_first() {
        let at = |seconds: i64| from_micros(seconds * 1_000_000);
        let token = |until| Kept {
            header: HeaderValue::from_static("x"),
            until: at(until),
        };
        let mut kept = HashMap::new();
        for (hash, until) in [("a", 10), ("b", 30), ("c", 20)] {
            keep(&mut kept, 2, hash.to_owned(), token(until), at(0));
        }
        let mut left: Vec<_> = kept.keys().cloned().collect();
        left.sort();
        assert_eq!(left, ["b", "c"]);
        keep(&mut kept, 2, "d".to_owned(), token(60), at(40));
        assert_eq!(kept.keys().collect::<Vec<_>>(), ["d"]);
    }
}
