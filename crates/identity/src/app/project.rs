//! Projects.

use chassis::auth::User;
use chassis::database::is_unique_violation;
use chassis::{Error, Result};
use kernel::id::{ProjectId, TeamId};
use kernel::text;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, EntityTrait, QueryFilter,
    QueryOrder,
};

use super::App;
use super::request::Request;
use crate::store::entity::project;

impl App {
    /// A new project of the caller's team.
    pub(crate) async fn create_project(
        &self,
        caller: &User,
        name: &str,
        request_id: &str,
    ) -> Result<project::Model> {
        let name = text::name("name", name, 100)?;
        let request = Request::new(caller, "CreateProject", request_id, &[&name])?;
        let (team, now) = (caller.team, self.clock.now());
        let transaction = self.database.begin().await?;
        if let Some(before) = request.before(&transaction, &self.sealer, now).await? {
            return project::Entity::find_by_id(&before.made)
                .one(&transaction)
                .await?
                .ok_or_else(|| Error::not_found("project", &before.made));
        }
        let row = project::ActiveModel {
            id: Set(ProjectId::generate().into()),
            team_id: Set(team.into()),
            name: Set(name.clone()),
            created_at: Set(now.timestamp_micros()),
        };
        let row = row.insert(&transaction).await.map_err(|error| {
            if is_unique_violation(&error) {
                return Error::Conflict(format!(
                    "a project named {name:?} exists already; choose another name"
                ));
            }
            error.into()
        })?;
        request
            .note(&transaction, &self.sealer, &row.id, None, now)
            .await?;
        transaction.commit().await?;
        Ok(row)
    }

    /// A project of the caller's team that exists for them, by identifier or name; the first one when nothing is said.
    pub(crate) async fn project(&self, caller: &User, wanted: &str) -> Result<project::Model> {
        let row = self.project_of(caller.team, wanted).await?;
        if !caller.sees(&row.id) {
            return Err(Error::not_found("project", wanted));
        }
        Ok(row)
    }

    /// A project of a team, by identifier or name; the first one when nothing is said.
    pub(crate) async fn project_of(&self, team: TeamId, wanted: &str) -> Result<project::Model> {
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

    /// Projects of the caller's team that exist for them, by name.
    pub(crate) async fn list_projects(&self, caller: &User) -> Result<Vec<project::Model>> {
        let query = project::Entity::find()
            .filter(project::Column::TeamId.eq(caller.team.to_string()))
            .order_by_asc(project::Column::Name);
        let mut rows = query.all(self.database.reader()).await?;
        rows.retain(|row| caller.sees(&row.id));
        Ok(rows)
    }
}
