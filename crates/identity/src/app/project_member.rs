//! Roles of members in single projects.

use chassis::auth::User;
use chassis::{Error, Result};
use contracts::common::v1::Role;
use kernel::id::ProjectId;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, EntityTrait,
    PaginatorTrait, QueryFilter, QuerySelect,
};

use super::App;
use crate::domain::role;
use crate::store::entity::{member, project, project_member, team, user};

/// Most projects in which one person has a role of their own: all of them travel in each of their tokens.
const MOST_PROJECTS: u64 = 100;

/// A person with their role in a project.
#[derive(Clone, Debug)]
pub(crate) struct Granted {
    pub(crate) project_id: String,
    pub(crate) user: user::Model,
    pub(crate) role: Role,
}

impl App {
    /// Gives a member of the team a role in a project; [`Role::Unspecified`] = no access.
    pub(crate) async fn set_project_member(
        &self,
        caller: &User,
        project: &str,
        wanted: &str,
        role: Role,
    ) -> Result<Granted> {
        let transaction = self.database.begin().await?;
        let (project, user) = self
            .check_grant(&transaction, caller, project, wanted, role)
            .await?;
        let elsewhere = project_member::Entity::find()
            .filter(project_member::Column::TeamId.eq(caller.team.to_string()))
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
        let row = project_member::ActiveModel {
            project_id: Set(project.id.clone()),
            user_id: Set(user.id.clone()),
            team_id: Set(caller.team.to_string()),
            role: Set(role.into()),
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
        transaction.commit().await?;
        Ok(Granted {
            project_id: project.id,
            user,
            role,
        })
    }

    /// Takes a role in a project back; the role in the team counts again.
    pub(crate) async fn remove_project_member(
        &self,
        caller: &User,
        project: &str,
        wanted: &str,
    ) -> Result<()> {
        let transaction = self.database.begin().await?;
        let (project, user) = self
            .check_grant(&transaction, caller, project, wanted, Role::Viewer)
            .await?;
        project_member::Entity::delete_by_id((project.id, user.id))
            .exec(&transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The project and the member of a grant that `caller` may make: as an admin of the project, nothing above their own role
    /// there, and to nobody who has more.
    async fn check_grant(
        &self,
        transaction: &DatabaseTransaction,
        caller: &User,
        project: &str,
        wanted: &str,
        role: Role,
    ) -> Result<(project::Model, user::Model)> {
        let project = self.project(caller, project).await?;
        caller.require_in(&project.id, Role::Admin)?;
        // Roles in a team change one after the other, so that what is checked here holds until the commit.
        team::Entity::find_by_id(caller.team.to_string())
            .lock_exclusive()
            .one(transaction)
            .await?;
        let (user, in_team) = member_named(transaction, caller, wanted).await?;
        let own = role_in(&project, caller);
        let held = project_member::Entity::find_by_id((project.id.clone(), user.id.clone()))
            .one(transaction)
            .await?
            .and_then(|row| Role::try_from(row.role).ok())
            .unwrap_or(in_team);
        for (role, whose) in [
            (role, "the role that is given"),
            (held, "the role of this member"),
        ] {
            if role > own {
                let (role, own) = (role::name(role), role::name(own));
                return Err(Error::Denied(format!(
                    "{whose}, {role}, is above your own in this project, which is {own}"
                )));
            }
        }
        Ok((project, user))
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
        let role_of = |user: &user::Model| {
            let row = rows.iter().find(|row| row.user_id == user.id);
            row.and_then(|row| Role::try_from(row.role).ok())
                .unwrap_or(Role::Unspecified)
        };
        let granted = |user: user::Model| Granted {
            project_id: project.id.clone(),
            role: role_of(&user),
            user,
        };
        Ok(users.into_iter().map(granted).collect())
    }
}

/// Projects of a team in which a person has a role of their own.
pub(super) async fn roles_of(
    connection: &impl ConnectionTrait,
    team_id: &str,
    user_id: &str,
) -> Result<Vec<(ProjectId, Role)>> {
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
            Role::try_from(row.role).unwrap_or(Role::Unspecified),
        ))
    };
    rows.into_iter().map(role).collect()
}

fn role_in(project: &project::Model, caller: &User) -> Role {
    project
        .id
        .parse()
        .ok()
        .and_then(|project| caller.role_in(project))
        .unwrap_or(Role::Unspecified)
}

/// The member of the caller's team with this identifier or address, and their role in the team.
async fn member_named(
    transaction: &DatabaseTransaction,
    caller: &User,
    wanted: &str,
) -> Result<(user::Model, Role)> {
    let named = Condition::any()
        .add(user::Column::Id.eq(wanted))
        .add(user::Column::Email.eq(wanted.to_lowercase()));
    let unknown = || Error::not_found("user", wanted);
    let user = user::Entity::find()
        .filter(named)
        .one(transaction)
        .await?
        .ok_or_else(unknown)?;
    // Who is not of the team is nobody to it.
    let member = member::Entity::find_by_id((caller.team.to_string(), user.id.clone()))
        .one(transaction)
        .await?
        .ok_or_else(unknown)?;
    Ok((user, Role::try_from(member.role).unwrap_or(Role::Viewer)))
}
