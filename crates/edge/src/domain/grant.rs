//! What a token opens: the notebook's own everything, one of a share what the share allows, until it is over.

use bus::{Route, RouteShare};
use kernel::Timestamp;
use sha2::{Digest as _, Sha256};

/// How far a token opens a notebook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grant {
    /// Everything.
    Use,
    /// What [`super::view`] allows.
    View,
}

/// A token that opens, as its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) token_sha256: String,
    pub(crate) grant: Grant,
    /// Until when; `None` = as long as the route has it.
    pub(crate) until: Option<Timestamp>,
}

/// The key that `token` is at `now`; `None` when it opens nothing. Takes the same time wherever digests differ.
pub(crate) fn key_of(route: &Route, token: &[u8], now: Timestamp) -> Option<Key> {
    let digest: String = Sha256::digest(token)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    keys(route).find(|key| key.is_in_force(now) && is_same(&digest, &key.token_sha256))
}

/// Whether the route still has this key.
pub(crate) fn has(route: &Route, key: &Key) -> bool {
    keys(route).any(|known| known == *key)
}

fn keys(route: &Route) -> impl Iterator<Item = Key> {
    let own = Key {
        token_sha256: route.token_sha256.clone(),
        grant: Grant::Use,
        until: None,
    };
    std::iter::once(own).chain(route.shares.iter().map(Key::of))
}

impl Key {
    fn of(share: &RouteShare) -> Self {
        Self {
            token_sha256: share.token_sha256.clone(),
            grant: if share.view_only {
                Grant::View
            } else {
                Grant::Use
            },
            until: share.expires_at,
        }
    }

    fn is_in_force(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

fn is_same(digest: &str, known: &str) -> bool {
    let difference = digest
        .bytes()
        .zip(known.bytes())
        .fold(0, |difference, (ours, theirs)| {
            difference | (ours ^ theirs.to_ascii_lowercase())
        });
    digest.len() == known.len() && difference == 0
}

#[cfg(test)]
mod tests {
    use kernel::time::from_micros;

    use super::super::table::tests::route;
    use super::*;

    // Of "open".
    const DIGEST: &str = "2348f998744212575d85959674f9607ab26f67708a917157472832386337c904";

    fn shared(view_only: bool, expires_at: Option<Timestamp>) -> Route {
        Route {
            token_sha256: "0".repeat(64),
            shares: vec![RouteShare {
                token_sha256: DIGEST.to_owned(),
                view_only,
                expires_at,
            }],
            ..route("a", 1)
        }
    }

    #[test]
    fn each_token_opens_what_it_is_for_until_it_is_over() {
        let (now, later) = (from_micros(5), from_micros(10));
        let own = Route {
            token_sha256: DIGEST.to_uppercase(),
            ..route("a", 1)
        };
        let grant = |route: &Route, now| key_of(route, b"open", now).map(|key| key.grant);
        assert_eq!(grant(&own, now), Some(Grant::Use));
        assert_eq!(grant(&shared(false, None), now), Some(Grant::Use));
        assert_eq!(grant(&shared(true, Some(later)), now), Some(Grant::View));
        assert_eq!(grant(&shared(true, Some(later)), later), None);
        assert_eq!(key_of(&own, b"Open", now), None);
        for digest in ["", &DIGEST[..63]] {
            let wrong = Route {
                token_sha256: digest.to_owned(),
                ..route("a", 1)
            };
            assert_eq!(key_of(&wrong, b"open", now), None);
            assert_eq!(key_of(&wrong, b"", now), None);
        }
    }

    #[test]
    fn a_key_that_allows_something_else_now_is_another() {
        let now = from_micros(5);
        let before = shared(false, None);
        let key = key_of(&before, b"open", now).unwrap();
        assert!(has(&before, &key));
        assert!(!has(&shared(true, None), &key));
        assert!(!has(&shared(false, Some(from_micros(9))), &key));
        assert!(!has(&route("a", 1), &key));
    }
}
