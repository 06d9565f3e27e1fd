//! Times and lengths of time that people type.

use anyhow::{Result, anyhow, bail};
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
    if let Ok(length) = seconds(text) {
        return Ok(contracts::to_wire_time(
            now - TimeDelta::seconds(length.into()),
        ));
    }
    parse(option, text).map_err(|_| {
        anyhow!(
            "--{option}: {text:?} is not a time; write 30m, 1h, 2d, 2026-11-01 or 2026-11-01T12:00:00Z"
        )
    })
}

/// A length of time in seconds; 0 stands for never.
pub(crate) fn seconds_or_never(text: &str) -> Result<u32, String> {
    match text {
        "0" | "never" => Ok(0),
        length => seconds(length),
    }
}

/// A length of time such as 90s, 30m, 2h or 1d, in seconds.
pub(crate) fn seconds(text: &str) -> Result<u32, String> {
    let wrong = || format!("{text:?} is not a length of time; write 90s, 30m, 2h or 1d");
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let each: u32 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number: u32 = text
        .strip_suffix(unit)
        .and_then(|number| number.parse().ok())
        .filter(|number| *number > 0)
        .ok_or_else(wrong)?;
    number.checked_mul(each).ok_or_else(wrong)
}

/// A length of time for people: its two largest units, such as `5h 12m`, `42s` or `3d`.
pub(crate) fn length(seconds: u64) -> String {
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3_600 % 24, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
    ];
    let shown: Vec<_> = parts
        .into_iter()
        .skip_while(|(amount, _)| *amount == 0)
        .take(2)
        .filter(|(amount, _)| *amount > 0)
        .map(|(amount, unit)| format!("{amount}{unit}"))
        .collect();
    if shown.is_empty() {
        "0s".to_owned()
    } else {
        shown.join(" ")
    }
}

/// How long it is from `now` until `at`.
pub(crate) fn until(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    u64::try_from((at - now).num_seconds()).map_or_else(|_| "now".to_owned(), length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_a_unit() {
        for (text, length) in [("90s", 90), ("30m", 1_800), ("2h", 7_200), ("1d", 86_400)] {
            assert_eq!(seconds(text), Ok(length));
        }
        for wrong in ["", "h", "2", "-1h", "0s", "2 h", "2é", "99999999d"] {
            assert!(seconds(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn lengths_are_shown_by_their_two_largest_units() {
        for (seconds, text) in [
            (0, "0s"),
            (42, "42s"),
            (61, "1m 1s"),
            (3_600, "1h"),
            (18_720, "5h 12m"),
            (90_061, "1d 1h"),
            (86_405, "1d"),
        ] {
            assert_eq!(length(seconds), text);
        }
        let now = DateTime::UNIX_EPOCH;
        assert_eq!(until(now + TimeDelta::seconds(90), now), "1m 30s");
        assert_eq!(until(now - TimeDelta::seconds(90), now), "now");
    }

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
