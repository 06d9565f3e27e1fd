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

/// The scopes of a new key that a key with the scopes `own` makes: it may not do more. All that it may do when all is asked for.
pub(crate) fn narrowed(own: &[String], asked: Vec<String>) -> Result<Vec<String>> {
    let all = |scopes: &[String]| scopes.iter().any(|scope| scope == "*");
    if all(own) || asked.iter().all(|scope| own.contains(scope)) {
        return Ok(asked);
    }
    if all(&asked) {
        return Ok(own.to_vec());
    }
    Err(Error::Denied(format!(
        "your own key has only the scopes {}",
        own.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use kernel::time::from_micros;
    use proptest::prelude::*;

    use super::*;

    /// A scope that is known.
    fn scope() -> impl Strategy<Value = String> {
        let known = (
            prop::sample::select(&AREAS[..]),
            prop::sample::select(vec!["read", "write"]),
        )
            .prop_map(|(area, verb)| format!("{area}:{verb}"));
        prop_oneof![1 => Just("*".to_owned()), 6 => known]
    }

    fn some_scopes() -> impl Strategy<Value = Vec<String>> {
        prop::collection::vec(scope(), 1..5)
    }

    proptest! {
        /// A key works exactly from its making until it ends or is revoked.
        #[test]
        fn a_key_works_until_it_ends(expires in prop::option::of(0_i64..100), revoked in prop::option::of(0_i64..100), now in 0_i64..100) {
            let at = |second: i64| from_micros(second * 1_000_000);
            let works = check_lifetime(expires.map(at), revoked.map(at), at(now)).is_ok();
            prop_assert_eq!(works, revoked.is_none() && expires.is_none_or(|ends| ends > now));
        }

        /// What is known is taken as it is, nothing means everything, and what is not known is named.
        #[test]
        fn known_scopes_are_taken_as_they_are(asked in some_scopes(), place in 0_usize..5, wrong in "[a-z]{1,12}(:[a-z]{0,8})?") {
            prop_assert_eq!(&scopes(asked.clone()).unwrap(), &asked);
            let known = wrong.split_once(':').is_some_and(|(area, verb)| AREAS.contains(&area) && ["read", "write"].contains(&verb));
            prop_assume!(!known);
            let mut all = asked;
            all.insert(place.min(all.len()), wrong.clone());
            prop_assert!(scopes(all).unwrap_err().to_string().contains(&wrong));
        }

        /// No key makes one that may do more, by way of any number of keys between.
        #[test]
        fn no_key_makes_one_that_may_do_more(own in some_scopes(), asked in prop::collection::vec(some_scopes(), 0..4)) {
            let mut held = own.clone();
            for next in asked {
                if let Ok(scopes) = narrowed(&held, next) {
                    held = scopes;
                }
            }
            let everything = own.contains(&"*".to_owned());
            prop_assert!(everything || held.iter().all(|scope| own.contains(scope)), "{own:?} made {held:?}");
        }

        /// What a key may do itself it may also give.
        #[test]
        fn a_key_gives_what_it_has(own in some_scopes(), chosen in prop::collection::vec(any::<prop::sample::Index>(), 1..4)) {
            let asked: Vec<_> = chosen.iter().map(|index| index.get(&own).clone()).collect();
            prop_assert_eq!(narrowed(&own, asked.clone()).unwrap(), asked);
        }
    }

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
    fn scopes_are_known_ones() {
        assert_eq!(scopes(Vec::new()).unwrap(), ["*"]);
        assert!(scopes(vec!["notebook:write".to_owned(), "billing:read".to_owned()]).is_ok());
        for wrong in ["notebook", "notebook:admin", "nothing:read", ""] {
            assert!(scopes(vec![wrong.to_owned()]).is_err(), "{wrong}");
        }
    }
}
