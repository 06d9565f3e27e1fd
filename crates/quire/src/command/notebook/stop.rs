//! When a notebook will stop, why, and in what words people are told.

use chrono::{Local, TimeDelta};
use contracts::from_wire_time;
use contracts::notebook::v1::Notebook;
use kernel::Timestamp;

/// So long before its maximum duration is over people are told.
const NEAR: TimeDelta = TimeDelta::minutes(5);

/// The next stop that is known of.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stop {
    pub(super) at: Timestamp,
    /// In words.
    pub(super) because: String,
    /// It was warned of: it is told at once, however far away it is.
    warned: bool,
}

impl Stop {
    /// The earliest of what is known: for being idle, or at the end of the maximum duration.
    pub(super) fn next(notebook: &Notebook) -> Option<Self> {
        let stop = |at: Option<_>, because: &str, warned| {
            Some(Self {
                at: from_wire_time("stops_at", at?).ok()?,
                because: because.to_owned(),
                warned,
            })
        };
        let idle = stop(notebook.stops_at, &notebook.stops_because, true);
        let end = stop(
            notebook.run_until,
            "its maximum duration is over then",
            false,
        );
        idle.into_iter().chain(end).min_by_key(|stop| stop.at)
    }

    /// What people are told of a stop that is near; `None` while it is far. `per_hour` is what it costs until then, where that is known.
    pub(super) fn words(&self, per_hour: Option<&str>, now: Timestamp) -> Option<String> {
        if !self.warned && self.at - now > NEAR {
            return None;
        }
        let at = self.at.with_timezone(&Local).format("%H:%M");
        let costs = per_hour.map(|price| format!(", costs {price} an hour"));
        Some(format!(
            "will stop at {at} because {}{}",
            self.because,
            costs.unwrap_or_default()
        ))
    }
}

#[cfg(test)]
mod tests {
    use contracts::to_wire_time;
    use kernel::time::from_micros;

    use super::*;

    fn at(minute: i64) -> Timestamp {
        from_micros(minute * 60_000_000)
    }

    #[test]
    fn the_earliest_stop_is_told_while_it_is_near() {
        let mut notebook = Notebook {
            run_until: Some(to_wire_time(at(60))),
            ..Notebook::default()
        };
        let words =
            |notebook: &Notebook, now| Stop::next(notebook)?.words(Some("0.018 USD"), at(now));
        assert_eq!(words(&Notebook::default(), 0), None);
        assert_eq!(words(&notebook, 54), None, "far away");
        let hour = |minute| at(minute).with_timezone(&Local).format("%H:%M").to_string();
        let end = "because its maximum duration is over then, costs 0.018 USD an hour";
        assert_eq!(
            words(&notebook, 55),
            Some(format!("will stop at {} {end}", hour(60)))
        );
        notebook.stops_at = Some(to_wire_time(at(40)));
        notebook.stops_because = "its kernels have been idle since 13:05 UTC".to_owned();
        let idle = "because its kernels have been idle since 13:05 UTC, costs 0.018 USD an hour";
        assert_eq!(
            words(&notebook, 0),
            Some(format!("will stop at {} {idle}", hour(40))),
            "warned of already"
        );
        assert_eq!(Stop::next(&notebook).map(|stop| stop.at), Some(at(40)));
        notebook.stops_at = Some(to_wire_time(at(70)));
        assert_eq!(Stop::next(&notebook).map(|stop| stop.at), Some(at(60)));
    }
}
