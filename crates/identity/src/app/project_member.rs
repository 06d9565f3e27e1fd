//! Roles of members in single projects.

use chassis::auth::User;
use chassis::{Error, Result};
use contracts::common::v1::Role as Wire;
use kernel::id::ProjectId;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter,
};

use super::change::Change;
use super::member::member_named;
use super::project::project_named;
use super::{App, role};
use crate::domain::role::{Role, check_project_grant};
use crate::store::entity::{project, project_member, user};

/// Most projects in which one person has a role of their own: all of them travel in each of their tokens.
const MOST_PROJECTS: u64 = 100;

/// A person with their role in a project.
#[derive(Clone, Debug)]
pub(crate) struct Granted {
    pub(crate) project_id: String,
    pub(crate) user: user::Model,
    /// `None` = no access.
    pub(crate) role: Option<Role>,
    /// Since when they have a role of their own there, in microseconds.
    pub(crate) created_at: i64,
}

impl App {
    /// Gives a member of the team a role in a project; `None` = no access.
    pub(crate) async fn set_project_member(
        &self,
        caller: &User,
        project: &str,
        wanted: &str,
        role: Option<Role>,
    ) -> Result<Granted> {
        let transaction = self.database.begin().await?;
        let (change, _) = Change::by(&self.outbox, &transaction, caller).await?;
        let (project, user, before) = check_grant(&change, caller, project, wanted, role).await?;
        let elsewhere = project_member::Entity::find()
            .filter(project_member::Column::TeamId.eq(&change.team_id))
            .filter(project_member::Column::UserId.eq(&user.id))
            .filter(project_member::Column::ProjectId.ne(&project.id))
            .count(&transaction)
            .await?;
        if elsewhere >= MOST_PROJECTS {
            return Err(Error::Exhausted(format!(
                "{} has a role of their own in {elsewhere} projects; at most {MOST_PROJECTS} are allowed",
                user.email
            )));
        }
        let now = self.clock.now().timestamp_micros();
        let granted = Granted {
            project_id: project.id,
            user,
            role,
            created_at: before.map_or(now, |row| row.created_at),
        };
        let row = project_member::ActiveModel {
            project_id: Set(granted.project_id.clone()),
            user_id: Set(granted.user.id.clone()),
            team_id: Set(change.team_id.clone()),
            role: Set(role::number(role)),
            created_at: Set(granted.created_at),
        };
        let or_change = OnConflict::columns([
            project_member::Column::ProjectId,
            project_member::Column::UserId,
        ])
        .update_column(project_member::Column::Role)
        .to_owned();
        project_member::Entity::insert(row)
            .on_conflict(or_change)
            .exec_without_returning(&transaction)
            .await?;
        change.say_project_member(&granted, false).await?;
        transaction.commit().await?;
        self.outbox.nudge();
        Ok(granted)
    }

    /// Takes a role in a project back; the role in the team counts again.
    pub(crate) async fn remove_project_member(
        &self,
        caller: &User,
        project: &str,
        wanted: &str,
    ) -> Result<()> {
        let transaction = self.database.begin().await?;
        let (change, _) = Change::by(&self.outbox, &transaction, caller).await?;
        let (project, user, before) = check_grant(&change, caller, project, wanted, None).await?;
        let Some(row) = before else {
            return Ok(());
        };
        project_member::Entity::delete_by_id((project.id.clone(), user.id.clone()))
            .exec(&transaction)
            .await?;
        let lost = Granted {
            project_id: project.id,
            user,
            role: role::from_number(row.role),
            created_at: row.created_at,
        };
        change.say_project_member(&lost, true).await?;
        transaction.commit().await?;
        self.outbox.nudge();
        Ok(())
    }

    /// Members with a role of their own in a project, by address.
    pub(crate) async fn list_project_members(
        &self,
        caller: &User,
        project: &str,
    ) -> Result<Vec<Granted>> {
        let project = self.project(caller, project).await?;
        let reader = self.database.reader();
        let rows = project_member::Entity::find()
            .filter(project_member::Column::ProjectId.eq(&project.id))
            .all(reader)
            .await?;
        let ids = rows.iter().map(|row| row.user_id.clone());
        let mut users = user::Entity::find()
            .filter(user::Column::Id.is_in(ids))
            .all(reader)
            .await?;
        users.sort_by(|a, b| a.email.cmp(&b.email));
        let granted = |user: user::Model| {
            let row = rows.iter().find(|row| row.user_id == user.id)?;
            Some(Granted {
                project_id: project.id.clone(),
                role: role::from_number(row.role),
                created_at: row.created_at,
                user,
            })
        };
        Ok(users.into_iter().filter_map(granted).collect())
    }
}

/// The project and the member of a grant that `caller` may make, and what the member has there of their own: as an admin of the
/// project, nothing above their own role there, and to nobody who has more.
async fn check_grant(
    change: &Change<'_>,
    caller: &User,
    project: &str,
    wanted: &str,
    given: Option<Role>,
) -> Result<(project::Model, user::Model, Option<project_member::Model>)> {
    let project = project_named(change.transaction, caller, project).await?;
    caller.require_in(&project.id, Wire::Admin)?;
    let (user, in_team) = member_named(change.transaction, caller.team, wanted).await?;
    let row = project_member::Entity::find_by_id((project.id.clone(), user.id.clone()))
        .one(change.transaction)
        .await?;
    let held = match &row {
        Some(row) => role::from_number(row.role),
        None => in_team,
    };
    check_project_grant(role::in_project(caller, &project.id), held, given)?;
    Ok((project, user, row))
}

/// Projects of a team in which a person has a role of their own.
pub(super) async fn roles_of(
    connection: &impl ConnectionTrait,
    team_id: &str,
    user_id: &str,
) -> Result<Vec<(ProjectId, Wire)>> {
    let rows = project_member::Entity::find()
        .filter(project_member::Column::TeamId.eq(team_id))
        .filter(project_member::Column::UserId.eq(user_id))
        .all(connection)
        .await?;
    let role = |row: project_member::Model| {
        let project = row
            .project_id
            .parse()
            .map_err(|error: kernel::id::ParseIdError| {
                Error::internal("reading a role in a project", error)
            })?;
        Ok((
            project,
            Wire::try_from(row.role).unwrap_or(Wire::Unspecified),
        ))
    };
    rows.into_iter().map(role).collect()
}
