//! Projects.

use chassis::auth::User;
use chassis::database::is_unique_violation;
use chassis::pick::pick;
use chassis::{Error, Result};
use contracts::common::v1::Role as Wire;
use kernel::id::{ProjectId, TeamId};
use kernel::text;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, DbErr,
    EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
};

use super::App;
use super::change::{Change, require};
use super::request::Request;
use crate::domain::role::Role;
use crate::store::entity::{project, project_member};

/// Longest name, in characters.
const LONGEST_NAME: usize = 100;

impl App {
    /// A new project of the caller's team.
    pub(crate) async fn create_project(
        &self,
        caller: &User,
        name: &str,
        request_id: &str,
    ) -> Result<project::Model> {
        let name = text::name("name", name, LONGEST_NAME)?;
        let request = Request::new(caller, "CreateProject", request_id, &[&name])?;
        let (team, now) = (caller.team, self.clock.now());
        let transaction = self.database.begin().await?;
        if let Some(before) = request.before(&transaction, &self.sealer, now).await? {
            return project::Entity::find_by_id(&before.made)
                .one(&transaction)
                .await?
                .ok_or_else(|| Error::not_found("project", &before.made));
        }
        let (change, role) = Change::by(&self.outbox, &transaction, caller).await?;
        require(role, Role::Member)?;
        let row = project::ActiveModel {
            id: Set(ProjectId::generate().into()),
            team_id: Set(team.into()),
            name: Set(name.clone()),
            created_at: Set(now.timestamp_micros()),
        };
        let inserted = row.insert(&transaction).await;
        let row = inserted.map_err(|error| taken(error, &name))?;
        change.say_project(&row, false).await?;
        request
            .note(&transaction, &self.sealer, &row.id, None, now)
            .await?;
        transaction.commit().await?;
        self.outbox.nudge();
        Ok(row)
    }

    /// Gives a project another name, as an admin of it.
    pub(crate) async fn rename_project(
        &self,
        caller: &User,
        wanted: &str,
        name: &str,
    ) -> Result<project::Model> {
        let name = text::name("name", name, LONGEST_NAME)?;
        let transaction = self.database.begin().await?;
        let (change, _) = Change::by(&self.outbox, &transaction, caller).await?;
        let row = project_named(&transaction, caller, wanted).await?;
        caller.require_in(&row.id, Wire::Admin)?;
        if row.name == name {
            return Ok(row);
        }
        let mut changed = row.into_active_model();
        changed.name = Set(name.clone());
        let updated = changed.update(&transaction).await;
        let row = updated.map_err(|error| taken(error, &name))?;
        change.say_project(&row, false).await?;
        transaction.commit().await?;
        self.outbox.nudge();
        Ok(row)
    }

    /// Removes a project and the roles in it. One that is gone stays gone.
    pub(crate) async fn delete_project(&self, team: TeamId, id: &str) -> Result<()> {
        let transaction = self.database.begin().await?;
        let change = Change::begin(&self.outbox, &transaction, team.to_string()).await?;
        let found = project::Entity::find_by_id(id)
            .filter(project::Column::TeamId.eq(team.to_string()))
            .one(&transaction)
            .await?;
        let Some(row) = found else {
            return Ok(());
        };
        project_member::Entity::delete_many()
            .filter(project_member::Column::ProjectId.eq(id))
            .exec(&transaction)
            .await?;
        project::Entity::delete_by_id(id).exec(&transaction).await?;
        change.say_project(&row, true).await?;
        transaction.commit().await?;
        self.outbox.nudge();
        Ok(())
    }

    /// A project of the caller's team that exists for them: by identifier or name, or the unique beginning of one; the first one
    /// when nothing is said.
    pub(crate) async fn project(&self, caller: &User, wanted: &str) -> Result<project::Model> {
        project_named(self.database.reader(), caller, wanted).await
    }

    /// The same for a service that asks for somebody to whom the projects `hidden` do not exist.
    pub(crate) async fn project_of(
        &self,
        team: TeamId,
        wanted: &str,
        hidden: &[String],
    ) -> Result<project::Model> {
        let seen = |row: &project::Model| !hidden.contains(&row.id);
        find(self.database.reader(), team, wanted, seen).await
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

fn taken(error: DbErr, name: &str) -> Error {
    if is_unique_violation(&error) {
        return Error::Conflict(format!(
            "a project named {name:?} exists already; choose another name"
        ));
    }
    error.into()
}

/// The project of the caller's team that `wanted` names to them.
pub(super) async fn project_named(
    connection: &impl ConnectionTrait,
    caller: &User,
    wanted: &str,
) -> Result<project::Model> {
    let seen = |row: &project::Model| caller.sees(&row.id);
    find(connection, caller.team, wanted, seen).await
}

async fn find(
    connection: &impl ConnectionTrait,
    team: TeamId,
    wanted: &str,
    seen: impl Fn(&project::Model) -> bool,
) -> Result<project::Model> {
    let of_team = || {
        project::Entity::find()
            .filter(project::Column::TeamId.eq(team.to_string()))
            .order_by_asc(project::Column::Id)
    };
    // Most callers say an identifier or a whole name, or nothing: one row answers them.
    let whole = if wanted.is_empty() {
        of_team()
    } else {
        let named = Condition::any()
            .add(project::Column::Id.eq(wanted))
            .add(project::Column::Name.eq(wanted));
        of_team().filter(named)
    };
    if let Some(row) = whole.one(connection).await?.filter(|row| seen(row)) {
        return Ok(row);
    }
    let mut all = of_team().all(connection).await?;
    all.retain(seen);
    if wanted.is_empty() {
        let first = all.into_iter().next();
        return first.ok_or_else(|| {
            Error::Precondition(
                "the team has no project that you see; make one with \"quire project create NAME\""
                    .to_owned(),
            )
        });
    }
    pick("project", wanted, all, |row| {
        vec![row.id.clone(), row.name.clone()]
    })
}
