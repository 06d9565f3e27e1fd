//! Joining: a token of full entropy lets one node in, once. The node that spent it may ask again, so that a lost answer loses
//! nothing; but not for ever, because a token and its request together are worth a node's key.

use chassis::authority::Fingerprint;
use chassis::seal::{random_secret, sha256_hex};
use chassis::{Error, Result};
use chrono::TimeDelta;
use kernel::Timestamp;
use kernel::id::NodeId;
use secrecy::{ExposeSecret, SecretString};

const PREFIX: &str = "qj_";
/// How long a token works when nothing is said, in seconds.
const DEFAULT_TTL: u32 = 3_600;
/// Shortest and longest time that a token may work, in seconds.
const TTL: std::ops::RangeInclusive<u32> = 60..=86_400;
/// How long the node that spent a token may ask for its answer again.
pub(crate) const ASK_AGAIN: TimeDelta = TimeDelta::hours(1);

/// What is known of a token; the token itself is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JoinToken {
    pub(crate) expires_at: Timestamp,
    pub(crate) spent: Option<Spent>,
}

/// Who spent a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spent {
    pub(crate) by: NodeId,
    pub(crate) request_id: String,
    pub(crate) at: Timestamp,
}

/// What a token is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It lets a new node in.
    New,
    /// It was spent by this node, which asks again.
    Again(NodeId),
}

/// A new token.
pub(crate) fn generate() -> Result<SecretString> {
    Ok(format!("{PREFIX}{}", random_secret()?.expose_secret()).into())
}

/// What is handed out: the token with the authority's fingerprint, by which the new node knows whom it may trust.
pub(crate) fn with_fingerprint(token: &SecretString, authority: Fingerprint) -> SecretString {
    format!("{}.{authority}", token.expose_secret()).into()
}

/// How a token is stored and looked up: by its secret part, with or without a fingerprint behind it.
pub(crate) fn hash(token: &str) -> String {
    sha256_hex(token.split_once('.').map_or(token, |(secret, _)| secret))
}

/// How long a token is to work; 0 = one hour.
pub(crate) fn lifetime(ttl_seconds: u32) -> Result<TimeDelta> {
    match ttl_seconds {
        0 => Ok(TimeDelta::seconds(i64::from(DEFAULT_TTL))),
        seconds if TTL.contains(&seconds) => Ok(TimeDelta::seconds(i64::from(seconds))),
        seconds => {
            let (least, most) = (TTL.start(), TTL.end());
            Err(Error::invalid(
                "ttl_seconds",
                format!("is {seconds}; {least} to {most} are allowed"),
            ))
        }
    }
}

impl JoinToken {
    /// What the token is good for in a request with this identifier.
    pub(crate) fn admit(&self, request_id: &str, now: Timestamp) -> Result<Admission> {
        match &self.spent {
            Some(spent) if spent.request_id == request_id && now < spent.at + ASK_AGAIN => {
                Ok(Admission::Again(spent.by))
            }
            Some(_) => Err(Error::Precondition(
                "the join token was already used; create a new one for each node".to_owned(),
            )),
            None if self.expires_at <= now => {
                let at = self.expires_at;
                Err(Error::Unauthenticated(format!(
                    "the join token expired at {at}; create a new one"
                )))
            }
            None => Ok(Admission::New),
        }
    }
}

#[cfg(test)]
mod tests {
    use kernel::time::from_micros;

    use super::*;

    #[test]
    fn a_token_is_for_one_node() {
        let now = from_micros(10_000_000_000);
        let fresh = JoinToken {
            expires_at: now + TimeDelta::seconds(1),
            spent: None,
        };
        assert_eq!(fresh.admit("a", now).unwrap(), Admission::New);
        let late = fresh.admit("a", fresh.expires_at).unwrap_err();
        assert!(matches!(late, Error::Unauthenticated(_)), "{late}");

        let by = NodeId::generate();
        let spent = JoinToken {
            spent: Some(Spent {
                by,
                request_id: "a".to_owned(),
                at: now,
            }),
            ..fresh
        };
        assert_eq!(
            spent.admit("a", now + TimeDelta::minutes(59)).unwrap(),
            Admission::Again(by)
        );
        for (request_id, at) in [("b", now), ("a", now + ASK_AGAIN)] {
            let error = spent.admit(request_id, at).unwrap_err();
            assert!(
                matches!(&error, Error::Precondition(text) if text.contains("already used")),
                "{error}"
            );
        }
    }

    #[test]
    fn tokens_differ_and_their_lives_are_bounded() {
        let (one, two) = (generate().unwrap(), generate().unwrap());
        assert!(one.expose_secret().starts_with("qj_") && one.expose_secret().len() > 40);
        assert_ne!(hash(one.expose_secret()), hash(two.expose_secret()));
        let handed_out = with_fingerprint(&one, Fingerprint::of(b"authority"));
        assert_eq!(hash(handed_out.expose_secret()), hash(one.expose_secret()));
        assert_eq!(lifetime(0).unwrap(), TimeDelta::hours(1));
        assert!(lifetime(60).is_ok() && lifetime(86_400).is_ok());
        assert!(lifetime(59).is_err() && lifetime(86_401).is_err());
    }
}
