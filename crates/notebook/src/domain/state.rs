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
    /// It has stopped: its files are to be kept before anything else writes to them.
    Keep,
    /// The workload was stopped in order to be started again.
    StartAgain,
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
    /// The scheduler may have been asked for the newest start: its answer may be lost, or still on its way.
    pub(crate) asked_for: bool,
    /// The newest start has a workload.
    pub(crate) has_workload: bool,
    /// The scheduler has been asked to stop it.
    pub(crate) stop_asked: bool,
    /// It is to be stopped and started again.
    pub(crate) restart: bool,
    /// Its files are to be kept as a snapshot once it has stopped.
    pub(crate) keeps: bool,
}

impl Known {
    /// Nothing writes to the files, or is about to.
    const fn files_rest(self) -> bool {
        self.state.is_rest() || !self.has_workload && !self.asked_for
    }
}

/// The next thing to do.
pub(crate) const fn next(known: Known) -> Step {
    match (known.wanted, known.has_workload) {
        (Wanted::Running | Wanted::Stopped, _)
            if known.keeps && known.has_volume && known.files_rest() =>
        {
            Step::Keep
        }
        (Wanted::Running, false) if !known.has_volume => Step::CreateVolume,
        (Wanted::Running, false) => Step::Submit,
        (Wanted::Running, true) if known.restart && known.state.is_rest() => Step::StartAgain,
        (Wanted::Running, true) if known.state.is_rest() => Step::Settle,
        (Wanted::Running, true) if known.restart && !known.stop_asked => Step::Stop,
        (Wanted::Running, true) => Step::Nothing,
        // What may run must be known before it can be stopped.
        (Wanted::Stopped | Wanted::Deleted, false) if known.asked_for && !known.state.is_rest() => {
            Step::Submit
        }
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

    fn known(wanted: Wanted, state: State) -> Known {
        Known {
            wanted,
            state,
            has_volume: true,
            asked_for: true,
            has_workload: true,
            stop_asked: false,
            restart: false,
            keeps: false,
        }
    }

    #[test]
    fn a_start_goes_step_by_step_and_an_end_is_kept() {
        use {State as S, Wanted as W};
        let fresh = Known {
            has_volume: false,
            asked_for: false,
            has_workload: false,
            ..known(W::Running, S::Pending)
        };
        assert_eq!(next(fresh), Step::CreateVolume);
        let with_volume = Known {
            has_volume: true,
            ..fresh
        };
        assert_eq!(next(with_volume), Step::Submit);
        assert_eq!(next(known(W::Running, S::Running)), Step::Nothing);
        assert_eq!(next(known(W::Running, S::Failed)), Step::Settle);
    }

    #[test]
    fn a_restart_stops_once_and_starts_when_it_has_stopped() {
        use {State as S, Wanted as W};
        let running = Known {
            restart: true,
            ..known(W::Running, S::Running)
        };
        assert_eq!(next(running), Step::Stop);
        let told = Known {
            stop_asked: true,
            ..running
        };
        assert_eq!(next(told), Step::Nothing);
        for over in [S::Stopped, S::Cancelled, S::Failed, S::Error] {
            let over = Known {
                state: over,
                ..told
            };
            assert_eq!(next(over), Step::StartAgain, "however it ended");
        }
        let unanswered = Known {
            has_workload: false,
            ..running
        };
        assert_eq!(next(unanswered), Step::Submit, "to learn what to stop");
        let stopped = Known {
            wanted: W::Stopped,
            ..running
        };
        assert_eq!(next(stopped), Step::Stop, "a stop is stronger");
    }

    #[test]
    fn files_are_kept_between_the_stop_and_the_next_start() {
        use {State as S, Wanted as W};
        let stopping = Known {
            keeps: true,
            stop_asked: true,
            ..known(W::Stopped, S::Running)
        };
        assert_eq!(next(stopping), Step::Nothing, "it still writes");
        let stopped = Known {
            state: S::Stopped,
            ..stopping
        };
        assert_eq!(next(stopped), Step::Keep);
        let started_again = Known {
            wanted: W::Running,
            state: S::Pending,
            asked_for: false,
            has_workload: false,
            ..stopped
        };
        assert_eq!(next(started_again), Step::Keep);
        let deleted = Known {
            wanted: W::Deleted,
            ..stopped
        };
        assert_eq!(next(deleted), Step::Remove);
    }

    #[test]
    fn what_may_run_is_stopped_once_before_anything_else() {
        use {State as S, Wanted as W};
        for wanted in [W::Stopped, W::Deleted] {
            let running = known(wanted, S::Running);
            assert_eq!(next(running), Step::Stop);
            let told = Known {
                stop_asked: true,
                ..running
            };
            assert_eq!(next(told), Step::Nothing);
            let unanswered = Known {
                has_workload: false,
                ..known(wanted, S::Pending)
            };
            assert_eq!(next(unanswered), Step::Submit, "to learn what to stop");
        }
        assert_eq!(next(known(W::Stopped, S::Stopped)), Step::Nothing);
        assert_eq!(next(known(W::Deleted, S::Stopped)), Step::Remove);
        let never_asked = Known {
            asked_for: false,
            has_workload: false,
            ..known(W::Deleted, S::Pending)
        };
        assert_eq!(next(never_asked), Step::Remove);
    }
}
