//! The price book: each machine type has versions of its price, each in force until the next begins. A type without a price, and
//! the time before its first version, cost nothing: rate 0, version 0.

use std::collections::BTreeMap;

use kernel::money::OutOfRange;
use kernel::time::milliseconds_between;
use kernel::{Micros, NanosPerHour, Timestamp};

use super::period::Window;

/// Highest price: a million units per hour. With it a thousand years of use fit the 64 bits of an amount.
pub(crate) const MAX_RATE: NanosPerHour = NanosPerHour(1_000_000_000_000_000);

/// One version of a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PriceVersion {
    /// Counts from 1.
    pub(crate) version: u32,
    /// What an hour costs.
    pub(crate) rate: NanosPerHour,
    /// In force from then on.
    pub(crate) valid_from: Timestamp,
}

/// What follows `last` when an operator sets `rate` at `now`; `None` when that rate is in force already, so that asking again
/// changes nothing. Versions never begin before the one that they follow, whatever the clock says.
pub(crate) fn successor(
    last: Option<&PriceVersion>,
    rate: NanosPerHour,
    now: Timestamp,
) -> Option<PriceVersion> {
    let Some(last) = last else {
        return Some(PriceVersion {
            version: 1,
            rate,
            valid_from: now,
        });
    };
    let valid_from = now.max(last.valid_from);
    (last.rate != rate).then(|| PriceVersion {
        version: last.version.saturating_add(1),
        rate,
        valid_from,
    })
}

/// All versions of all prices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PriceBook(BTreeMap<String, Vec<PriceVersion>>);

/// From versions in ascending order per machine type.
impl FromIterator<(String, PriceVersion)> for PriceBook {
    fn from_iter<I: IntoIterator<Item = (String, PriceVersion)>>(versions: I) -> Self {
        let mut book = Self::default();
        for (machine_type, version) in versions {
            book.0.entry(machine_type).or_default().push(version);
        }
        book
    }
}

impl PriceBook {
    /// The newest version of each machine type.
    pub(crate) fn newest(&self) -> impl Iterator<Item = (&str, &PriceVersion)> {
        self.0
            .iter()
            .filter_map(|(machine_type, versions)| Some((machine_type.as_str(), versions.last()?)))
    }

    /// The newest version for `machine_type`.
    pub(crate) fn newest_of(&self, machine_type: &str) -> Option<&PriceVersion> {
        self.0.get(machine_type)?.last()
    }

    /// The name under which `machine_type` has a price, however its letters are written; `None` = it has none.
    pub(crate) fn spelling(&self, machine_type: &str) -> Option<&str> {
        let exact = self.0.get_key_value(machine_type).map(|(name, _)| name);
        let same = |name: &&String| name.eq_ignore_ascii_case(machine_type);
        exact
            .or_else(|| self.0.keys().find(same))
            .map(String::as_str)
    }

    /// The time from `from` until `until`, cut where the price of `machine_type` changes. Without gaps, overlaps or empty slices.
    pub(crate) fn slices(
        &self,
        machine_type: &str,
        from: Timestamp,
        until: Timestamp,
    ) -> Vec<Slice> {
        let unpriced = PriceVersion {
            version: 0,
            rate: NanosPerHour(0),
            valid_from: from,
        };
        let versions = self
            .0
            .get(machine_type)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let starts = std::iter::once(&unpriced).chain(versions);
        let ends = versions
            .iter()
            .map(|next| next.valid_from)
            .chain(std::iter::once(until));
        starts
            .zip(ends)
            .map(|(version, end)| Slice {
                version: version.version,
                rate: version.rate,
                from: version.valid_from.max(from),
                until: end.min(until),
            })
            .filter(|slice| slice.from < slice.until)
            .collect()
    }
}

/// Time at one version of a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slice {
    /// Version of the price; 0 = none.
    pub(crate) version: u32,
    /// What an hour costs.
    pub(crate) rate: NanosPerHour,
    /// From when.
    pub(crate) from: Timestamp,
    /// Until when.
    pub(crate) until: Timestamp,
}

/// The part of a slice that lies in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// From when.
    pub(crate) from: Timestamp,
    /// Until when.
    pub(crate) until: Timestamp,
    /// Whole milliseconds.
    pub(crate) milliseconds: u64,
    /// What they cost.
    pub(crate) amount: Micros,
}

impl Slice {
    /// Whole milliseconds of all of it.
    pub(crate) fn milliseconds(&self) -> u64 {
        self.milliseconds_before(self.until)
    }

    /// What all of it costs.
    ///
    /// # Errors
    /// [`OutOfRange`] when the amount does not fit.
    pub(crate) fn charge(&self) -> Result<Micros, OutOfRange> {
        self.rate.charge(self.milliseconds())
    }

