//! Moments that can be compared over a crash of the agent, and known to be incomparable over a boot of the machine.

use std::fs;
use std::sync::Arc;

use kernel::Clock;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// When something was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Moment {
    /// The boot that `up_ms` counts in.
    pub(crate) boot_id: String,
    /// Milliseconds since that boot, by a clock that nobody sets.
    pub(crate) up_ms: u64,
    /// The same by the calendar, in microseconds; used only across boots.
    pub(crate) at_micros: i64,
}

impl Moment {
    /// Milliseconds from this moment to `later`; by the calendar when the machine was booted in between.
    pub(crate) fn ms_until(&self, later: &Self) -> u64 {
        if self.boot_id == later.boot_id {
            return later.up_ms.saturating_sub(self.up_ms);
        }
        u64::try_from(later.at_micros.saturating_sub(self.at_micros) / 1_000).unwrap_or(0)
    }
}

/// Milliseconds since the boot, with those that the machine slept.
pub(crate) fn up_ms() -> u64 {
    let time = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds
        .saturating_mul(1_000)
        .saturating_add(u64::try_from(time.tv_nsec / 1_000_000).unwrap_or(0))
}

/// The kernel's name for this boot; empty when it does not say.
pub(crate) fn boot_id() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}

/// Tells the time in both ways.
#[derive(Clone, Debug)]
pub(crate) struct Timekeeper {
    boot_id: Arc<str>,
    clock: Arc<dyn Clock>,
}

impl Timekeeper {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            boot_id: boot_id().into(),
            clock,
        }
    }

    pub(crate) fn now(&self) -> Moment {
        Moment {
            boot_id: self.boot_id.to_string(),
            up_ms: up_ms(),
            at_micros: self.clock.now().timestamp_micros(),
        }
    }

    pub(crate) fn boot_id(&self) -> &str {
        &self.boot_id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_use_the_steady_clock_within_a_boot_and_the_calendar_across() {
        let moment = |boot_id: &str, up_ms, at_micros| Moment {
            boot_id: boot_id.to_owned(),
            up_ms,
            at_micros,
        };
        let seen = moment("a", 1_000, 50_000_000);
        assert_eq!(seen.ms_until(&moment("a", 4_000, 0)), 3_000);
        assert_eq!(seen.ms_until(&moment("b", 10, 51_000_000)), 1_000);
        assert_eq!(seen.ms_until(&moment("b", 10, 0)), 0);
    }
}
