//! The one way in which a notebook's row changes: locked, revision up, event beside it.

use chassis::{Error, Result};
use contracts::Event;
use contracts::notebook::v1::{Notebook, NotebookChanged};
use sea_orm::{ActiveModelTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QuerySelect};

use super::App;
use crate::store::entity::{Entity, Model};

impl App {
    /// Locks the row, lets `change` decide, and stores what it changed. `change` gives `false` when there is nothing to do.
    pub(super) async fn update(
        &self,
        id: &str,
        change: impl FnOnce(&mut Model) -> Result<bool> + Send,
    ) -> Result<Model> {
        self.update_saying(id, change, |_, _| None::<NotebookChanged>)
            .await
    }

    /// The same, with an event besides that it changed, which `say` makes of the row before and the notebook after.
    pub(super) async fn update_saying<E: Event>(
        &self,
        id: &str,
        change: impl FnOnce(&mut Model) -> Result<bool> + Send,
        say: impl FnOnce(&Model, Notebook) -> Option<E> + Send,
    ) -> Result<Model> {
        let transaction = self.database.begin().await?;
        let mut row = Entity::find_by_id(id)
            .lock_exclusive()
            .one(&transaction)
            .await?
            .ok_or_else(|| Error::not_found("notebook", id))?;
        let before = row.clone();
        if !change(&mut row)? {
            return Ok(row);
        }
        let row = self.store(&transaction, row).await?;
        if let Some(event) = say(&before, self.without_token(&row)) {
            self.outbox
                .append(&transaction, &event, &row.id, Some(&row.team_id))
                .await?;
        }
        transaction.commit().await?;
        self.outbox.nudge();
        self.changed.notify_one();
        Ok(row)
    }

    pub(super) async fn store(
        &self,
        transaction: &DatabaseTransaction,
        mut row: Model,
    ) -> Result<Model> {
        row.revision += 1;
        row.modified_at = self.clock.now().timestamp_micros();
        let row = row
            .into_active_model()
            .reset_all()
            .update(transaction)
            .await?;
        self.say_changed(transaction, &row).await?;
        Ok(row)
    }

    pub(super) async fn say_changed(
        &self,
        transaction: &DatabaseTransaction,
        row: &Model,
    ) -> Result<()> {
        let event = NotebookChanged {
            notebook: Some(self.without_token(row)),
            deleted: row.deleted_at.is_some(),
        };
        self.outbox
            .append(transaction, &event, &row.id, Some(&row.team_id))
            .await
    }
}
