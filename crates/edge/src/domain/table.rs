//! The routes that are known, and what replaces what.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bus::Route;
use chrono::TimeDelta;
use kernel::Timestamp;

/// How long a route must have been missing from the bucket before that is believed: a bucket that was wiped with the server's
/// folder is filled again by its owner, and notebooks answer meanwhile. A removal proper is believed at once.
pub(crate) const MISSING: TimeDelta = TimeDelta::seconds(120);

/// The routes that are known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    routes: HashMap<String, Known>,
}

#[derive(Clone, Debug)]
struct Known {
    route: Arc<Route>,
    missing_since: Option<Timestamp>,
}

impl Table {
    /// The route with this id.
    pub(crate) fn get(&self, id: &str) -> Option<Arc<Route>> {
        self.routes.get(id).map(|known| known.route.clone())
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.routes.values().map(|known| &known.route)
    }

    /// Takes a route in unless the known one is as new or newer; tells whether other tokens open it now.
    pub(crate) fn put(&mut self, route: Route) -> bool {
        match self.routes.get_mut(&route.id) {
            Some(known) => {
                known.missing_since = None;
                if known.route.revision >= route.revision {
                    return false;
                }
                let rotated = known.route.token_sha256 != route.token_sha256
                    || known.route.shares != route.shares;
                known.route = Arc::new(route);
                rotated
            }
            None => {
                let known = Known {
                    route: Arc::new(route),
                    missing_since: None,
                };
                self.routes.insert(known.route.id.clone(), known);
                false
            }
        }
    }

    /// Takes a route out.
    pub(crate) fn remove(&mut self, id: &str) {
        self.routes.remove(id);
    }

    /// Takes a whole reading of the bucket in; tells whether another token opens one of them now.
    pub(crate) fn absorb(&mut self, reading: Vec<Route>, now: Timestamp) -> bool {
        let present: HashSet<String> = reading.iter().map(|route| route.id.clone()).collect();
        self.routes.retain(|id, known| {
            if present.contains(id) {
                return true;
            }
            now - *known.missing_since.get_or_insert(now) < MISSING
        });
        let mut rotated = false;
        for route in reading {
            rotated |= self.put(route);
        }
        rotated
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use kernel::time::from_micros;
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn route(id: &str, revision: u64) -> Route {
        Route {
            id: id.to_owned(),
            running: true,
            state: "Running".to_owned(),
            reason: String::new(),
            target: None,
            note: String::new(),
            idle: bus::RouteIdle::default(),
            token_sha256: String::new(),
            shares: Vec::new(),
            revision,
        }
    }

    fn at(seconds: i64) -> Timestamp {
        from_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_wiped_bucket_is_not_believed_at_once_but_a_removal_is() {
        let mut table = Table::default();
        table.absorb(vec![route("a", 1), route("b", 1)], at(0));
        table.absorb(vec![route("b", 1)], at(1_000));
        assert!(table.get("a").is_some());
        table.absorb(vec![route("b", 1)], at(1_119));
        assert!(table.get("a").is_some());
        table.absorb(vec![route("a", 1), route("b", 1)], at(1_120));
        table.absorb(vec![route("b", 1)], at(1_130));
        assert!(table.get("a").is_some(), "it had come back in between");
        table.absorb(vec![route("b", 1)], at(1_250));
        assert!(table.get("a").is_none());
        table.remove("b");
        assert_eq!(table.all().count(), 0);
        table.put(route("b", 1));
        assert!(table.get("b").is_some());
    }

    #[test]
    fn another_token_is_told_once_and_only_for_what_was_known() {
        let with = |revision, token: &str| Route {
            token_sha256: token.to_owned(),
            ..route("a", revision)
        };
        let mut table = Table::default();
        assert!(!table.put(with(1, "one")));
        assert!(!table.put(with(2, "one")));
        assert!(table.absorb(vec![with(3, "two")], at(0)));
        assert!(!table.put(with(3, "two")));
        assert!(!table.put(with(2, "one")), "old news");
        assert!(table.put(with(4, "three")));
    }

    proptest! {
        #[test]
        fn revisions_never_go_back(revisions in prop::collection::vec((any::<bool>(), 0_u64..20), 1..40)) {
            let mut table = Table::default();
            let mut highest = 0;
            for (seconds, (whole, revision)) in revisions.into_iter().enumerate() {
                highest = highest.max(revision);
                if whole {
                    table.absorb(vec![route("a", revision)], at(i64::try_from(seconds).unwrap()));
                } else {
                    table.put(route("a", revision));
                }
                prop_assert_eq!(table.get("a").unwrap().revision, highest);
            }
        }
    }
}
