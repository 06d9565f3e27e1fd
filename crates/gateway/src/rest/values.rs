//! Values that appear in many answers: times, money, and what every answer must have.

use chassis::Error;
use chrono::{NaiveDate, SecondsFormat};
use contracts::common::v1 as wire;
use kernel::{Micros, Timestamp};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::failure::Failure;

/// A time in UTC, ISO 8601 with milliseconds: `2026-01-31T12:00:00.000Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ToSchema)]
#[schema(value_type = String, format = DateTime)]
pub(super) struct Time(pub(super) Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl Time {
    /// A text that orders as (time, `id`) does: the place of an item in a list by time.
    pub(super) fn key(self, id: &str) -> String {
        format!("{:017}.{id}", self.0.timestamp_micros())
    }

    /// A time that a service may leave out.
    pub(super) fn optional(
        field: &'static str,
        time: Option<prost_types::Timestamp>,
    ) -> Result<Option<Self>, Failure> {
        Ok(time
            .map(|time| contracts::from_wire_time(field, time))
            .transpose()?
            .map(Self))
    }

    /// A time that every answer has.
    pub(super) fn required(
        field: &'static str,
        time: Option<prost_types::Timestamp>,
    ) -> Result<Self, Failure> {
        Self::optional(field, time)?.map_or_else(|| absent(field), Ok)
    }

    /// A time that a caller wrote: RFC 3339, or a day, which is its first moment in UTC.
    pub(super) fn parse(field: &'static str, text: &str) -> Result<prost_types::Timestamp, Error> {
        let day = || {
            text.parse::<NaiveDate>()
                .ok()?
                .and_hms_opt(0, 0, 0)
                .map(|time| time.and_utc())
        };
        let exact = chrono::DateTime::parse_from_rfc3339(text)
            .ok()
            .map(|time| time.to_utc());
        let time = exact
            .or_else(day)
            .filter(|time| (0..253_402_300_800).contains(&time.timestamp()));
        time.map(contracts::to_wire_time).ok_or_else(|| {
            let shown: String = text.chars().take(40).collect();
            Error::invalid(
                field,
                format!("{shown:?} is not a time; write 2026-01-31T12:00:00Z or 2026-01-31"),
            )
        })
    }
}

/// An amount of money.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Money {
    /// Millionths of the currency's unit: exact, for programs.
    micros: i64,
    /// ISO 4217 code.
    currency: String,
    /// The same as decimal text, for people.
    #[schema(example = "0.004500")]
    decimal: String,
}

impl Money {
    /// An amount that every answer has.
    pub(super) fn required(
        field: &'static str,
        money: Option<wire::Money>,
    ) -> Result<Self, Failure> {
        Ok(present(field, money)?.into())
    }
}

impl From<wire::Money> for Money {
    fn from(money: wire::Money) -> Self {
        Self {
            micros: money.micros,
            decimal: Micros(money.micros).to_string(),
            currency: money.currency,
        }
    }
}

/// A part of an answer that its contract promises.
pub(super) fn present<T>(field: &'static str, part: Option<T>) -> Result<T, Failure> {
    part.map_or_else(|| absent(field), Ok)
}

fn absent<T>(field: &'static str) -> Result<T, Failure> {
    Err(Error::internal(
        "reading the answer of a service",
        format!("{field} is missing"),
    )
    .into())
}

/// The text, or nothing where it is empty.
pub(super) fn non_empty(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_milliseconds_and_end_with_z() {
        let time = Time(kernel::time::from_micros(1_700_000_000_123_456));
        assert_eq!(
            serde_json::to_string(&time).unwrap(),
            "\"2023-11-14T22:13:20.123Z\""
        );
    }

    #[test]
    fn callers_write_times_or_days() {
        let seconds = |text| Time::parse("from", text).map(|time| time.seconds).ok();
        assert_eq!(seconds("2026-01-31"), Some(1_769_817_600));
        assert_eq!(seconds("2026-01-31T01:00:00+01:00"), seconds("2026-01-31"));
        for wrong in [
            "",
            "yesterday",
            "2026-13-01",
            "1900-01-01",
            "+262142-01-01",
            "2026-01-31T00:00:00",
        ] {
            let error = Time::parse("from", wrong).unwrap_err().to_string();
            assert!(error.starts_with("from: "), "{error}");
        }
    }
}
