//! How much the files of a volume take, how much they may, and when people are told.

use chassis::{Error, Result};
use kernel::size::bytes_text;

/// How near files are to their quota, as people are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fill {
    Room,
    NearlyFull,
    Full,
}

/// From so much of the quota on, in hundredths, and until it is below so much again: what comes and goes near a bound is told once.
const NEARLY_FULL: (u64, u64) = (90, 85);
const FULL: (u64, u64) = (100, 95);

/// Smallest quota that means anything, in bytes.
const SMALLEST: u64 = 1 << 20;

/// What files take, and may. All in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Space {
    /// 0 = as much as there is.
    pub(crate) quota: u64,
    /// As measured last; 0 = never.
    pub(crate) used: u64,
    /// What was told last.
    pub(crate) fill: Fill,
}

impl Space {
    pub(crate) const fn new(quota: u64) -> Self {
        Self {
            quota,
            used: 0,
            fill: Fill::Room,
        }
    }

    /// Changes the quota, but never below what is used already.
    pub(crate) fn resize(&mut self, quota: u64) -> Result<()> {
        let refused = |problem: String| Err(Error::invalid("quota_bytes", problem));
        if quota < SMALLEST || quota > i64::MAX.unsigned_abs() {
            return refused(format!("is {quota}; 1 MiB or more is needed"));
        }
        if quota < self.used {
            return refused(format!(
                "is {}, but the files take {} already; remove some first",
                bytes_text(quota),
                bytes_text(self.used)
            ));
        }
        self.quota = quota;
        // Another quota, another question: nothing is held on to.
        self.fill = fill(Fill::Room, self.used, quota);
        Ok(())
    }

    /// Takes a measurement over; whether there is something to tell.
    pub(crate) fn measure(&mut self, used: u64) -> bool {
        self.used = used;
        let fill = fill(self.fill, used, self.quota);
        std::mem::replace(&mut self.fill, fill) != fill
    }
}

/// How near `used` is to `quota` when `before` was told last.
fn fill(before: Fill, used: u64, quota: u64) -> Fill {
    if quota == 0 {
        return Fill::Room;
    }
    let hundredths = u128::from(used) * 100;
    let reaches = |part: u64| hundredths >= u128::from(quota) * u128::from(part);
    let holds = |level: Fill, (from, until): (u64, u64)| {
        reaches(from) || (before >= level && reaches(until))
    };
    if holds(Fill::Full, FULL) {
        Fill::Full
    } else if holds(Fill::NearlyFull, NEARLY_FULL) {
        Fill::NearlyFull
    } else {
        Fill::Room
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn each_bound_is_told_once_on_the_way_up_and_down() {
        let mut space = Space::new(100 * GIB);
        let told = [80, 89, 90, 99, 100, 120, 99, 95, 94, 90, 85, 84, 0].map(|used| {
            let told = space.measure(used * GIB);
            (told, space.fill)
        });
        use Fill::{Full, NearlyFull, Room};
        assert_eq!(
            told,
            [
                (false, Room),
                (false, Room),
                (true, NearlyFull),
                (false, NearlyFull),
                (true, Full),
                (false, Full),
                (false, Full),
                (false, Full),
                (true, NearlyFull),
                (false, NearlyFull),
                (false, NearlyFull),
                (true, Room),
                (false, Room),
            ]
        );
        assert!(!Space::new(0).measure(u64::MAX), "no quota, no word");
    }

    #[test]
    fn a_quota_is_never_less_than_what_is_used() {
        let mut space = Space::new(10 * GIB);
        space.measure(9 * GIB);
        let refused = space.resize(5 * GIB).unwrap_err().to_string();
        assert!(
            refused.contains("is 5.0 GiB, but the files take 9.0 GiB"),
            "{refused}"
        );
        for wrong in [0, 1, u64::MAX] {
            assert!(space.resize(wrong).is_err(), "{wrong}");
        }
        assert_eq!((space.quota, space.fill), (10 * GIB, Fill::NearlyFull));
        space.resize(20 * GIB).unwrap();
        assert_eq!(space.fill, Fill::Room);
        space.resize(9 * GIB).unwrap();
        assert_eq!(space.fill, Fill::Full);
    }

    proptest! {
        #[test]
        fn what_is_told_is_never_less_than_what_is_so(
            quota in 1_u64..,
            used in proptest::collection::vec(any::<u64>(), 1..20),
        ) {
            let mut space = Space::new(quota);
            for used in used {
                let before = space.fill;
                let told = space.measure(used);
                prop_assert_eq!(told, before != space.fill);
                prop_assert!(space.fill >= fill(Fill::Room, used, quota));
                prop_assert!(!space.measure(used), "the same again is no news");
                // Held on to for a twentieth of the quota at most.
                let lower = u64::try_from(u128::from(used) + u128::from(quota) / 20 + 1).unwrap_or(u64::MAX);
                prop_assert!(space.fill <= fill(Fill::Room, lower, quota));
            }
        }
    }
}
