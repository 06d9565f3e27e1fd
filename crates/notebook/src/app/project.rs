//! Projects, as far as notebooks are in them: which one is meant, and the end of one that is empty. Identity keeps projects, but
//! only this service knows what is in them: so it closes a project first, and has identity remove it then.

use chassis::auth::User;
use chassis::database::is_unique_violation;
use chassis::{Error, Result, lease};
use contracts::common::v1::Role;
use contracts::identity::v1::{DeleteProjectRequest, GetProjectRequest, Project};
use kernel::Timestamp;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DatabaseTransaction, EntityTrait,
    IntoActiveModel, QueryFilter, QueryOrder,
};

use super::App;
use super::policy::forget_project;
use crate::store::closed_project;
use crate::store::entity::{Column, Entity, Model};

/// Most notebooks that a refusal names.
const SHOWN: usize = 10;

/// New notebooks of a team and the end of its projects wait for each other.
async fn take_turn(transaction: &DatabaseTransaction, team_id: &str) -> Result<()> {
    Ok(lease::take_turn(transaction, &format!("projects of {team_id}")).await?)
}

/// Checks that the project of a new notebook is not closed, and keeps it so until the transaction ends.
pub(super) async fn check_open(transaction: &DatabaseTransaction, notebook: &Model) -> Result<()> {
    take_turn(transaction, &notebook.team_id).await?;
    let closed = closed_project::Entity::find_by_id(&notebook.project_id)
        .one(transaction)
        .await?;
    match closed {
        Some(_) => Err(Error::not_found("project", &notebook.project_id)),
        None => Ok(()),
    }
}

impl App {
    /// The project of the caller's team that `wanted` names to them.
    pub(super) async fn project_named(&self, caller: &User, wanted: &str) -> Result<Project> {
        let hidden = caller.hidden_projects().map(|project| project.to_string());
        let request = GetProjectRequest {
            project: wanted.to_owned(),
            team_id: caller.team.into(),
            hidden_project_ids: hidden.collect(),
        };
        let found = self.identity.clone().get_project(request).await?;
        found
            .into_inner()
            .project
            .ok_or_else(|| Error::not_found("project", wanted))
    }

    /// Removes a project without notebooks; no notebook is made in it from then on. Gives it, and when it was closed.
    pub(crate) async fn delete_project(
        &self,
        caller: &User,
        wanted: &str,
    ) -> Result<(Project, Timestamp)> {
        if wanted.is_empty() {
            return Err(Error::invalid("project", "is missing; say which one"));
        }
        let project = self.project_named(caller, wanted).await?;
        caller.require_in(&project.id, Role::Admin)?;
        let closed = self.close_project(&project).await?;
        let at = kernel::time::from_micros(closed.closed_at);
        // Should this fail, a loop asks again.
        self.have_deleted(closed).await?;
        tracing::info!(project = project.id, "deleted a project");
        Ok((project, at))
    }

    /// Writes down that a project takes no notebook any more; refused while there is one in it.
    async fn close_project(&self, project: &Project) -> Result<closed_project::Model> {
        let transaction = self.database.begin().await?;
        take_turn(&transaction, &project.team_id).await?;
        let names: Vec<_> = Entity::find()
            .filter(Column::ProjectId.eq(&project.id))
            .filter(Column::DeletedAt.is_null())
            .order_by_asc(Column::Name)
            .all(&transaction)
            .await?
            .into_iter()
            .map(|row| row.name)
            .collect();
        if !names.is_empty() {
            return Err(not_empty(&project.name, &names));
        }
        forget_project(&transaction, &project.team_id, &project.id).await?;
        let row = closed_project::ActiveModel {
            id: Set(project.id.clone()),
            team_id: Set(project.team_id.clone()),
            closed_at: Set(self.clock.now().timestamp_micros()),
            deleted: Set(false),
        };
        let row = match row.insert(&transaction).await {
            Ok(row) => row,
            Err(error) if is_unique_violation(&error) => {
                transaction.rollback().await?;
                return closed_project::Entity::find_by_id(&project.id)
                    .one(self.database.reader())
                    .await?
                    .ok_or_else(|| Error::not_found("project", &project.id));
            }
            Err(error) => return Err(error.into()),
        };
        transaction.commit().await?;
        Ok(row)
    }

    /// Has identity remove the projects that were closed and are still there: the answer to who asked for it may have been lost.
    pub(crate) async fn delete_closed(&self) -> Result<()> {
        let closed = closed_project::Entity::find()
            .filter(closed_project::Column::Deleted.eq(false))
            .all(self.database.reader())
            .await?;
        for row in closed {
            self.have_deleted(row).await?;
        }
        Ok(())
    }

    async fn have_deleted(&self, closed: closed_project::Model) -> Result<()> {
        let request = DeleteProjectRequest {
            team_id: closed.team_id.clone(),
            project_id: closed.id.clone(),
        };
        self.identity.clone().delete_project(request).await?;
        let mut changed = closed.into_active_model();
        changed.deleted = Set(true);
        changed.update(self.database.reader()).await?;
        Ok(())
    }
}

fn not_empty(project: &str, names: &[String]) -> Error {
    let shown = names.iter().take(SHOWN).cloned().collect::<Vec<_>>();
    let more = match names.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Error::Precondition(format!(
        "the project {project:?} still has notebooks: {}{more}; delete them first, with \"quire notebook delete NAME\"",
        shown.join(", ")
    ))
}
