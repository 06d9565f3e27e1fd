//! What the state of a node asks of the work on it: silence, a drain, and that it was given up.

use kernel::Timestamp;

/// A node as its work feels it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeState {
    /// It was given up, or left the list: it never speaks again.
    pub(crate) gone: bool,
    /// It does not answer.
    pub(crate) silent: bool,
    /// What runs there is asked to leave.
    pub(crate) draining: bool,
    /// When what has not left is stopped; `None` = it may stay.
    pub(crate) deadline: Option<Timestamp>,
}

/// An open attempt, as this rule sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Work {
    /// It can run elsewhere: its files, if it has any, are not on its node.
    pub(crate) movable: bool,
    /// It was told to stop.
    pub(crate) stopping: bool,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follow {
    /// It goes on.
    Stay,
    /// Nobody knows how it is; it is not placed again.
    Unreachable,
    /// It is stopped, and waits for another place.
    Leave,
    /// It is over as far as anybody will ever know.
    Lost,
}

/// What `node` asks of `work` at `now`. What cannot be told to a silent node is told when it answers again.
pub(crate) fn follow(node: NodeState, work: Work, now: Timestamp) -> Follow {
    let overdue = node.deadline.is_some_and(|deadline| deadline <= now);
    if node.gone || node.silent && work.movable {
        Follow::Lost
    } else if node.silent {
        Follow::Unreachable
    } else if node.draining && !work.stopping && (work.movable || overdue) {
        Follow::Leave
    } else {
        Follow::Stay
    }
}

#[cfg(test)]
mod tests {
    use kernel::time::from_micros;
    use proptest::prelude::*;

    use super::*;

    const OPEN: NodeState = NodeState {
        gone: false,
        silent: false,
        draining: false,
        deadline: None,
    };
    const NOTEBOOK: Work = Work {
        movable: false,
        stopping: false,
    };

    #[test]
    fn a_drain_moves_what_can_and_stops_the_rest_at_its_deadline() {
        let draining = NodeState {
            draining: true,
            ..OPEN
        };
        let until = |at| NodeState {
            deadline: Some(from_micros(at)),
            ..draining
        };
        let movable = Work {
            movable: true,
            ..NOTEBOOK
        };
        let now = from_micros(10);
        assert_eq!(follow(draining, movable, now), Follow::Leave);
        assert_eq!(follow(draining, NOTEBOOK, now), Follow::Stay);
        assert_eq!(follow(until(11), NOTEBOOK, now), Follow::Stay);
        assert_eq!(follow(until(10), NOTEBOOK, now), Follow::Leave);
        assert_eq!(follow(OPEN, movable, now), Follow::Stay, "uncordoned");
    }

    fn nodes() -> impl Strategy<Value = NodeState> {
        (any::<[bool; 3]>(), prop::option::of(0..20_i64)).prop_map(|(flags, deadline)| NodeState {
            gone: flags[0],
            silent: flags[1],
            draining: flags[2],
            deadline: deadline.filter(|_| flags[2]).map(from_micros),
        })
    }

    fn works() -> impl Strategy<Value = Work> {
        any::<[bool; 2]>().prop_map(|[movable, stopping]| Work { movable, stopping })
    }

    proptest! {
        #[test]
        fn nothing_ends_without_a_cause(node in nodes(), work in works(), now in 0..20_i64) {
            let now = from_micros(now);
            let followed = follow(node, work, now);
            // Only a node that is gone ends what keeps its place there; only silence what moves.
            prop_assert_eq!(followed == Follow::Lost, node.gone || node.silent && work.movable);
            // Nothing is told to a node that does not answer, and nothing twice.
            prop_assert!(followed != Follow::Leave || node.draining && !node.silent && !node.gone && !work.stopping);
            // A node that takes work, or is only cordoned, disturbs nobody.
            if !node.gone && !node.silent && !node.draining {
                prop_assert_eq!(followed, Follow::Stay);
            }
        }

        /// Once a deadline asks for an end, time does not take that back.
        #[test]
        fn a_deadline_stays_passed(node in nodes(), work in works(), now in 0..20_i64, later in 0..20_i64) {
            let (now, later) = (from_micros(now), from_micros(now + later));
            if follow(node, work, now) != Follow::Stay {
                prop_assert_eq!(follow(node, work, later), follow(node, work, now));
            }
        }

        /// Before its deadline a drain leaves what cannot move, whatever the deadline.
        #[test]
        fn a_deadline_is_kept(deadline in 1..20_i64, now in 0..20_i64) {
            let node = NodeState { draining: true, deadline: Some(from_micros(deadline)), ..OPEN };
            let followed = follow(node, NOTEBOOK, from_micros(now));
            prop_assert_eq!(followed == Follow::Leave, now >= deadline);
        }
    }
}
