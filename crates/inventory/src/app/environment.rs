//! Environments: those that come with Quire, and those that teams make of them.

use chassis::auth::User;
use chassis::database::is_unique_violation;
use chassis::pick::pick;
use chassis::{Error, Result};
use contracts::inventory::v1::{self as contract, EnvironmentChanged, EnvironmentState};
use kernel::id::{EnvironmentId, TeamId};
use kernel::text;
use sea_orm::DatabaseTransaction;

use super::App;
use crate::domain::environment;
use crate::domain::requirements::Wanted;
use crate::store::environments::{self, Model};
use crate::wire;

/// Most environments of one team.
const MOST: u64 = 200;

impl App {
    /// All that a team can start in: those that come with Quire, its own, and those that others share.
    pub(crate) async fn list_environments(
        &self,
        team: TeamId,
    ) -> Result<Vec<contract::Environment>> {
        let rows = environments::seen_by(self.database.reader(), &team.to_string()).await?;
        let (own, others): (Vec<_>, Vec<_>) = rows
            .into_iter()
            .partition(|row| row.team_id == team.to_string());
        let made = own.into_iter().chain(others).map(wire::listed_environment);
        let all = environment::all().into_iter().map(wire::environment);
        Ok(all.chain(made).collect())
    }

    /// The one that `wanted` names to a team. Its own come before those that others share.
    pub(crate) async fn environment(
        &self,
        team: TeamId,
        wanted: &str,
    ) -> Result<contract::Environment> {
        if let Some(found) = environment::named(wanted) {
            return Ok(wire::environment(found));
        }
        let rows = environments::seen_by(self.database.reader(), &team.to_string()).await?;
        named(rows, team, wanted).map(wire::team_environment)
    }

    /// The one with this lock.
    pub(crate) async fn environment_with(&self, digest: &str) -> Result<contract::Environment> {
        let built_in = environment::all().into_iter();
        if let Some(found) = built_in.into_iter().find(|one| one.digest == digest) {
            return Ok(wire::environment(found));
        }
        let row = environments::with_digest(self.database.reader(), digest).await?;
        let row = row.ok_or_else(|| Error::not_found("environment", digest))?;
        Ok(wire::team_environment(row))
    }

    /// Makes one, to be resolved behind it. The same again gives the one that is there; what could not be resolved is replaced.
    pub(crate) async fn create_environment(
        &self,
        caller: &User,
        asked: contract::CreateEnvironmentRequest,
    ) -> Result<contract::Environment> {
        let name = text::slug("name", &asked.name)?;
        if environment::named(&name).is_some() {
            let problem = format!("{name:?} comes with Quire; choose another name");
            return Err(Error::invalid("name", problem));
        }
        let base = match asked.base.as_str() {
            "" => environment::DEFAULT,
            base => base,
        };
        let bases: Vec<_> = environment::all().iter().map(|known| known.name).collect();
        let wanted = Wanted::check(base, &asked.python_version, &asked.requirements, &bases)?;
        let team = caller.team.to_string();
        let transaction = self.database.begin().await?;
        let before = environments::lock_named(&transaction, &team, &name).await?;
        if let Some(before) = before {
            let failed = wire::environment_state(&before) == EnvironmentState::Failed;
            if wire::wanted(&before) == wanted && !failed {
                return Ok(wire::team_environment(before));
            }
            if !failed {
                return Err(Error::Conflict(format!(
                    "an environment named {name:?} exists already with other packages; choose another name, or delete it"
                )));
            }
            self.remove_environment(&transaction, before).await?;
        }
        if environments::count(&transaction, &team).await? >= MOST {
            return Err(Error::Exhausted(format!(
                "the team has {MOST} environments, and no more may be; delete one that nobody needs"
            )));
        }
        let row = self.new_row(caller, name, wanted);
        let inserted = environments::insert(&transaction, row.clone()).await;
        inserted.map_err(|error| match is_unique_violation(&error) {
            true => Error::Conflict(format!("{:?} is being made already; try again", row.name)),
            false => error.into(),
        })?;
        self.say_environment(&transaction, &row, false).await?;
        transaction.commit().await?;
        self.outbox.nudge();
        self.unresolved.notify_one();
        Ok(wire::team_environment(row))
    }

