//! Ended attempts give their volumes back: at the scheduler's event, and at its list of changes when the event was lost.

use bus::Delivery;
use chassis::Result;
use chrono::TimeDelta;
use kernel::id::AttemptId;
use sea_orm::DatabaseTransaction;

use super::App;
use crate::store::{attempts, cursors, volumes};

/// Name in the inbox.
const CONSUMER: &str = "volume";
/// An attachment that was asked for before the end arrives within minutes of it, if at all.
const ENDS_KEPT: TimeDelta = TimeDelta::days(1);

impl App {
    /// Handles the event that `attempt` has ended.
    pub(crate) async fn release_at_event(
        &self,
        delivery: &Delivery,
        attempt: AttemptId,
    ) -> Result<()> {
        let transaction = self.database.begin().await?;
        if bus::first_time(&transaction, CONSUMER, delivery, self.clock.now()).await? {
            self.release(&transaction, &[attempt]).await?;
        }
        self.commit(transaction).await
    }

    /// The last change of attempts that was read.
    pub(crate) async fn last_change(&self) -> Result<u64> {
        cursors::attempts(self.database.reader()).await
    }

    /// Handles one page of the scheduler's changes: the attempts among them that have ended, and where the page ends.
    pub(crate) async fn release_up_to(&self, change: u64, ended: &[AttemptId]) -> Result<()> {
        let transaction = self.database.begin().await?;
        self.release(&transaction, ended).await?;
        attempts::forget(&transaction, self.clock.now() - ENDS_KEPT).await?;
        cursors::set_attempts(&transaction, change).await?;
        self.commit(transaction).await
    }

    async fn release(&self, transaction: &DatabaseTransaction, ended: &[AttemptId]) -> Result<()> {
        attempts::end(transaction, ended, self.clock.now()).await?;
        for mut volume in volumes::lock_attached(transaction, ended).await? {
            let Some(held) = volume.attachment else {
                continue;
            };
            let change = volume.detach(held.attempt);
            self.record(transaction, &volume, change).await?;
        }
        Ok(())
    }
}
