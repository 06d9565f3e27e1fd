//! Silence: when a node that was not heard is taken to be gone. An observer that was itself away has heard nobody, and a network
//! that breaks makes many nodes silent at once; neither says anything about a node.

use chrono::TimeDelta;
use kernel::Timestamp;
use kernel::id::NodeId;

/// From so many ready nodes on, many that fall silent at once are a broken network.
const CROWD: usize = 5;
/// One node in so many may fall silent at once: 20 %.
const ONE_IN: usize = 5;

/// The observer, and for how long it has observed without a gap.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    timeout: TimeDelta,
    current: Option<Span>,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    epoch: u64,
    since: Timestamp,
    last_look: Timestamp,
}

/// A ready node, and when it was heard last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) node: NodeId,
    pub(crate) last_seen_at: Timestamp,
}

/// What follows from what was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// These nodes are silent; none in quiet times.
    Silent(Vec<Heard>),
    /// Too many are late at once: nobody is marked.
    TooMany { late: usize, ready: usize },
}

impl Watch {
    pub(crate) fn new(timeout: TimeDelta) -> Self {
        Self {
            timeout,
            current: None,
        }
    }

    /// Notes a look at `now`; `epoch` is that of the lease, `None` while another observer leads. Whether the observer may judge: it
    /// has led for two timeouts, and was never away for as long as one.
    pub(crate) fn may_judge(&mut self, epoch: Option<u64>, now: Timestamp) -> bool {
        let Some(epoch) = epoch else {
            self.current = None;
            return false;
        };
        let unbroken = self.current.filter(|span| {
            span.epoch == epoch && (span.last_look..=span.last_look + self.timeout).contains(&now)
        });
        let since = unbroken.map_or(now, |span| span.since);
        self.current = Some(Span {
            epoch,
            since,
            last_look: now,
        });
        now - since >= self.timeout * 2
    }
}

/// Who of the ready nodes is silent at `now`. Nodes cut off together are overdue one after the other, as their last heartbeats
/// were: so all that are late by half the timeout count as falling at once.
pub(crate) fn judge(ready: &[Heard], timeout: TimeDelta, now: Timestamp) -> Verdict {
    let later_than = |limit: TimeDelta| {
        ready
            .iter()
            .filter(move |heard| now - heard.last_seen_at > limit)
    };
    let silent: Vec<Heard> = later_than(timeout).copied().collect();
    let late = later_than(timeout / 2).count();
    if !silent.is_empty() && ready.len() >= CROWD && late * ONE_IN > ready.len() {
        return Verdict::TooMany {
            late,
            ready: ready.len(),
        };
    }
    Verdict::Silent(silent)
}

#[cfg(test)]
mod tests {
    use kernel::time::from_micros;
    use proptest::prelude::*;

    use super::*;

    const TIMEOUT: TimeDelta = TimeDelta::seconds(8);

    fn at(seconds: i64) -> Timestamp {
        from_micros((1_000 + seconds) * 1_000_000)
    }

    fn heard(seconds_ago: &[i64]) -> Vec<Heard> {
        let heard = |ago: &i64| Heard {
            node: NodeId::generate(),
            last_seen_at: at(-ago),
        };
        seconds_ago.iter().map(heard).collect()
    }

    #[test]
    fn an_observer_that_was_away_heard_nobody() {
        let mut watch = Watch::new(TIMEOUT);
        assert!((0..16).all(|second| !watch.may_judge(Some(1), at(second))));
        assert!(watch.may_judge(Some(1), at(16)));
        assert!(watch.may_judge(Some(1), at(24)));
        // Asleep for longer than a timeout, another epoch, standing by, a clock set back: each begins anew.
        assert!(!watch.may_judge(Some(1), at(33)));
        assert!(!watch.may_judge(Some(1), at(41)) && watch.may_judge(Some(1), at(49)));
        assert!(!watch.may_judge(Some(2), at(50)));
        assert!(!watch.may_judge(Some(2), at(58)) && watch.may_judge(Some(2), at(66)));
        assert!(!watch.may_judge(None, at(66)));
        assert!(!watch.may_judge(Some(2), at(67)));
        assert!(!watch.may_judge(Some(2), at(75)) && watch.may_judge(Some(2), at(83)));
        assert!(!watch.may_judge(Some(2), at(82)));
    }

    #[test]
    fn one_of_five_is_silent_and_two_are_a_broken_network() {
        let nodes = heard(&[9, 0, 1, 2, 1]);
        assert_eq!(
            judge(&nodes, TIMEOUT, at(0)),
            Verdict::Silent(vec![nodes[0]])
        );
        let cut_off = heard(&[9, 8, 1, 2, 1]);
        assert_eq!(
            judge(&cut_off, TIMEOUT, at(0)),
            Verdict::TooMany { late: 2, ready: 5 }
        );
        let few = heard(&[9, 9, 9, 9]);
        assert_eq!(judge(&few, TIMEOUT, at(0)), Verdict::Silent(few));
    }

    #[test]
    fn exactly_the_timeout_is_not_yet_silence() {
        assert_eq!(
            judge(&heard(&[8]), TIMEOUT, at(0)),
            Verdict::Silent(Vec::new())
        );
        assert_eq!(judge(&[], TIMEOUT, at(0)), Verdict::Silent(Vec::new()));
    }

    proptest! {
        #[test]
        fn only_overdue_nodes_and_never_a_crowd(ages in prop::collection::vec(0_i64..20, 0..40)) {
            let nodes = heard(&ages);
            let overdue = ages.iter().filter(|age| **age > 8).count();
            match judge(&nodes, TIMEOUT, at(0)) {
                Verdict::Silent(silent) => {
                    prop_assert_eq!(silent.len(), overdue);
                    prop_assert!(nodes.len() < CROWD || silent.len() * ONE_IN <= nodes.len());
                }
                Verdict::TooMany { late, ready } => {
                    prop_assert!(overdue > 0 && late >= overdue);
                    prop_assert!(ready >= CROWD && late * ONE_IN > ready);
                }
            }
        }

        /// A whole network cut at once, looked at each second, marks nobody: whenever each node was heard last.
        #[test]
        fn a_cut_network_marks_nobody(offsets in prop::collection::vec(0_i64..2, CROWD..40)) {
            let nodes = heard(&offsets);
            for second in 0..60 {
                let marked = match judge(&nodes, TIMEOUT, at(second)) {
                    Verdict::Silent(silent) => silent.len(),
                    Verdict::TooMany { .. } => 0,
                };
                prop_assert_eq!(marked, 0, "{} s after the cut", second);
            }
        }
    }
}