    fn new_row(&self, caller: &User, name: String, wanted: Wanted) -> Model {
        Model {
            id: EnvironmentId::generate().into(),
            team_id: caller.team.into(),
            user_id: caller.id.into(),
            name,
            base: wanted.base,
            python_version: wanted.python_version,
            requirements: wanted.requirements.join("\n"),
            state: EnvironmentState::Resolving.into(),
            reason: String::new(),
            lock: String::new(),
            digest: String::new(),
            packages: 0,
            shared: false,
            created_at: self.clock.now().timestamp_micros(),
            revision: 1,
            deleted_at: None,
        }
    }

    /// Takes one of the caller's team off the list.
    pub(crate) async fn delete_environment(
        &self,
        caller: &User,
        wanted: &str,
    ) -> Result<contract::Environment> {
        let transaction = self.database.begin().await?;
        let row = self.own(&transaction, caller.team, wanted).await?;
        self.remove_environment(&transaction, row.clone()).await?;
        transaction.commit().await?;
        self.outbox.nudge();
        Ok(wire::listed_environment(row))
    }

    /// Shows one of the caller's team to all teams, or not any more.
    pub(crate) async fn share_environment(
        &self,
        caller: &User,
        wanted: &str,
        shared: bool,
    ) -> Result<contract::Environment> {
        let transaction = self.database.begin().await?;
        let mut row = self.own(&transaction, caller.team, wanted).await?;
        if row.shared != shared {
            row.shared = shared;
            row = environments::update(&transaction, row).await?;
            self.say_environment(&transaction, &row, false).await?;
        }
        transaction.commit().await?;
        self.outbox.nudge();
        Ok(wire::listed_environment(row))
    }

    /// One of a team's own, locked.
    async fn own(
        &self,
        transaction: &DatabaseTransaction,
        team: TeamId,
        wanted: &str,
    ) -> Result<Model> {
        if environment::named(wanted).is_some() {
            let problem = format!("{wanted:?} comes with Quire and stays as it is");
            return Err(Error::invalid("environment", problem));
        }
        let mut rows = environments::seen_by(transaction, &team.to_string()).await?;
        rows.retain(|row| row.team_id == team.to_string());
        let found = named(rows, team, wanted)?;
        environments::lock(transaction, &found.id)
            .await?
            .ok_or_else(|| Error::not_found("environment", wanted))
    }

    async fn remove_environment(
        &self,
        transaction: &DatabaseTransaction,
        mut row: Model,
    ) -> Result<()> {
        row.deleted_at = Some(self.clock.now().timestamp_micros());
        let row = environments::update(transaction, row).await?;
        self.say_environment(transaction, &row, true).await
    }

    /// Tells the others of an environment that this transaction changed.
    pub(super) async fn say_environment(
        &self,
        transaction: &DatabaseTransaction,
        row: &Model,
        deleted: bool,
    ) -> Result<()> {
        let (id, team) = (row.id.clone(), row.team_id.clone());
        let event = EnvironmentChanged {
            environment: Some(wire::listed_environment(row.clone())),
            deleted,
        };
        self.outbox
            .append(transaction, &event, &id, Some(&team))
            .await
    }
}

/// The one of `rows` that `wanted` names to a team.
fn named(rows: Vec<Model>, team: TeamId, wanted: &str) -> Result<Model> {
    let names = |row: &Model| vec![row.id.clone(), row.name.clone()];
    let (own, others): (Vec<_>, Vec<_>) = rows
        .into_iter()
        .partition(|row| row.team_id == team.to_string());
    match pick("environment", wanted, own, names) {
        Err(Error::NotFound { .. }) => pick("environment", wanted, others, names),
        picked => picked,
    }
}
