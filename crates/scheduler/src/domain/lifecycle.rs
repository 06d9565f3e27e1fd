//! The lives of attempts and workloads: `Placed -> Starting -> Running -> Stopping -> Ended`, and what an end means.

/// Where an attempt is in its life; the order is the order of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    Placed,
    Starting,
    Running,
    Stopping,
    Ended,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Completed,
    /// With whose fault it was.
    FailedByUser,
    FailedByPlatform,
    Preempted,
    Lost,
    Stopped,
}

/// What the scheduler makes of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It says nothing new.
    Done,
    /// The attempt goes on to this state.
    Go(State),
    /// The attempt is over.
    End(End),
}

/// What follows from `reported` while the attempt is in `current`. Life goes forward only: a report that is behind says
/// nothing new, and an attempt that was told to stop does not run again.
pub(crate) fn on_report(current: State, reported: State, end: Option<End>) -> Step {
    match (current, reported) {
        (State::Ended, _) => Step::Done,
        (_, State::Ended) => Step::End(end.unwrap_or(End::FailedByPlatform)),
        _ if reported > current => Step::Go(reported),
        _ => Step::Done,
    }
}

/// What an agent that connects without holding an attempt means for it.
pub(crate) fn on_not_held(current: State) -> Step {
    match current {
        // It never heard of it: it is told again.
        State::Placed | State::Ended => Step::Done,
        State::Stopping => Step::End(End::Stopped),
        State::Starting | State::Running => Step::End(End::FailedByPlatform),
    }
}

/// What becomes of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Back into the queue.
    Queue,
    /// Over as it was wished to be.
    Stop,
    /// Over in another way.
    Fail,
}

/// What becomes of a workload after an attempt ended. A wish to stop is final; only faults of the platform are tried again.
pub(crate) fn after_end(end: End, stop_wanted: bool, retries_left: u32) -> Next {
    match end {
        End::Stopped | End::Completed => Next::Stop,
        End::FailedByUser => Next::Fail,
        _ if stop_wanted => Next::Stop,
        End::Preempted | End::Lost => Next::Queue,
        End::FailedByPlatform if retries_left > 0 => Next::Queue,
        End::FailedByPlatform => Next::Fail,
    }
}

/// How long an attempt may stay in a state before it is called stuck, in seconds; `None` = as long as it likes.
pub(crate) const fn expected_seconds(state: State) -> Option<u32> {
    match state {
        State::Placed => Some(30),
        // An environment may have to be installed first.
        State::Starting => Some(1_800),
        State::Stopping => Some(60),
        State::Running | State::Ended => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STATES: [State; 5] = [
        State::Placed,
        State::Starting,
        State::Running,
        State::Stopping,
        State::Ended,
    ];
    const ENDS: [End; 6] = [
        End::Completed,
        End::FailedByUser,
        End::FailedByPlatform,
        End::Preempted,
        End::Lost,
        End::Stopped,
    ];

    #[test]
    fn a_wish_to_stop_is_final() {
        for end in ENDS {
            assert_ne!(after_end(end, true, 9), Next::Queue, "{end:?}");
        }
        assert_eq!(after_end(End::Lost, false, 0), Next::Queue);
        assert_eq!(after_end(End::FailedByPlatform, false, 1), Next::Queue);
        assert_eq!(after_end(End::FailedByPlatform, false, 0), Next::Fail);
        assert_eq!(after_end(End::FailedByUser, false, 9), Next::Fail);
    }

    #[test]
    fn what_the_agent_lost_does_not_run() {
        assert_eq!(on_not_held(State::Placed), Step::Done);
        assert_eq!(
            on_not_held(State::Running),
            Step::End(End::FailedByPlatform)
        );
        assert_eq!(on_not_held(State::Stopping), Step::End(End::Stopped));
    }

    proptest! {
        #[test]
        fn life_goes_forward(reports in prop::collection::vec(0..STATES.len(), 0..20)) {
            let mut current = State::Placed;
            for index in reports {
                match on_report(current, STATES[index], Some(End::Completed)) {
                    Step::Go(next) => { prop_assert!(next > current); current = next; }
                    Step::End(_) => { prop_assert!(current != State::Ended); current = State::Ended; }
                    Step::Done => {}
                }
            }
        }
    }
}
