//! When a notebook is idle. What is not known counts as activity: nothing that works is ever stopped by mistake.

use chrono::TimeDelta;
use kernel::Timestamp;

/// What Jupyter says of its kernels and terminals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kernels {
    /// It could not be asked.
    Unknown,
    /// Some kernel works.
    Busy,
    /// All wait; with the last activity of any.
    Idle(Option<Timestamp>),
}

/// The last sign of activity by `now`.
pub(crate) fn last_activity(
    kernels: Kernels,
    last_traffic: Option<Timestamp>,
    started_at: Timestamp,
    now: Timestamp,
) -> Timestamp {
    let kernels = match kernels {
        Kernels::Unknown | Kernels::Busy => now,
        Kernels::Idle(last) => last.unwrap_or(started_at),
    };
    kernels
        .max(last_traffic.unwrap_or(started_at))
        .max(started_at)
}

/// Whether a notebook whose last activity was at `last` has been idle for `timeout_seconds`; 0 = it may be for ever.
pub(crate) fn is_over(last: Timestamp, timeout_seconds: u32, now: Timestamp) -> bool {
    timeout_seconds > 0 && now - last >= TimeDelta::seconds(timeout_seconds.into())
}

/// Why a notebook that was idle for `timeout_seconds` is stopped.
pub(crate) fn reason(timeout_seconds: u32) -> String {
    match timeout_seconds {
        seconds @ 0..120 => format!("stopped: idle for {seconds} s"),
        seconds => format!("stopped: idle for {} min", seconds / 60),
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

    #[test]
    fn only_what_is_known_to_rest_is_idle() {
        let (start, now) = (at(0), at(7_200));
        let over =
            |kernels, traffic| is_over(last_activity(kernels, traffic, start, now), 3_600, now);
        assert!(over(Kernels::Idle(None), None));
        assert!(over(Kernels::Idle(Some(at(3_600))), None));
        assert!(!over(Kernels::Idle(Some(at(3_601))), None));
        assert!(!over(Kernels::Busy, None));
        assert!(!over(Kernels::Unknown, None));
        assert!(!over(Kernels::Idle(None), Some(at(5_000))));
        assert!(!is_over(at(0), 0, now));
    }

    proptest! {
        #[test]
        fn a_busy_kernel_is_never_idle(traffic in prop::option::of(0_i64..100_000), now in 0_i64..100_000, timeout in 1_u32..100_000) {
            let last = last_activity(Kernels::Busy, traffic.map(at), at(0), at(now));
            prop_assert!(!is_over(last, timeout, at(now)));
        }
    }
}