    /// The part in `window`, `None` when there is none. It is what the slice had cost at the window's end less what it had cost at
    /// its start, so the parts of adjacent windows add up to the whole.
    ///
    /// # Errors
    /// [`OutOfRange`] when the amount does not fit.
    pub(crate) fn part(&self, window: Window) -> Result<Option<Part>, OutOfRange> {
        let (from, until) = (self.from.max(window.from), self.until.min(window.to));
        if from >= until {
            return Ok(None);
        }
        let (before, after) = (
            self.milliseconds_before(from),
            self.milliseconds_before(until),
        );
        let amount = self.rate.charge(after)?.minus(self.rate.charge(before)?)?;
        Ok(Some(Part {
            from,
            until,
            milliseconds: after - before,
            amount,
        }))
    }

    fn milliseconds_before(&self, time: Timestamp) -> u64 {
        milliseconds_between(self.from, time)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use kernel::time::from_micros;
    use proptest::prelude::*;

    use super::*;

    /// A book of one machine type, "M", whose prices change after each of the given numbers of microseconds.
    pub(crate) fn book(changes: &[(i64, i64)]) -> PriceBook {
        let mut last: Option<PriceVersion> = None;
        let mut at = 0;
        let mut versions = Vec::new();
        for (after, nanos) in changes {
            at += after;
            if let Some(next) = successor(last.as_ref(), NanosPerHour(*nanos), from_micros(at)) {
                versions.push(("M".to_owned(), next));
                last = Some(next);
            }
        }
        versions.into_iter().collect()
    }

    #[test]
    fn a_change_of_price_cuts_the_time() {
        let book = book(&[(100, 5), (100, 7)]);
        let at = from_micros;
        let slice = |version, nanos, from, until| Slice {
            version,
            rate: NanosPerHour(nanos),
            from: at(from),
            until: at(until),
        };
        let all = [
            slice(0, 0, 50, 100),
            slice(1, 5, 100, 200),
            slice(2, 7, 200, 300),
        ];
        assert_eq!(book.slices("M", at(50), at(300)), all);
        assert_eq!(book.slices("M", at(120), at(150)), [slice(1, 5, 120, 150)]);
        assert_eq!(book.slices("other", at(1), at(2)), [slice(0, 0, 1, 2)]);
        assert!(book.slices("M", at(150), at(150)).is_empty());
        assert!(book.slices("M", at(150), at(120)).is_empty());
    }

    #[test]
    fn the_same_price_again_is_no_new_version_and_clocks_do_not_turn_back() {
        let at = from_micros;
        let first = successor(None, NanosPerHour(5), at(10)).unwrap();
        assert_eq!(first.version, 1);
        assert_eq!(successor(Some(&first), NanosPerHour(5), at(20)), None);
        let second = successor(Some(&first), NanosPerHour(6), at(3)).unwrap();
        assert_eq!((second.version, second.valid_from), (2, at(10)));
    }

    proptest! {
        #[test]
        fn slices_cover_the_time_once(
            changes in prop::collection::vec((0..5_000_000_i64, 0..1_000_000_000_i64), 0..6),
            from in 0..20_000_000_i64,
            length in 0..20_000_000_i64,
        ) {
            let (from, until) = (from_micros(from), from_micros(from + length));
            let slices = book(&changes).slices("M", from, until);
            let mut at = from;
            for slice in &slices {
                prop_assert_eq!(slice.from, at);
                prop_assert!(slice.until > slice.from);
                at = slice.until;
            }
            prop_assert_eq!(at, until.max(from));
        }

        #[test]
        fn adjacent_windows_add_up(
            rate in 0..10_000_000_000_i64,
            length in 1..10_000_000_000_i64,
            mut cuts in prop::collection::vec(-1_000_000..11_000_000_000_i64, 0..8),
        ) {
            let start = 1_000_000_000_i64;
            let slice = Slice { version: 1, rate: NanosPerHour(rate), from: from_micros(start), until: from_micros(start + length) };
            cuts.extend([-2_000_000, 12_000_000_000]);
            cuts.sort_unstable();
            let (mut milliseconds, mut amount) = (0, 0);
            for pair in cuts.windows(2) {
                let window = Window { from: from_micros(start + pair[0]), to: from_micros(start + pair[1]) };
                if let Some(part) = slice.part(window).unwrap() {
                    milliseconds += part.milliseconds;
                    amount += part.amount.0;
                }
            }
            prop_assert_eq!(milliseconds, slice.milliseconds());
            prop_assert_eq!(amount, slice.charge().unwrap().0);
        }
    }
}
