//! Times that people type.

use anyhow::{Result, bail};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use prost_types::Timestamp;

/// A day (its start in UTC) or an instant of RFC 3339.
pub(crate) fn parse(option: &str, text: &str) -> Result<Timestamp> {
    let instant = DateTime::parse_from_rfc3339(text)
        .map(|time| time.with_timezone(&Utc))
        .ok();
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .ok()
        .map(|day| day.and_time(NaiveTime::MIN).and_utc());
    match instant.or(day) {
        Some(time) => Ok(contracts::to_wire_time(time)),
        None => {
            bail!("--{option}: {text:?} is not a time; write 2026-11-01 or 2026-11-01T12:00:00Z")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_instants() {
        assert_eq!(parse("from", "1970-01-02").unwrap().seconds, 86_400);
        assert_eq!(
            parse("from", "1970-01-01T01:00:00+01:00").unwrap().seconds,
            0
        );
        let error = parse("from", "yesterday").unwrap_err().to_string();
        assert!(
            error.contains("--from") && error.contains("2026-11-01"),
            "{error}"
        );
    }
}
