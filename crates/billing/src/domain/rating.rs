//! Rating: what is owed for an attempt, and what is still to be posted. The key of a charge is (attempt, dimension, price
//! version); its total is computed on the running time, floored once, and each posting is that total less what was posted before.

use std::collections::BTreeMap;

use kernel::Micros;
use kernel::money::OutOfRange;

use super::price::Slice;

/// The one dimension so far: time on a machine.
pub(crate) const COMPUTE: &str = "compute";

/// What brings one key up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Posting {
    /// Version of the price: with the attempt and the dimension, the key.
    pub(crate) version: u32,
    /// Whole milliseconds at this version so far.
    pub(crate) milliseconds: u64,
    /// What they cost.
    pub(crate) total: Micros,
    /// The total less what was posted; negative where a later fact took time away, 0 where the key was right.
    pub(crate) amount: Micros,
}

/// What brings the keys of one attempt up to date, which ran for `slices` and for which `posted` is posted by version. A key whose
/// time is gone is taken back to 0.
///
/// # Errors
/// [`OutOfRange`] when an amount does not fit.
pub(crate) fn postings(
    slices: &[Slice],
    posted: &BTreeMap<u32, Micros>,
) -> Result<Vec<Posting>, OutOfRange> {
    let mut postings = Vec::with_capacity(slices.len());
    for slice in slices {
        let total = slice.charge()?;
        let before = posted.get(&slice.version).copied().unwrap_or_default();
        let amount = total.minus(before)?;
        postings.push(Posting {
            version: slice.version,
            milliseconds: slice.milliseconds(),
            total,
            amount,
        });
    }
    for (version, before) in posted {
        if slices.iter().all(|slice| slice.version != *version) {
            let amount = Micros(0).minus(*before)?;
            postings.push(Posting {
                version: *version,
                milliseconds: 0,
                total: Micros(0),
                amount,
            });
        }
    }
    Ok(postings)
}

#[cfg(test)]
mod tests {
    use kernel::time::from_micros;
    use proptest::prelude::*;

    use super::super::price::tests::book;
    use super::*;

    /// Posts as the service does, each time up to another instant, and keeps the running totals.
    fn post_in_steps(
        changes: &[(i64, i64)],
        from: i64,
        steps: &[i64],
    ) -> (BTreeMap<u32, Micros>, i64) {
        let book = book(changes);
        let (mut posted, mut sum) = (BTreeMap::new(), 0);
        for until in steps {
            let slices = book.slices("M", from_micros(from), from_micros(*until));
            for posting in postings(&slices, &posted).unwrap() {
                posted.insert(posting.version, posting.total);
                sum += posting.amount.0;
            }
        }
        (
            posted
                .into_iter()
                .filter(|(_, total)| total.0 != 0)
                .collect(),
            sum,
        )
    }

    proptest! {
        #[test]
        fn slicing_order_and_replays_change_nothing(
            changes in prop::collection::vec((0..100_000_000_000_i64, 0..10_000_000_000_i64), 0..5),
            from in 0..100_000_000_000_i64,
            length in 0..500_000_000_000_i64,
            mut steps in prop::collection::vec(0..800_000_000_000_i64, 0..12),
        ) {
            let until = from + length;
            let once = post_in_steps(&changes, from, &[until]);
            // Any earlier postings, even beyond the end, in any order and repeated, then the truth.
            steps.extend([until, until]);
            prop_assert_eq!(&post_in_steps(&changes, from, &steps), &once);
            prop_assert_eq!(once.0.values().map(|total| total.0).sum::<i64>(), once.1);
        }

        #[test]
        fn a_price_set_late_is_charged_from_when_it_was_in_force(
            first in 0..10_000_000_000_i64,
            second in 0..10_000_000_000_i64,
            change in 0..1_000_000_i64,
        ) {
            prop_assume!(first != second);
            let end = from_micros(900_000);
            let old = book(&[(0, first)]).slices("M", from_micros(0), end);
            let new = book(&[(0, first), (change, second)]).slices("M", from_micros(0), end);
            let mut posted = BTreeMap::new();
            for slices in [&old, &new] {
                for posting in postings(slices, &posted.clone()).unwrap() {
                    posted.insert(posting.version, posting.total);
                }
            }
            for slice in &new {
                prop_assert_eq!(posted[&slice.version], slice.charge().unwrap());
            }
        }
    }
}
