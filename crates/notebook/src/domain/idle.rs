//! When a notebook is stopped for being idle. What is not known counts as activity: nothing that works is ever stopped by mistake.
//! Nobody is stopped who was not warned before.

use chrono::TimeDelta;
use kernel::Timestamp;

/// What one look at a notebook found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It works.
    Active,
    /// It rests, and has since then.
    Idle(Timestamp),
    /// It could not be looked at.
    Unknown,
}

/// One thing by which a notebook shows that it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sign {
    /// What was looked at, as it stands after "its": "kernels", "CPU", "visitors", …
    pub(crate) name: String,
    pub(crate) seen: Seen,
    /// What was seen, for people.
    pub(crate) detail: String,
}

/// When idle notebooks are stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    /// After so many seconds without activity; 0 = never.
    pub(crate) timeout_seconds: u32,
    /// So many seconds before, it is warned; shorter than the time itself.
    pub(crate) warn_seconds: u32,
}

/// What is known of a running notebook besides its signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) started_at: Timestamp,
    /// Until when somebody keeps it alive.
    pub(crate) kept_until: Option<Timestamp>,
    /// When it will stop, as its users have been warned.
    pub(crate) told: Option<Timestamp>,
}

/// What follows from all signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Something works, or may.
    Active {
        /// What.
        because: String,
    },
    /// It rests, but not for so long that anybody is warned.
    Rests,
    /// It is stopped then, unless something happens before.
    StopsAt { at: Timestamp, because: String },
}

/// Judges a notebook by its signs.
pub(crate) fn judge(signs: &[Sign], known: Known, policy: Policy, now: Timestamp) -> Verdict {
    let first = |seen| signs.iter().find(|sign| sign.seen == seen);
    if let Some(sign) = first(Seen::Active).or_else(|| first(Seen::Unknown)) {
        return Verdict::Active {
            because: format!("{}: {}", sign.name, sign.detail),
        };
    }
    let since = signs
        .iter()
        .filter_map(|sign| match sign.seen {
            Seen::Idle(since) => Some(since),
            Seen::Active | Seen::Unknown => None,
        })
        .fold(known.started_at, Timestamp::max);
    if policy.timeout_seconds == 0 {
        return Verdict::Rests;
    }
    let due = since + TimeDelta::seconds(policy.timeout_seconds.into());
    let due = known.kept_until.map_or(due, |kept| due.max(kept));
    let warned_until = now + TimeDelta::seconds(policy.warn_seconds.into());
    if due > warned_until {
        return Verdict::Rests;
    }
    Verdict::StopsAt {
        // Never earlier than it was told, and told in time.
        at: due.max(known.told.unwrap_or(warned_until)),
        because: format!(
            "its {} have been idle since {}",
            list(signs),
            since.format("%H:%M UTC")
        ),
    }
}

