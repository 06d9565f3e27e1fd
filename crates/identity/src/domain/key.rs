//! Keys: a kind, an underscore and 32 random bytes. Full entropy, so a plain SHA-256 stores them safely.

use chassis::seal::{random_secret, sha256_hex};
use chassis::{Error, Result};
use kernel::Timestamp;
use secrecy::{ExposeSecret, SecretString};

/// Whose key it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    User,
    Service,
    Node,
}

impl Kind {
    const ALL: [Self; 3] = [Self::User, Self::Service, Self::Node];

    /// How it is written in the database and before the key.
    pub(crate) const fn prefix(self) -> &'static str {
        match self {
            Self::User => "qk",
            Self::Service => "qs",
            Self::Node => "qn",
        }
    }

    pub(crate) fn parse(prefix: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.prefix() == prefix)
    }
}

/// A new key of this kind.
pub(crate) fn generate(kind: Kind) -> Result<SecretString> {
    let secret = random_secret()?;
    Ok(format!("{}_{}", kind.prefix(), secret.expose_secret()).into())
}

/// How a key is stored and looked up.
pub(crate) fn hash(key: &str) -> String {
    sha256_hex(key)
}

/// Whether a key works at `now`.
pub(crate) fn check_lifetime(
    expires_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<()> {
    if let Some(at) = revoked_at {
        return Err(Error::Unauthenticated(format!(
            "the key was revoked at {at}; create a new one"
        )));
    }
    match expires_at {
        Some(at) if at <= now => Err(Error::Unauthenticated(format!(
            "the key expired at {at}; create a new one"
        ))),
        _ => Ok(()),
    }
}

/// Areas that scopes can name.
const AREAS: [&str; 7] = [
    "identity",
    "inventory",
    "volume",
    "scheduler",
    "notebook",
    "billing",
    "journal",
];

/// Checks the scopes of a new key; none given = all that the user may do.
pub(crate) fn scopes(asked: Vec<String>) -> Result<Vec<String>> {
    if asked.is_empty() {
        return Ok(vec!["*".to_owned()]);
    }
    for scope in &asked {
        let known = scope == "*"
            || scope.split_once(':').is_some_and(|(area, verb)| {
                AREAS.contains(&area) && (verb == "read" || verb == "write")
            });
        if !known {
            let shown: String = scope.chars().take(40).collect();
            let allowed = AREAS.join(", ");
            let problem = format!(
                "{shown:?} is unknown; use \"*\" or AREA:read or AREA:write with AREA one of {allowed}"
            );
            return Err(Error::invalid("scopes", problem));
        }
    }
    Ok(asked)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use kernel::time::from_micros;

    use super::*;

    #[test]
    fn keys_say_their_kind_and_differ() {
        for kind in Kind::ALL {
            let (one, two) = (generate(kind).unwrap(), generate(kind).unwrap());
            assert_ne!(one.expose_secret(), two.expose_secret());
            let prefix = one.expose_secret().split('_').next().unwrap();
            assert_eq!(Kind::parse(prefix), Some(kind));
        }
    }

    #[test]
    fn keys_end() {
        let now = from_micros(1_000_000);
        let (before, after) = (now - TimeDelta::seconds(1), now + TimeDelta::seconds(1));
        assert!(check_lifetime(None, None, now).is_ok());
        assert!(check_lifetime(Some(after), None, now).is_ok());
        assert!(check_lifetime(Some(now), None, now).is_err());
        assert!(check_lifetime(Some(after), Some(before), now).is_err());
    }

    #[test]
    fn scopes_are_known_ones() {
        assert_eq!(scopes(Vec::new()).unwrap(), ["*"]);
        assert!(scopes(vec!["notebook:write".to_owned(), "billing:read".to_owned()]).is_ok());
        for wrong in ["notebook", "notebook:admin", "nothing:read", ""] {
            assert!(scopes(vec![wrong.to_owned()]).is_err(), "{wrong}");
        }
    }
}
