//! Writing the row of a new notebook, and what it must not share with any other.

use chassis::database::is_unique_violation;
use chassis::{Error, Result};
use contracts::notebook::v1::NotebookState;
use kernel::id::TeamId;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter,
};

use super::project::check_open;
use super::{App, NewNotebook, view};
use crate::domain::state::Wanted;
use crate::store::entity::{Column, Entity, Model};

impl App {
    /// Writes the row of a new notebook, with its event.
    pub(super) async fn insert(&self, row: Model, new: &NewNotebook) -> Result<Model> {
        let transaction = self.database.begin().await?;
        check_open(&transaction, &row).await?;
        let inserted = row
            .clone()
            .into_active_model()
            .reset_all()
            .insert(&transaction)
            .await;
        let row = match inserted {
            Ok(row) => row,
            Err(error) if is_unique_violation(&error) => {
                transaction.rollback().await?;
                return self.made_meanwhile(&row, new).await;
            }
            Err(error) => return Err(error.into()),
        };
        self.say_changed(&transaction, &row).await?;
        transaction.commit().await?;
        self.outbox.nudge();
        self.changed.notify_one();
        Ok(row)
    }

    /// The same request gets the notebook that it made before; others hear which of the unique things is taken.
    async fn made_meanwhile(&self, row: &Model, new: &NewNotebook) -> Result<Model> {
        if let Ok(team) = row.team_id.parse()
            && let Some(row) = self.created_before(team, new).await?
        {
            return Ok(row);
        }
        let again =
            || Error::Conflict("somebody made a notebook at this moment; try again".to_owned());
        Err(self.taken(row).await?.unwrap_or_else(again))
    }

    /// Which of the unique things of this row another notebook has: its name, its files, the team's place on a free machine.
    pub(super) async fn taken(&self, row: &Model) -> Result<Option<Error>> {
        let reader = self.database.reader();
        let there = || Entity::find().filter(Column::DeletedAt.is_null());
        let same_name = there()
            .filter(Column::TeamId.eq(&row.team_id))
            .filter(Column::Name.eq(&row.name));
        if same_name.one(reader).await?.is_some() {
            let name = &row.name;
            return Ok(Some(Error::Conflict(format!(
                "a notebook named {name:?} exists already; choose another name"
            ))));
        }
        if !row.volume_id.is_empty() {
            let same_files = there().filter(Column::VolumeId.eq(&row.volume_id));
            if let Some(other) = same_files.one(reader).await? {
                return Ok(Some(Error::Conflict(format!(
                    "volume_id: {} holds the files of notebook {:?}",
                    row.volume_id, other.name
                ))));
            }
        }
        if row.free && self.holder_of_free(&row.team_id).await?.is_some() {
            return Ok(Some(self.free_is_taken(&row.team_id).await?));
        }
        Ok(None)
    }

    /// The team's notebook on a free machine; one that still stops is one.
    async fn holder_of_free(&self, team: &str) -> Result<Option<Model>> {
        let held = [
            NotebookState::Pending,
            NotebookState::Provisioned,
            NotebookState::Running,
        ];
        let holds = Condition::any()
            .add(Column::Wanted.eq(view::wanted_number(Wanted::Running)))
            .add(Column::State.is_in(held.map(i32::from)));
        let holder = Entity::find()
            .filter(Column::TeamId.eq(team))
            .filter(Column::Free.eq(true))
            .filter(Column::DeletedAt.is_null())
            .filter(holds);
        Ok(holder.one(self.database.reader()).await?)
    }

    /// The refusal of a second free notebook, naming the first.
    pub(super) async fn free_is_taken(&self, team: &str) -> Result<Error> {
        let it = match self.holder_of_free(team).await? {
            Some(row) if view::wanted(&row) == Wanted::Running => {
                format!("{:?} does; stop it", row.name)
            }
            Some(row) => format!("{:?} is still stopping; wait for it", row.name),
            None => "another one did; try again".to_owned(),
        };
        Ok(Error::Exhausted(format!(
            "only one notebook on a free machine may run at a time, and {it} or choose a paid machine type"
        )))
    }

    /// The notebook that the same request made before; another body under its name is a conflict.
    pub(super) async fn created_before(
        &self,
        team: TeamId,
        new: &NewNotebook,
    ) -> Result<Option<Model>> {
        if new.request_id.is_empty() {
            return Ok(None);
        }
        let found = Entity::find()
            .filter(Column::TeamId.eq(team.to_string()))
            .filter(Column::RequestId.eq(&new.request_id))
            .one(self.database.reader())
            .await?;
        match found {
            Some(row) if row.request_hash != new.hash() => {
                let id = &new.request_id;
                Err(Error::Conflict(format!(
                    "request_id {id:?} was used before for another notebook"
                )))
            }
            Some(row) if row.deleted_at.is_some() => {
                let id = &new.request_id;
                Err(Error::Conflict(format!(
                    "request_id {id:?} was used before for a notebook that is deleted"
                )))
            }
            found => Ok(found),
        }
    }
}
