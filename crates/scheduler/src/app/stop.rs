//! The wish to stop. Final: what is stopped is not started again.

use chassis::Result;
use contracts::scheduler::v1::{AttemptEnd, AttemptState, Workload, WorkloadState};

use super::{App, view};
use crate::domain::lifecycle::State;

impl App {
    /// Asks for the end of a workload; one that is over stays as it is.
    pub(crate) async fn stop(&self, id: &str, reason: &str) -> Result<Workload> {
        let reason = if reason.is_empty() { "stopped" } else { reason };
        let transaction = self.database.begin().await?;
        let mut locked = self.lock(&transaction, id).await?;
        if locked.workload.stop_wanted || view::is_over(&locked.workload) {
            return view::workload(&locked.workload, locked.attempt.as_ref());
        }
        let now = self.clock.now().timestamp_micros();
        locked.workload.stop_wanted = true;
        locked.workload.reason = reason.to_owned();
        let open = locked
            .attempt
            .take_if(|attempt| view::state(attempt.state) != State::Ended);
        match open {
            Some(mut attempt) => {
                attempt.state = AttemptState::Stopping.into();
                attempt.state_since = now;
                attempt.stop_as = AttemptEnd::Stopped.into();
                attempt.reason = reason.to_owned();
                locked.attempt = Some(self.store_attempt(&transaction, attempt).await?);
            }
            None => locked.workload.state = WorkloadState::Stopped.into(),
        }
        let row = self
            .store_workload(&transaction, locked.workload, locked.attempt.as_ref())
            .await?;
        transaction.commit().await?;
        self.outbox.nudge();
        self.dispatchable.notify_one();
        view::workload(&row, locked.attempt.as_ref())
    }
}
