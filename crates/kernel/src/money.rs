//! Money as integers: amounts in millionths of a currency's unit, rates in billionths of it per hour.
//!
//! A charge is computed on the running total of time at one price, exactly, and floored once. What is still to be posted is
//! that total less what was posted before, so cutting the time into slices cannot change what is owed.

use std::fmt;

/// Milliseconds in an hour.
const MS_PER_HOUR: i128 = 3_600_000;
/// Billionths in a millionth.
const NANOS_PER_MICRO: i128 = 1_000;
/// Millionths in the minor unit (a cent) of a currency with two decimals.
const MICROS_PER_MINOR: i64 = 10_000;

/// An amount in millionths of a currency's unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(pub i64);

/// A rate in billionths of a currency's unit per hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NanosPerHour(pub i64);

/// A sum of money does not fit 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an amount of money is out of range")]
pub struct OutOfRange;

impl NanosPerHour {
    /// What `milliseconds` cost at this rate: `floor(rate * ms / 3,600,000 / 1,000)` micro-units, without an error in between.
    ///
    /// # Errors
    /// [`OutOfRange`] when the amount does not fit.
    pub fn charge(self, milliseconds: u64) -> Result<Micros, OutOfRange> {
        let exact = i128::from(self.0) * i128::from(milliseconds);
        i64::try_from(exact.div_euclid(MS_PER_HOUR * NANOS_PER_MICRO))
            .map(Micros)
            .map_err(|_| OutOfRange)
    }
}

impl Micros {
    /// The sum, or [`OutOfRange`].
    ///
    /// # Errors
    /// [`OutOfRange`] when it does not fit.
    pub fn plus(self, other: Self) -> Result<Self, OutOfRange> {
        self.0.checked_add(other.0).map(Self).ok_or(OutOfRange)
    }

    /// The difference, or [`OutOfRange`].
    ///
    /// # Errors
    /// [`OutOfRange`] when it does not fit.
    pub fn minus(self, other: Self) -> Result<Self, OutOfRange> {
        self.0.checked_sub(other.0).map(Self).ok_or(OutOfRange)
    }

    /// Rounded to the minor unit, halves to even, so that many roundings do not drift.
    pub fn rounded_to_minor(self) -> Self {
        let floor = self.0.div_euclid(MICROS_PER_MINOR);
        let rest = self.0.rem_euclid(MICROS_PER_MINOR);
        let up = match rest.cmp(&(MICROS_PER_MINOR / 2)) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Greater => true,
            std::cmp::Ordering::Equal => floor.rem_euclid(2) == 1,
        };
        Self((floor + i64::from(up)).saturating_mul(MICROS_PER_MINOR))
    }
}

impl fmt::Display for Micros {
    /// All six decimals: `0.083000`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let absolute = self.0.unsigned_abs();
        write!(
            f,
            "{sign}{}.{:06}",
            absolute / 1_000_000,
            absolute % 1_000_000
        )
    }
}

impl fmt::Display for NanosPerHour {
    /// At least two decimals, no idle zeros after them: `0.0045`, `5.95`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let absolute = self.0.unsigned_abs();
        let decimals = format!("{:09}", absolute % 1_000_000_000);
        let shown = decimals.trim_end_matches('0').len().max(2);
        let decimals = decimals.get(..shown).unwrap_or(&decimals);
        write!(f, "{sign}{}.{decimals}", absolute / 1_000_000_000)
    }
}

/// Reads a rate such as `0.0045` exactly; at most nine decimals.
impl std::str::FromStr for NanosPerHour {
    type Err = ParseRateError;

    fn from_str(text: &str) -> Result<Self, ParseRateError> {
        let error = || ParseRateError(text.chars().take(40).collect());
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(decimals) || decimals.len() > 9 {
            return Err(error());
        }
        let whole: i64 = whole.parse().map_err(|_| error())?;
        let decimals: i64 = format!("{decimals:0<9}").parse().map_err(|_| error())?;
        whole
            .checked_mul(1_000_000_000)
            .and_then(|nanos| nanos.checked_add(decimals))
            .map(Self)
            .ok_or_else(error)
    }
}

/// A text is not a rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a price per hour: expected a number such as 0.0045, 0 or more, with at most nine decimals"
)]
pub struct ParseRateError(pub String);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_hour_costs_the_rate() {
        let rate: NanosPerHour = "0.0045".parse().unwrap();
        assert_eq!(rate.charge(3_600_000), Ok(Micros(4_500)));
        assert_eq!(Micros(4_500).to_string(), "0.004500");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(NanosPerHour(i64::MAX).charge(u64::MAX), Err(OutOfRange));
        assert_eq!(Micros(i64::MAX).plus(Micros(1)), Err(OutOfRange));
    }

    #[test]
    fn rates_read_as_they_are_written() {
        for text in ["0.00", "0.0045", "5.95", "23.80", "0.000000001"] {
            assert_eq!(text.parse::<NanosPerHour>().unwrap().to_string(), text);
        }
        for wrong in [
            "",
            "-1",
            "1.0000000001",
            "1e3",
            ".5",
            "99999999999999",
            "1.2.3",
            "٣",
        ] {
            assert!(wrong.parse::<NanosPerHour>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn slices_post_what_the_whole_costs(rate in 0..10_000_000_000_i64, slices in prop::collection::vec(0..100_000_000_u64, 1..20)) {
            let rate = NanosPerHour(rate);
            let (mut time, mut posted) = (0, Micros(0));
            for slice in &slices {
                time += slice;
                let posting = rate.charge(time).unwrap().minus(posted).unwrap();
                prop_assert!(posting >= Micros(0));
                posted = posted.plus(posting).unwrap();
            }
            prop_assert_eq!(posted, rate.charge(slices.iter().sum()).unwrap());
        }

        #[test]
        fn rounding_moves_at_most_half_a_minor_unit(micros in -1_000_000_000_000_i64..1_000_000_000_000) {
            let rounded = Micros(micros).rounded_to_minor();
            prop_assert_eq!(rounded.0 % MICROS_PER_MINOR, 0);
            prop_assert!((rounded.0 - micros).abs() <= MICROS_PER_MINOR / 2);
        }
    }
}
