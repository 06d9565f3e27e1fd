//! An invoice: usage summed by machine type and rate, each line rounded once to the currency's minor unit.

use std::collections::BTreeMap;

use kernel::money::OutOfRange;
use kernel::{Micros, NanosPerHour};

use super::period::Window;
use super::price::Slice;

/// A month's usage of one team, by machine type and rate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Invoice(BTreeMap<(String, NanosPerHour), Sum>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    milliseconds: u64,
    exact: Micros,
}

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    /// Machine type.
    pub(crate) machine_type: &'a str,
    /// What an hour costs.
    pub(crate) rate: NanosPerHour,
    /// Whole milliseconds.
    pub(crate) milliseconds: u64,
    /// What they cost, exactly.
    pub(crate) exact: Micros,
    /// The same, rounded to the minor unit.
    pub(crate) amount: Micros,
}

impl Invoice {
    /// Adds what of `slices` lies in `window`.
    ///
    /// # Errors
    /// [`OutOfRange`] when an amount does not fit.
    pub(crate) fn add(
        &mut self,
        machine_type: &str,
        slices: &[Slice],
        window: Window,
    ) -> Result<(), OutOfRange> {
        for slice in slices {
            let Some(part) = slice.part(window)? else {
                continue;
            };
            let sum = self
                .0
                .entry((machine_type.to_owned(), slice.rate))
                .or_default();
            sum.milliseconds = sum
                .milliseconds
                .checked_add(part.milliseconds)
                .ok_or(OutOfRange)?;
            sum.exact = sum.exact.plus(part.amount)?;
        }
        Ok(())
    }

    /// The lines by machine type and rate.
    pub(crate) fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        self.0.iter().map(|((machine_type, rate), sum)| Line {
            machine_type,
            rate: *rate,
            milliseconds: sum.milliseconds,
            exact: sum.exact,
            amount: sum.exact.rounded_to_minor(),
        })
    }

    /// What is to be paid: the sum of the rounded lines.
    ///
    /// # Errors
    /// [`OutOfRange`] when it does not fit.
    pub(crate) fn total(&self) -> Result<Micros, OutOfRange> {
        self.lines()
            .try_fold(Micros(0), |sum, line| sum.plus(line.amount))
    }

    /// The exact sum less what is to be paid.
    ///
    /// # Errors
    /// [`OutOfRange`] when it does not fit.
    pub(crate) fn rounding(&self) -> Result<Micros, OutOfRange> {
        self.lines().try_fold(Micros(0), |sum, line| {
            sum.plus(line.exact.minus(line.amount)?)
        })
    }
}

#[cfg(test)]
mod tests {
    use kernel::time::from_micros;
    use proptest::prelude::*;

    use super::*;

    fn hours(version: u32, nanos: i64, from: i64, until: i64) -> Slice {
        let hour = |hours: i64| from_micros(hours * 3_600_000_000);
        Slice {
            version,
            rate: NanosPerHour(nanos),
            from: hour(from),
            until: hour(until),
        }
    }

    const ALWAYS: Window = Window {
        from: chrono::DateTime::UNIX_EPOCH,
        to: chrono::DateTime::<chrono::Utc>::MAX_UTC,
    };

    #[test]
    fn lines_are_rounded_once_and_the_difference_is_named() {
        let mut invoice = Invoice::default();
        // 0.0045 an hour: three hours cost 0.0135, whichever version of the price they were used at.
        invoice
            .add(
                "C1",
                &[hours(1, 4_500_000, 0, 2), hours(3, 4_500_000, 5, 6)],
                ALWAYS,
            )
            .unwrap();
        invoice
            .add("C5", &[hours(1, 80_000_000, 0, 1)], ALWAYS)
            .unwrap();
        let lines: Vec<_> = invoice.lines().collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(
            (lines[0].machine_type, lines[0].milliseconds),
            ("C1", 10_800_000)
        );
        assert_eq!(
            (lines[0].exact, lines[0].amount),
            (Micros(13_500), Micros(10_000))
        );
        assert_eq!(invoice.total(), Ok(Micros(90_000)));
        assert_eq!(invoice.rounding(), Ok(Micros(3_500)));
    }

    proptest! {
        #[test]
        fn total_and_rounding_make_the_exact_sum(uses in prop::collection::vec((0..4_i64, 0..100_000_000_i64, 1..50_i64), 0..20)) {
            let mut invoice = Invoice::default();
            let mut exact = 0;
            for (kind, nanos, length) in uses {
                let slice = hours(1, nanos, 0, length);
                exact += slice.charge().unwrap().0;
                invoice.add(&format!("C{kind}"), &[slice], ALWAYS).unwrap();
            }
            let total = invoice.total().unwrap();
            prop_assert_eq!(total.0 % 10_000, 0);
            prop_assert_eq!(total.plus(invoice.rounding().unwrap()).unwrap().0, exact);
        }
    }
}
