//! Making room for others: who goes is told before, runs on until its time has come, and waits again.

use chassis::Result;
use chassis::lease::{self, Held};
use chrono::SecondsFormat;
use contracts::scheduler::v1::{AttemptEnd, AttemptState};
use kernel::Timestamp;
use kernel::time::from_micros;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::record::Locked;
use super::{App, view};
use crate::domain::lifecycle::State;
use crate::store::entity::attempt;

/// Why an attempt ends that made room.
const MADE_ROOM: &str = "made room for other work";

impl App {
    /// Has a workload make room for `by`: one that runs is told, and goes after the notice; one that does not run yet goes at once.
    /// `false` when it goes already.
    pub(super) async fn leave(&self, held: &Held, workload_id: &str, by: &str) -> Result<bool> {
        let transaction = self.database.begin().await?;
        lease::fence(&transaction, held).await?;
        let Locked { workload, attempt } = self.lock(&transaction, workload_id).await?;
        let stays = |attempt: &attempt::Model| {
            view::state(attempt.state) < State::Stopping && attempt.leaves_at.is_none()
        };
        let Some(mut attempt) = attempt.filter(stays) else {
            return Ok(false);
        };
        let mut workload = workload;
        let now = self.clock.now().timestamp_micros();
        let runs = view::state(attempt.state) == State::Running;
        let notice = i64::from(self.notice_ms) * 1_000;
        let leaves_at = if runs { now + notice } else { now };
        attempt.leaves_at = Some(leaves_at);
        attempt.leaves_for = by.to_owned();
        let attempt = self.store_attempt(&transaction, attempt).await?;
        workload.reason = told(from_micros(leaves_at));
        self.store_workload(&transaction, workload, Some(&attempt))
            .await?;
        transaction.commit().await?;
        self.metrics.preempted();
        tracing::info!(workload = workload_id, by, "makes room");
        self.outbox.nudge();
        self.dispatchable.notify_one();
        Ok(true)
    }

    /// Tells those to stop whose time has come.
    pub(super) async fn stop_leaving(&self, held: &Held) -> Result<()> {
        let now = self.clock.now().timestamp_micros();
        let due = attempt::Entity::find()
            .filter(attempt::Column::State.lt(i32::from(AttemptState::Stopping)))
            .filter(attempt::Column::LeavesAt.lte(now))
            .all(self.database.reader())
            .await?;
        for seen in due {
            let transaction = self.database.begin().await?;
            lease::fence(&transaction, held).await?;
            let Locked { workload, attempt } = self.lock(&transaction, &seen.workload_id).await?;
            let still = |attempt: &attempt::Model| {
                attempt.id == seen.id && view::state(attempt.state) < State::Stopping
            };
            let Some(mut attempt) = attempt.filter(still) else {
                continue;
            };
            attempt.state = AttemptState::Stopping.into();
            attempt.state_since = now;
            attempt.stop_as = AttemptEnd::Preempted.into();
            attempt.reason = MADE_ROOM.to_owned();
            let attempt = self.store_attempt(&transaction, attempt).await?;
            let mut workload = workload;
            workload.reason = MADE_ROOM.to_owned();
            self.store_workload(&transaction, workload, Some(&attempt))
                .await?;
            transaction.commit().await?;
            self.outbox.nudge();
        }
        Ok(())
    }
}

/// What a workload that makes room says of itself: as agents say it of theirs, so that a page can tell it from other reasons.
fn told(leaves_at: Timestamp) -> String {
    let at = leaves_at.to_rfc3339_opts(SecondsFormat::Secs, true);
    format!(
        "will be stopped at {at}: makes room for other work, and waits for a place again; save what is only in memory"
    )
}
