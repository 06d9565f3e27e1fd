//! From the life of a workload to the state that people see, in the words of Paperspace's API.

/// What is wanted of a notebook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Running,
    Stopped,
    Deleted,
}

/// What was observed of the workload of the newest start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Observed {
    /// It waits; it has run before in this start.
    Requeued,
    /// It waits for its first place.
    Queued,
    Placed,
    Starting,
    Running,
    /// With whether it ever answered.
    Stopping {
        ran: bool,
    },
    /// Over as it was wished to be; with whether it ever answered.
    Stopped {
        ran: bool,
    },
    /// Its process ended well by itself.
    Completed,
    FailedByUser,
    FailedByPlatform,
    Preempted,
    Lost,
}

/// What people see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Pending,
    Provisioned,
    Running,
    Stopped,
    Cancelled,
    Failed,
    Error,
    Preempted,
}

impl State {
    /// Nothing happens any more until somebody starts it.
    pub(crate) const fn is_rest(self) -> bool {
        matches!(
            self,
            Self::Stopped | Self::Cancelled | Self::Failed | Self::Error | Self::Preempted
        )
    }
}

/// What people see of an observed workload.
pub(crate) const fn of(observed: Observed) -> State {
    match observed {
        Observed::Queued | Observed::Requeued => State::Pending,
        Observed::Placed | Observed::Starting => State::Provisioned,
        Observed::Running | Observed::Stopping { ran: true } => State::Running,
        // It has a machine until its end is confirmed.
        Observed::Stopping { ran: false } => State::Provisioned,
        Observed::Stopped { ran: true } => State::Stopped,
        Observed::Stopped { ran: false } => State::Cancelled,
        Observed::Completed | Observed::FailedByUser => State::Failed,
        Observed::FailedByPlatform | Observed::Lost => State::Error,
        Observed::Preempted => State::Preempted,
    }
}

/// The next thing to do for a notebook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Nothing,
    CreateVolume,
    Submit,
    Stop,
    /// The workload ended by itself: that is now what is wanted.
    Settle,
    Remove,
}

/// What is known of a notebook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) wanted: Wanted,
    pub(crate) state: State,
    pub(crate) has_volume: bool,
    /// The newest start has a workload.
    pub(crate) has_workload: bool,
    /// The scheduler has been asked to stop it.
    pub(crate) stop_asked: bool,
}

/// The next thing to do.
pub(crate) const fn next(known: Known) -> Step {
    match (known.wanted, known.has_workload) {
        (Wanted::Running, false) if !known.has_volume => Step::CreateVolume,
        (Wanted::Running, false) => Step::Submit,
        (Wanted::Running, true) if known.state.is_rest() => Step::Settle,
        (Wanted::Running, true) => Step::Nothing,
        (Wanted::Stopped | Wanted::Deleted, true) if !known.state.is_rest() => {
            if known.stop_asked {
                Step::Nothing
            } else {
                Step::Stop
            }
        }
        (Wanted::Stopped, _) => Step::Nothing,
        (Wanted::Deleted, _) => Step::Remove,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_have_paperspaces_names() {
        let table = [
            (Observed::Queued, State::Pending),
            (Observed::Requeued, State::Pending),
            (Observed::Placed, State::Provisioned),
            (Observed::Starting, State::Provisioned),
            (Observed::Running, State::Running),
            (Observed::Stopping { ran: true }, State::Running),
            (Observed::Stopped { ran: true }, State::Stopped),
            (Observed::Stopped { ran: false }, State::Cancelled),
            (Observed::Completed, State::Failed),
            (Observed::FailedByUser, State::Failed),
            (Observed::FailedByPlatform, State::Error),
            (Observed::Preempted, State::Preempted),
            (Observed::Lost, State::Error),
        ];
        for (observed, state) in table {
            assert_eq!(of(observed), state, "{observed:?}");
        }
    }

    #[test]
    fn a_start_goes_step_by_step_and_an_end_is_kept() {
        let known = |wanted, state, has_volume, has_workload, stop_asked| {
            next(Known {
                wanted,
                state,
                has_volume,
                has_workload,
                stop_asked,
            })
        };
        use {State as S, Wanted as W};
        assert_eq!(
            known(W::Running, S::Pending, false, false, false),
            Step::CreateVolume
        );
        assert_eq!(
            known(W::Running, S::Pending, true, false, false),
            Step::Submit
        );
        assert_eq!(
            known(W::Running, S::Running, true, true, false),
            Step::Nothing
        );
        assert_eq!(
            known(W::Running, S::Failed, true, true, false),
            Step::Settle
        );
        assert_eq!(known(W::Stopped, S::Running, true, true, false), Step::Stop);
        assert_eq!(
            known(W::Stopped, S::Running, true, true, true),
            Step::Nothing
        );
        assert_eq!(
            known(W::Stopped, S::Stopped, true, true, true),
            Step::Nothing
        );
        assert_eq!(known(W::Deleted, S::Running, true, true, false), Step::Stop);
        assert_eq!(
            known(W::Deleted, S::Stopped, true, true, true),
            Step::Remove
        );
        assert_eq!(
            known(W::Deleted, S::Pending, false, false, false),
            Step::Remove
        );
    }
}
