//! The one rule for what an attempt costs: it starts on the scheduler's clock, lasts as long as the agent's monotonic clock
//! says within one boot, and never reaches past the receipt of the report.

use chrono::TimeDelta;
use kernel::Timestamp;

/// The billable facts of an attempt. `from` and `until` are fixed once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Billable {
    pub(crate) from: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
    /// Until when it is known to have run.
    pub(crate) confirmed_until: Option<Timestamp>,
}

/// What a report says of the time that an attempt has run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunTime {
    /// When the report came, by the scheduler's clock.
    pub(crate) received_at: Timestamp,
    /// How old the observation was when it was sent.
    pub(crate) age_ms: u64,
    /// How long it had run when it was observed.
    pub(crate) ran_ms: u64,
}

fn delta(milliseconds: u64) -> TimeDelta {
    i64::try_from(milliseconds)
        .ok()
        .and_then(TimeDelta::try_milliseconds)
        .unwrap_or(TimeDelta::MAX)
}

fn back(from: Timestamp, milliseconds: u64) -> Timestamp {
    from.checked_sub_signed(delta(milliseconds))
        .unwrap_or(Timestamp::MIN_UTC)
}

impl Billable {
    /// With what a report of a running or ended attempt says.
    pub(crate) fn with_run_time(self, placed_at: Timestamp, run: RunTime) -> Self {
        if self.until.is_some() {
            return self;
        }
        let observed_at = back(run.received_at, run.age_ms);
        let from = self
            .from
            .unwrap_or_else(|| back(observed_at, run.ran_ms).max(placed_at));
        let reached = from
            .checked_add_signed(delta(run.ran_ms))
            .unwrap_or(run.received_at)
            .min(run.received_at)
            .max(from);
        let confirmed_until = self
            .confirmed_until
            .map_or(reached, |before| before.max(reached));
        Self {
            from: Some(from),
            until: None,
            confirmed_until: Some(confirmed_until),
        }
    }

    /// At the end: what is confirmed is billed, nothing more. What never ran costs nothing.
    pub(crate) fn ended(self) -> Self {
        Self {
            until: self.until.or(self.confirmed_until),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use kernel::time::from_micros;
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        from_micros(seconds * 1_000_000)
    }

    fn run(received: i64, age_ms: u64, ran_ms: u64) -> RunTime {
        RunTime {
            received_at: at(received),
            age_ms,
            ran_ms,
        }
    }

    #[test]
    fn a_normal_life() {
        let running = Billable::default().with_run_time(at(10), run(20, 500, 0));
        assert_eq!(running.from, Some(at(20) - TimeDelta::milliseconds(500)));
        let later = running.with_run_time(at(10), run(50, 0, 30_000));
        assert_eq!(later.from, running.from);
        let ended = later.with_run_time(at(10), run(81, 0, 60_000)).ended();
        assert_eq!(ended.until, Some(at(79) + TimeDelta::milliseconds(500)));
        assert_eq!(
            ended.with_run_time(at(10), run(500, 0, 400_000)).ended(),
            ended,
            "fixed once"
        );
    }

    #[test]
    fn what_never_ran_costs_nothing() {
        assert_eq!(Billable::default().ended(), Billable::default());
    }

    #[test]
    fn silence_that_ended_in_lost_is_not_billed() {
        let running = Billable::default().with_run_time(at(0), run(5, 0, 5_000));
        assert_eq!(running.ended().until, Some(at(5)));
    }

    #[test]
    fn reports_that_come_late_are_billed_in_full() {
        let ended = Billable::default()
            .with_run_time(at(0), run(1_000, 100_000, 300_000))
            .ended();
        assert_eq!((ended.from, ended.until), (Some(at(600)), Some(at(900))));
    }

    proptest! {
        #[test]
        fn never_before_the_place_nor_after_the_receipt(
            placed in 0_i64..1_000,
            reports in prop::collection::vec((0_i64..10_000, 0_u64..20_000_000, any::<u64>()), 1..10),
        ) {
            let mut billable = Billable::default();
            let mut latest = placed;
            for (after, age_ms, ran_ms) in reports {
                latest = latest.max(placed + after);
                let before = billable;
                billable = billable.with_run_time(at(placed), run(latest, age_ms, ran_ms));
                prop_assert!(billable.confirmed_until >= before.confirmed_until);
                prop_assert!(before.from.is_none() || before.from == billable.from);
            }
            let ended = billable.ended();
            let (from, until) = (ended.from.unwrap(), ended.until.unwrap());
            prop_assert!(at(placed) <= from && from <= until && until <= at(latest));
        }
    }
}
