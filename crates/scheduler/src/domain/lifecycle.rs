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

/// What an agent that connects without holding an attempt means for it; `stop_as` is how its stop was to end.
pub(crate) fn on_not_held(current: State, stop_as: End) -> Step {
    match current {
        // It never heard of it: it is told again.
        State::Placed | State::Ended => Step::Done,
        State::Stopping => Step::End(stop_as),
        State::Starting | State::Running => Step::End(End::FailedByPlatform),
    }
}

/// How an end counts that somebody ordered: as it was ordered, unless the workload is wished to stop by now. What ended by
/// itself counts as it did.
pub(crate) const fn as_ordered(end: End, stop_as: End, stop_wanted: bool) -> End {
    match end {
        End::Stopped | End::Preempted if stop_wanted => End::Stopped,
        End::Stopped | End::Preempted => stop_as,
        End::Completed | End::FailedByUser | End::FailedByPlatform | End::Lost => end,
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
        for stop_as in [End::Stopped, End::Preempted] {
            assert_eq!(on_not_held(State::Placed, stop_as), Step::Done);
            assert_eq!(
                on_not_held(State::Running, stop_as),
                Step::End(End::FailedByPlatform)
            );
            assert_eq!(on_not_held(State::Stopping, stop_as), Step::End(stop_as));
        }
    }

    #[test]
    fn what_makes_room_waits_again_unless_its_user_stopped_it() {
        for end in [End::Stopped, End::Preempted] {
            assert_eq!(as_ordered(end, End::Preempted, false), End::Preempted);
            assert_eq!(as_ordered(end, End::Preempted, true), End::Stopped);
            assert_eq!(as_ordered(end, End::Stopped, false), End::Stopped);
        }
        let by_itself = as_ordered(End::FailedByUser, End::Preempted, true);
        assert_eq!(by_itself, End::FailedByUser);
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
