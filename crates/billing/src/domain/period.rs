//! Calendar months (UTC) and windows of time.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike as _, NaiveDate};
use kernel::Timestamp;

/// A calendar month in UTC, counted from January of the year 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Month(i32);

/// The time from `from` until before `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// The first instant inside.
    pub(crate) from: Timestamp,
    /// The first instant behind.
    pub(crate) to: Timestamp,
}

impl Month {
    /// The month that `time` lies in.
    pub(crate) fn containing(time: Timestamp) -> Self {
        let month0 = i32::try_from(time.month0()).unwrap_or(0);
        Self(time.year() * 12 + month0)
    }

    /// The month after this one.
    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// Its first instant.
    pub(crate) fn start(self) -> Timestamp {
        NaiveDate::from_ymd_opt(self.year(), self.number(), 1)
            .and_then(|day| day.and_hms_opt(0, 0, 0))
            .map_or(DateTime::UNIX_EPOCH, |midnight| midnight.and_utc())
    }

    /// All of it.
    pub(crate) fn window(self) -> Window {
        Window {
            from: self.start(),
            to: self.next().start(),
        }
    }

    /// The months that the time from the earlier to the later of two instants touches.
    pub(crate) fn touched(a: Timestamp, b: Timestamp) -> impl Iterator<Item = Self> {
        (Self::containing(a.min(b)).0..=Self::containing(a.max(b)).0).map(Self)
    }

    fn year(self) -> i32 {
        self.0.div_euclid(12)
    }

    fn number(self) -> u32 {
        u32::try_from(self.0.rem_euclid(12) + 1).unwrap_or(1)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year(), self.number())
    }
}

/// A text is not a month.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a month; expected YYYY-MM between 1970-01 and 9999-12, such as 2026-01")]
pub(crate) struct ParseMonthError(String);

impl FromStr for Month {
    type Err = ParseMonthError;

    fn from_str(text: &str) -> Result<Self, ParseMonthError> {
        let digits = |part: &str, length: usize| -> Option<i32> {
            let well_formed =
                part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
            well_formed.then(|| part.parse().ok()).flatten()
        };
        text.split_once('-')
            .and_then(|(year, month)| Some((digits(year, 4)?, digits(month, 2)?)))
            .filter(|(year, month)| *year >= 1970 && (1..=12).contains(month))
            .map(|(year, month)| Self(year * 12 + month - 1))
            .ok_or_else(|| ParseMonthError(text.chars().take(40).collect()))
    }
}

#[cfg(test)]
mod tests {
    use kernel::time::from_micros;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn months_read_as_they_are_written() {
        for text in ["1970-01", "2026-02", "9999-12"] {
            assert_eq!(text.parse::<Month>().unwrap().to_string(), text);
        }
        for wrong in [
            "",
            "2026",
            "2026-13",
            "2026-00",
            "2026-1",
            "26-01",
            "1969-12",
            "2026-01-01",
            "+026-01",
            "٢٠٢٦-01",
        ] {
            let error = wrong.parse::<Month>().unwrap_err().to_string();
            assert!(error.contains(&format!("{wrong:?}")), "{error}");
        }
    }

    #[test]
    fn december_is_followed_by_january() {
        let december: Month = "2025-12".parse().unwrap();
        assert_eq!(december.next().to_string(), "2026-01");
        assert_eq!(
            december.window().to.to_rfc3339(),
            "2026-01-01T00:00:00+00:00"
        );
        let touched: Vec<String> = Month::touched(december.next().start(), december.start())
            .map(|month| month.to_string())
            .collect();
        assert_eq!(touched, ["2025-12", "2026-01"]);
    }

    proptest! {
        #[test]
        fn an_instant_lies_in_exactly_its_month(micros in 0..253_402_300_800_000_000_i64) {
            let time = from_micros(micros);
            let window = Month::containing(time).window();
            prop_assert!(window.from <= time && time < window.to);
        }
    }
}
