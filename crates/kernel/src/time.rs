//! Time as everything here counts it: UTC, cut to microseconds so that both databases keep it unchanged.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};

/// An instant in UTC, in whole microseconds.
pub type Timestamp = DateTime<Utc>;

/// Where time comes from. Rules take times as arguments; only the outer rooms ask a clock.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Now, in whole microseconds.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(
        clippy::disallowed_methods,
        reason = "the one place that reads the machine's clock"
    )]
    fn now(&self) -> Timestamp {
        from_micros(Utc::now().timestamp_micros())
    }
}

/// A clock that stands until it is moved, for tests.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that stands at `start`.
    pub fn new(start: Timestamp) -> Self {
        Self(AtomicI64::new(start.timestamp_micros()))
    }

    /// Moves it on.
    pub fn advance(&self, by: TimeDelta) {
        let micros = by.num_microseconds().unwrap_or(i64::MAX);
        self.0.fetch_add(micros, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// The instant `micros` microseconds after 1970; what lies outside the calendar becomes its start.
pub fn from_micros(micros: i64) -> Timestamp {
    DateTime::from_timestamp_micros(micros).unwrap_or(DateTime::UNIX_EPOCH)
}

/// Whole milliseconds from `from` to `until`; 0 when `until` is not later.
pub fn milliseconds_between(from: Timestamp, until: Timestamp) -> u64 {
    u64::try_from((until - from).num_milliseconds()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_keep_whole_microseconds() {
        assert_eq!(SystemClock.now().timestamp_subsec_nanos() % 1_000, 0);
        let clock = ManualClock::new(from_micros(5));
        clock.advance(TimeDelta::milliseconds(2));
        assert_eq!(clock.now(), from_micros(2_005));
        assert_eq!(milliseconds_between(from_micros(5), clock.now()), 2);
        assert_eq!(milliseconds_between(clock.now(), from_micros(5)), 0);
    }
}
