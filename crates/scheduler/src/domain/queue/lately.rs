//! What queues used lately, by their names: kept while queues come and go, and counted anew when nobody has kept it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::amount::Amount;
use super::book::{Book, Owner};

/// The means of what queues used, by their names (`share`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lately {
    at_ms: u64,
    /// The bits of the means: decimal digits would not come back exactly.
    means: BTreeMap<String, u64>,
}

/// Work that had something for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) owner: Owner,
    pub(crate) amount: Amount,
    pub(crate) from_ms: u64,
    pub(crate) until_ms: u64,
}

impl Lately {
    pub(super) fn new<'a>(at_ms: u64, means: impl Iterator<Item = (&'a String, f64)>) -> Self {
        let means = means.map(|(name, mean)| (name.clone(), mean.to_bits()));
        Self {
            at_ms,
            means: means.collect(),
        }
    }

    pub(super) fn at_ms(&self) -> u64 {
        self.at_ms
    }

    pub(super) fn mean(&self, name: &str) -> f64 {
        self.means.get(name).copied().map_or(0.0, f64::from_bits)
    }

    /// What these left behind until `now_ms`, in a cluster of `total`. Each span counts by its own dominant share: the sum is more
    /// than what a queue counts as it goes where spans of one queue have most of different kinds.
    ///
    /// # Errors
    /// What `Book::grow` refuses.
    pub(crate) fn of_spans(
        book: &Book,
        spans: &[Span],
        total: Amount,
        half_life_ms: u64,
        now_ms: u64,
    ) -> Result<Self, String> {
        let owners: BTreeSet<Owner> = spans.iter().map(|span| span.owner.clone()).collect();
        let grown = book.grow(&owners, total)?;
        let mut means = vec![0.0; grown.names.len()];
        let kept = |at_ms: u64| {
            let passed = now_ms.saturating_sub(at_ms) as f64;
            (-passed / half_life_ms.max(1) as f64).exp2()
        };
        for span in spans {
            let Some(leaf) = grown.leaves.get(&span.owner) else {
                continue;
            };
            let part = kept(span.until_ms) - kept(span.from_ms.min(span.until_ms));
            let used = span.amount.dominant_of(total) * part;
            // On a cluster without nodes everything is an infinite part of it.
            for at in grown.tree.path(*leaf).filter(|_| used.is_finite()) {
                if let Some(mean) = means.get_mut(at) {
                    *mean += used;
                }
            }
        }
        Ok(Self::new(now_ms, grown.names.iter().zip(means)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Usage;
    use super::*;

    fn owner(team: &str) -> Owner {
        Owner {
            team_id: team.to_owned(),
            project_id: String::new(),
            free: false,
        }
    }

    #[test]
    fn what_is_counted_anew_is_what_was_counted_as_it_went() {
        let total = Amount::gpus(8);
        let book = Book::default();
        let owners = [owner("a"), owner("b")].into_iter().collect();
        let grown = book.grow(&owners, total).unwrap();
        let mut usage = Usage::of(&Lately::default(), &grown.names, 1_000);
        let held = |a: u32, b: u32| [Amount::gpus(a), Amount::gpus(b)];
        // One holds 4 from 1 s to 3 s, the other 2 from 2 s on.
        usage.advance(1_000, &held(0, 0), total);
        usage.advance(2_000, &held(4, 0), total);
        usage.advance(3_000, &held(4, 2), total);
        usage.advance(5_000, &held(0, 2), total);
        let span = |team: &str, gpus, from_ms, until_ms| Span {
            owner: owner(team),
            amount: Amount::gpus(gpus),
            from_ms,
            until_ms,
        };
        let spans = [span("a", 4, 1_000, 3_000), span("b", 2, 2_000, 5_000)];
        let anew = Lately::of_spans(&book, &spans, total, 1_000, 5_000).unwrap();
        let kept = usage.by_name(&grown.names);
        assert_eq!(anew.at_ms(), kept.at_ms());
        for name in &grown.names {
            let (anew, kept) = (anew.mean(name), kept.mean(name));
            assert!((anew - kept).abs() < 1e-9, "{name}: {anew} {kept}");
            assert!(kept > 0.01, "{name}: {kept}");
        }
    }
}
