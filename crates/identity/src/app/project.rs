//! Projects.

use chassis::database::is_unique_violation;
use chassis::{Error, Result};
use kernel::id::{ProjectId, TeamId};
use kernel::text;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, EntityTrait, QueryFilter,
    QueryOrder,
};

use super::App;
use crate::store::entity::project;

impl App {
    /// A new project of a team.
    pub(crate) async fn create_project(&self, team: TeamId, name: &str) -> Result<project::Model> {
        let name = text::name("name", name, 100)?;
        let transaction = self.database.begin().await?;
        let row = project::ActiveModel {
            id: Set(ProjectId::generate().into()),
            team_id: Set(team.into()),
            name: Set(name.clone()),
            created_at: Set(self.clock.now().timestamp_micros()),
        };
        let row = row.insert(&transaction).await.map_err(|error| {
            if is_unique_violation(&error) {
                return Error::Conflict(format!(
                    "a project named {name:?} exists already; choose another name"
                ));
            }
            error.into()
        })?;
        transaction.commit().await?;
        Ok(row)
    }

    /// A project of a team, by identifier or name; the first one when nothing is said.
    pub(crate) async fn project(&self, team: TeamId, wanted: &str) -> Result<project::Model> {
        let mut query = project::Entity::find()
            .filter(project::Column::TeamId.eq(team.to_string()))
            .order_by_asc(project::Column::Id);
        if !wanted.is_empty() {
            query = query.filter(
                Condition::any()
                    .add(project::Column::Id.eq(wanted))
                    .add(project::Column::Name.eq(wanted)),
            );
        }
        query
            .one(self.database.reader())
            .await?
            .ok_or_else(|| Error::not_found("project", wanted))
    }

    /// Projects of a team, by name.
    pub(crate) async fn list_projects(&self, team: TeamId) -> Result<Vec<project::Model>> {
        let query = project::Entity::find()
            .filter(project::Column::TeamId.eq(team.to_string()))
            .order_by_asc(project::Column::Name);
        Ok(query.all(self.database.reader()).await?)
    }
}
