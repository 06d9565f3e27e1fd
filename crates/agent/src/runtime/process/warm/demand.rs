//! How many finished sandboxes each environment should have waiting, from when notebooks were started in it. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// An environment that was used within this time keeps a sandbox: a week.
const RECENT_MICROS: i64 = 7 * 24 * 3_600 * 1_000_000;
/// Starts this close to each other meet the same sandboxes: about as long as it takes until the next ones are ready.
const BURST_MICROS: i64 = 20 * 1_000_000;
/// A burst is prepared for this long after it was seen.
const REMEMBERED_MICROS: i64 = 15 * 60 * 1_000_000;
/// Starts that are remembered of one environment.
const MAX_STARTS: usize = 64;
/// Environments that are remembered.
const MAX_ENVIRONMENTS: usize = 32;

/// When notebooks were started in each environment, by its digest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Demand {
    environments: BTreeMap<String, Used>,
}

/// The use of one environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Used {
    /// What people call it.
    name: String,
    /// Starts by the calendar, in microseconds, in the order in which they came.
    starts: Vec<i64>,
}

impl Used {
    fn last(&self) -> i64 {
        self.starts.last().copied().unwrap_or(i64::MIN)
    }

    /// The most starts that came at once and are remembered; at least one.
    fn burst(&self, now: i64) -> u32 {
        let remembered = |at: &&i64| now.saturating_sub(**at) < REMEMBERED_MICROS;
        let starts: Vec<i64> = self.starts.iter().filter(remembered).copied().collect();
        let together = |first: &i64| {
            let with = |at: &&i64| (0..BURST_MICROS).contains(&at.saturating_sub(*first));
            starts.iter().filter(with).count()
        };
        let most = starts.iter().map(together).max().unwrap_or(0);
        u32::try_from(most).unwrap_or(u32::MAX).max(1)
    }
}

impl Demand {
    /// A notebook is started now.
    pub(super) fn note(&mut self, digest: &str, name: &str, now: i64) {
        let used = self.environments.entry(digest.to_owned()).or_default();
        name.clone_into(&mut used.name);
        used.starts.push(now);
        let surplus = used.starts.len().saturating_sub(MAX_STARTS);
        used.starts.drain(..surplus);
        while self.environments.len() > MAX_ENVIRONMENTS {
            let oldest = self.environments.iter().min_by_key(|(_, used)| used.last());
            let Some(oldest) = oldest.map(|(digest, _)| digest.clone()) else {
                return;
            };
            self.environments.remove(&oldest);
        }
    }

    /// What people call an environment.
    pub(super) fn name(&self, digest: &str) -> &str {
        self.environments
            .get(digest)
            .map_or("", |used| used.name.as_str())
    }

    /// How many sandboxes should wait in each environment, `most` in all. First each gets one, those used last before others,
    /// then as many as came at once.
    pub(super) fn wanted(&self, now: i64, most: u32) -> BTreeMap<String, u32> {
        let recent = |used: &Used| now.saturating_sub(used.last()) < RECENT_MICROS;
        let mut used: Vec<_> = self
            .environments
            .iter()
            .filter(|(_, used)| recent(used))
            .collect();
        used.sort_by_key(|(_, used)| std::cmp::Reverse(used.last()));
        let (mut wanted, mut left) = (BTreeMap::<String, u32>::new(), most);
        for round in 1..=most {
            for (digest, used) in &used {
                if left > 0 && used.burst(now) >= round {
                    *wanted.entry((*digest).clone()).or_default() += 1;
                    left -= 1;
                }
            }
        }
        wanted
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: i64 = 1_000_000;

    fn demand(starts: &[(&str, i64)]) -> Demand {
        let mut demand = Demand::default();
        for (digest, at) in starts {
            demand.note(digest, "python", at * SECOND);
        }
        demand
    }

    fn wanted(starts: &[(&str, i64)], now: i64, most: u32) -> Vec<(String, u32)> {
        let wanted = demand(starts).wanted(now * SECOND, most);
        wanted.into_iter().collect()
    }

    fn of(digest: &str, count: u32) -> Vec<(String, u32)> {
        vec![(digest.to_owned(), count)]
    }

    #[test]
    fn one_waits_where_one_was_used_and_more_after_a_burst() {
        assert_eq!(wanted(&[], 0, 4), []);
        assert_eq!(wanted(&[("a", 0)], 1, 4), of("a", 1));
        assert_eq!(wanted(&[("a", 0), ("a", 100)], 101, 4), of("a", 1));
        let burst = [("a", 0), ("a", 1), ("a", 2)];
        assert_eq!(wanted(&burst, 3, 4), of("a", 3));
        assert_eq!(
            wanted(&burst, 3, 2),
            of("a", 2),
            "no more than the operator allows"
        );
        assert_eq!(wanted(&burst, 3_600, 4), of("a", 1), "it shrinks");
        assert_eq!(wanted(&burst, 8 * 24 * 3_600, 4), [], "and goes");
    }

    #[test]
    fn every_environment_comes_before_the_second_of_one() {
        let starts = [("a", 0), ("a", 1), ("b", 2)];
        let both = vec![("a".to_owned(), 1), ("b".to_owned(), 1)];
        assert_eq!(wanted(&starts, 3, 2), both);
        assert_eq!(wanted(&starts, 3, 1), of("b", 1), "the one used last");
    }

    proptest! {
        #[test]
        fn never_more_than_allowed_and_never_less_with_more_allowed(
            mut starts in prop::collection::vec((0..6_u8, 0..2_000_i64), 0..80),
            most in 0..8_u32,
            later in 0..1_000_000_i64,
        ) {
            starts.sort_by_key(|(_, at)| *at);
            let mut demand = Demand::default();
            for (digest, at) in &starts {
                demand.note(&digest.to_string(), "python", at * SECOND);
            }
            let now = (2_000 + later) * SECOND;
            let wanted = demand.wanted(now, most);
            prop_assert!(wanted.values().sum::<u32>() <= most);
            prop_assert!(wanted.values().all(|count| *count > 0));
            let more = demand.wanted(now, most + 1);
            for (digest, count) in &wanted {
                prop_assert!(more.get(digest) >= Some(count));
            }
            let last = starts.last().map(|(digest, _)| digest.to_string());
            let used_last = starts.iter().filter(|(_, at)| Some(*at) == starts.last().map(|(_, at)| *at));
            if most > 0 && used_last.count() == 1 && later < 10_000 {
                prop_assert!(wanted.contains_key(&last.unwrap()), "what was used last is there first");
            }
            prop_assert!(demand.wanted(now + RECENT_MICROS, most).is_empty());
        }
    }
}