/// The names of signs: "kernels, terminals and visitors".
fn list(signs: &[Sign]) -> String {
    match signs.split_last() {
        None => "users".to_owned(),
        Some((last, [])) => last.name.clone(),
        Some((last, others)) => {
            let others: Vec<_> = others.iter().map(|sign| sign.name.as_str()).collect();
            format!("{} and {}", others.join(", "), last.name)
        }
    }
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

    fn sign(seen: Seen) -> Sign {
        Sign {
            name: "kernels".to_owned(),
            seen,
            detail: "1 busy".to_owned(),
        }
    }

    fn known(told: Option<i64>) -> Known {
        Known {
            started_at: at(0),
            kept_until: None,
            told: told.map(at),
        }
    }

    const HOUR: Policy = Policy {
        timeout_seconds: 3_600,
        warn_seconds: 300,
    };

    fn stop(verdict: Verdict) -> Option<Timestamp> {
        match verdict {
            Verdict::StopsAt { at, .. } => Some(at),
            Verdict::Active { .. } | Verdict::Rests => None,
        }
    }

    #[test]
    fn what_rests_is_warned_and_then_stopped() {
        let idle = [sign(Seen::Idle(at(60))), sign(Seen::Idle(at(10)))];
        let judged = |told, now| judge(&idle, known(told), HOUR, at(now));
        assert_eq!(judged(None, 3_359), Verdict::Rests);
        assert_eq!(
            judged(None, 3_360),
            Verdict::StopsAt {
                at: at(3_660),
                because: "its kernels and kernels have been idle since 00:01 UTC".to_owned()
            }
        );
        // Seen late, it is warned for the whole time.
        assert_eq!(stop(judged(None, 9_000)), Some(at(9_300)));
        assert_eq!(stop(judged(Some(3_660), 3_660)), Some(at(3_660)));
        let never = Policy {
            timeout_seconds: 0,
            ..HOUR
        };
        assert_eq!(judge(&idle, known(None), never, at(99_999)), Verdict::Rests);
    }

    #[test]
    fn who_is_kept_stays() {
        let kept = Known {
            kept_until: Some(at(7_200)),
            ..known(Some(3_600))
        };
        let idle = [sign(Seen::Idle(at(0)))];
        assert_eq!(judge(&idle, kept, HOUR, at(6_899)), Verdict::Rests);
        let told = Known { told: None, ..kept };
        assert_eq!(stop(judge(&idle, told, HOUR, at(6_900))), Some(at(7_200)));
    }

    #[test]
    fn what_works_is_named() {
        let signs = [sign(Seen::Unknown), sign(Seen::Active)];
        let because = "kernels: 1 busy".to_owned();
        assert_eq!(
            judge(&signs, known(None), HOUR, at(99_999)),
            Verdict::Active { because }
        );
    }

    fn any_seen() -> impl Strategy<Value = Seen> {
        prop_oneof![
            1 => Just(Seen::Active),
            1 => Just(Seen::Unknown),
            8 => (0_i64..10_000).prop_map(|seconds| Seen::Idle(at(seconds))),
        ]
    }

    prop_compose! {
        fn any_case()(
            seen in prop::collection::vec(any_seen(), 1..6),
            kept in prop::option::of(0_i64..20_000),
            told in prop::option::of(0_i64..20_000),
            timeout in 1_u32..10_000,
            warned_percent in 0_u32..100,
            now in 10_000_i64..20_000,
        ) -> (Vec<Sign>, Known, Policy, Timestamp) {
            let signs = seen.into_iter().map(sign).collect();
            let known = Known { started_at: at(0), kept_until: kept.map(at), told: told.map(at) };
            let warn_seconds = timeout * warned_percent / 100;
            (signs, known, Policy { timeout_seconds: timeout, warn_seconds }, at(now))
        }
    }

    proptest! {
        /// Whatever else is seen: one sign that works, or cannot be looked at, keeps it.
        #[test]
        fn busy_and_unknown_never_stop((mut signs, known, policy, now) in any_case(), place in 0_usize..6, unknown: bool) {
            let seen = if unknown { Seen::Unknown } else { Seen::Active };
            signs.insert(place.min(signs.len()), sign(seen));
            prop_assert_eq!(stop(judge(&signs, known, policy, now)), None);
        }

        /// More activity never makes the stop earlier.
        #[test]
        fn activity_only_puts_it_off((signs, known, policy, now) in any_case(), more in any_seen(), kept in 0_i64..30_000) {
            let before = stop(judge(&signs, known, policy, now));
            let mut others = signs.clone();
            others.push(sign(more));
            let longer = Known { kept_until: known.kept_until.max(Some(at(kept))), ..known };
            for after in [judge(&others, known, policy, now), judge(&signs, longer, policy, now)] {
                if let Some(after) = stop(after) {
                    prop_assert!(before.is_some_and(|before| after >= before));
                }
            }
        }

        /// A stop comes no earlier than the time without activity is over, than it was told, and than the keep-alive.
        #[test]
        fn no_stop_comes_too_early((signs, known, policy, now) in any_case()) {
            if let Some(stops) = stop(judge(&signs, known, policy, now)) {
                for sign in &signs {
                    let Seen::Idle(since) = sign.seen else { panic!("it works") };
                    prop_assert!(stops >= since + TimeDelta::seconds(policy.timeout_seconds.into()));
                }
                prop_assert!(known.kept_until.is_none_or(|kept| stops >= kept));
                let told = known.told.unwrap_or(now + TimeDelta::seconds(policy.warn_seconds.into()));
                prop_assert!(stops >= told);
            }
        }
    }
}
