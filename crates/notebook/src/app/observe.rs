//! What the scheduler says of a notebook's workload, taken over into the notebook.

use chassis::Result;
use contracts::from_wire_time;
use contracts::scheduler::v1::{
    Attempt, AttemptEnd, AttemptState, Fault, GetWorkloadRequest, Workload, WorkloadState,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::idle::forget_warning;
use super::loss::lost;
use super::restart::RESTARTING;
use super::{App, unsigned, view};
use crate::domain::state::{self, Observed, State, Wanted};
use crate::store::entity::{Column, Entity, Model};

fn ended(attempt: &Attempt) -> Observed {
    match (attempt.end(), attempt.fault()) {
        (AttemptEnd::Completed, _) => Observed::Completed,
        (AttemptEnd::Failed, Fault::User) => Observed::FailedByUser,
        (AttemptEnd::Preempted, _) => Observed::Preempted,
        (AttemptEnd::Lost, _) => Observed::Lost,
        (AttemptEnd::Stopped, _) => Observed::Stopped {
            ran: attempt.billable_from.is_some(),
        },
        (AttemptEnd::Failed | AttemptEnd::Unspecified, _) => Observed::FailedByPlatform,
    }
}

fn observed(workload: &Workload) -> Observed {
    let attempt = workload.attempt.as_ref();
    let ran = attempt.is_some_and(|attempt| attempt.billable_from.is_some());
    match (workload.state(), attempt) {
        (WorkloadState::Queued, Some(_)) => Observed::Requeued,
        (WorkloadState::Queued | WorkloadState::Unspecified, _) => Observed::Queued,
        (WorkloadState::Active, Some(attempt)) => match attempt.state() {
            AttemptState::Placed | AttemptState::Unspecified => Observed::Placed,
            AttemptState::Starting => Observed::Starting,
            AttemptState::Running => Observed::Running,
            AttemptState::Stopping => Observed::Stopping { ran },
            AttemptState::Ended => ended(attempt),
        },
        (WorkloadState::Active, None) => Observed::Queued,
        (WorkloadState::Stopped, Some(attempt)) => match ended(attempt) {
            // It waited for another place, and was stopped there: that is the end of it, not what it waited for.
            Observed::Preempted | Observed::FailedByPlatform => Observed::Stopped { ran },
            end => end,
        },
        (WorkloadState::Failed, Some(attempt)) => ended(attempt),
        (WorkloadState::Stopped, None) => Observed::Stopped { ran: false },
        (WorkloadState::Failed, None) => Observed::FailedByPlatform,
    }
}

/// What is said of a workload that waits, with why it does not run any more where it had to go: for others, or because its node is
/// drained.
pub(super) fn waiting(workload: &Workload, why: &str) -> String {
    let had_to_go = |attempt: &&Attempt| {
        workload.state() == WorkloadState::Queued
            && attempt.end() == AttemptEnd::Preempted
            && !attempt.reason.is_empty()
    };
    match workload.attempt.as_ref().filter(had_to_go) {
        Some(attempt) if attempt.reason == why => {
            format!("{why}; waits for a place again")
        }
        Some(attempt) => format!("{}; {why}", attempt.reason),
        None => why.to_owned(),
    }
}

/// How the scheduler begins what it says of a workload that will have to go.
const MAKES_ROOM: &str = "will be stopped at";

/// What people are told beside the state.
fn reason(row: &Model, workload: &Workload, observed: Observed) -> String {
    let wanted_stop = view::wanted(row) != Wanted::Running;
    match observed {
        Observed::Stopping { .. } | Observed::Running if row.restart => RESTARTING.to_owned(),
        Observed::Stopping { .. } if wanted_stop => "stopping".to_owned(),
        Observed::Running if wanted_stop => "stopping".to_owned(),
        Observed::Running
            if !workload.reason.starts_with(MAKES_ROOM)
                && workload
                    .attempt
                    .as_ref()
                    .is_some_and(|attempt| attempt.unreachable_since.is_some()) =>
        {
            "its node does not answer; it goes on there and is not moved".to_owned()
        }
        Observed::Stopped { .. } if !row.stop_reason.is_empty() => row.stop_reason.clone(),
        Observed::Completed => "Jupyter ended by itself; start the notebook to go on".to_owned(),
        Observed::Lost if !row.lost_reason.is_empty() => lost(&row.lost_reason),
        _ => waiting(workload, &workload.reason),
    }
}

impl App {
    /// Asks the scheduler how a workload is, and takes that over.
    pub(super) async fn look_at(&self, workload_id: &str) -> Result<()> {
        let request = GetWorkloadRequest {
            id: workload_id.to_owned(),
        };
        let found = self.scheduler.clone().get_workload(request).await?;
        self.observe(&found.into_inner().workload.unwrap_or_default())
            .await
    }

    /// Takes over what is known of a workload, unless something as new is known already.
    pub(crate) async fn observe(&self, workload: &Workload) -> Result<()> {
        let row = Entity::find()
            .filter(Column::WorkloadId.eq(&workload.id))
            .one(self.database.reader())
            .await?;
        // A workload of somebody else, or of an earlier start.
        let Some(row) = row else { return Ok(()) };
        let started_at = workload
            .attempt
            .as_ref()
            .and_then(|attempt| attempt.billable_from)
            .map(|time| from_wire_time("billable_from", time))
            .transpose()?;
        let run_until = workload
            .attempt
            .as_ref()
            .and_then(|attempt| attempt.run_until)
            .map(|time| from_wire_time("run_until", time))
            .transpose()?;
        let row = self
            .update(&row.id, |row| {
                if row.workload_id != workload.id
                    || unsigned(row.workload_revision) >= workload.revision
                {
                    return Ok(false);
                }
                let observed = observed(workload);
                row.workload_revision = i64::try_from(workload.revision).unwrap_or(i64::MAX);
                let state = state::of(observed);
                row.state = view::state_number(state);
                row.reason = reason(row, workload, observed);
                // However it ended: without its files it is of no use any more.
                if state.is_rest() && !row.lost_reason.is_empty() {
                    row.state = view::state_number(State::Error);
                    row.reason = lost(&row.lost_reason);
                }
                // Jupyter answers only after the repository is there.
                row.furnished |= observed == Observed::Running;
                if observed != Observed::Running {
                    forget_warning(row);
                }
                row.started_at = started_at.map(|at| at.timestamp_micros());
                row.run_until = run_until
                    .filter(|_| observed == Observed::Running)
                    .map(|at| at.timestamp_micros());
                if let Some(attempt) = &workload.attempt {
                    row.node_id.clone_from(&attempt.node_id);
                    row.generation = i64::try_from(attempt.generation).unwrap_or(i64::MAX);
                }
                Ok(true)
            })
            .await?;
        if view::state(&row) == State::Provisioned {
            self.provisioned.notify_one();
        }
        Ok(())
    }
}
