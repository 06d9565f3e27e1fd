//! Times that people type.

use anyhow::{Result, bail};
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
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

/// How long ago, such as `30m`, `1h` or `2d`; or what [`parse`] reads.
pub(crate) fn since(option: &str, text: &str, now: DateTime<Utc>) -> Result<Timestamp> {
    match ago(text) {
        Some(ago) => Ok(contracts::to_wire_time(now - ago)),
        None => match parse(option, text) {
            Ok(time) => Ok(time),
            Err(_) => bail!(
                "--{option}: {text:?} is not a time; write 30m, 1h, 2d, 2026-11-01 or 2026-11-01T12:00:00Z"
            ),
        },
    }
}

/// At most ten years: what lies before has no use, and no place in the calendar.
fn ago(text: &str) -> Option<TimeDelta> {
    let unit = text.chars().last()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return None,
    };
    let count: i64 = text.strip_suffix(unit)?.parse().ok()?;
    let ago = TimeDelta::try_seconds(count.checked_mul(seconds)?)?;
    (TimeDelta::zero()..=TimeDelta::days(3_650))
        .contains(&ago)
        .then_some(ago)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_ago() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(10);
        let seconds = |text| since("since", text, now).map(|time| time.seconds).ok();
        assert_eq!(seconds("1h"), Some(10 * 86_400 - 3_600));
        assert_eq!(seconds("2d"), Some(8 * 86_400));
        assert_eq!(seconds("1970-01-02"), Some(86_400));
        for wrong in ["", "h", "-1h", "1.5h", "99999999999999d", "yesterday", "1ä"] {
            let error = since("since", wrong, now).unwrap_err().to_string();
            assert!(error.contains("--since") && error.contains("1h"), "{error}");
        }
    }

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
