//! Public keys with which ssh lets people into notebooks. Each is of one person for one team, as API keys are.

use std::collections::{BTreeSet, HashMap};

use chassis::auth::User;
use chassis::pick::pick;
use chassis::{Error, Result, page};
use contracts::common::v1::{PageInfo, Role as Wire};
use contracts::identity::v1::{CreateSshKeyRequest, ListSshKeysRequest};
use kernel::id::{SshKeyId, TeamId};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, Select,
};

use super::change::Change;
use super::request::Request;
use super::{App, role};
use crate::domain::role::{Role, counts_in_project};
use crate::domain::ssh_key;
use crate::store::entity::ssh_key::{ActiveModel, Column, Entity, Model};
use crate::store::entity::{member, project_member};

/// Most keys of one person for one team.
const MOST: usize = 20;
/// Most keys that a notebook is told of: the oldest.
const LISTED: u64 = 1_000;
/// Longest name, in characters.
const LONGEST_NAME: usize = 100;

impl App {
    /// Registers a key of the caller for their team.
    pub(crate) async fn create_ssh_key(
        &self,
        caller: &User,
        asked: &CreateSshKeyRequest,
    ) -> Result<Model> {
        let CreateSshKeyRequest {
            name,
            public_key,
            request_id,
        } = asked;
        let request = Request::new(caller, "CreateSshKey", request_id, &[name, public_key])?;
        let key = ssh_key::read(public_key)?;
        let name = match (name.as_str(), key.comment.as_str()) {
            ("", "") => key.fingerprint.clone(),
            ("", comment) => comment.chars().take(LONGEST_NAME).collect(),
            (name, _) => name.to_owned(),
        };
        let name = kernel::text::name("name", &name, LONGEST_NAME)?;
        let now = self.clock.now();
        let transaction = self.database.begin().await?;
        if let Some(before) = request.before(&transaction, &self.sealer, now).await? {
            let made = Entity::find_by_id(&before.made).one(&transaction).await?;
            return made.ok_or_else(|| Error::not_found("ssh key", &before.made));
        }
        let (change, _) = Change::by(&self.outbox, &transaction, caller).await?;
        let own = own_keys(caller).all(&transaction).await?;
        let row = match free_place(&own, &name, &key.fingerprint)? {
            Some(there) => there,
            None => {
                let row = ActiveModel {
                    id: Set(SshKeyId::generate().into()),
                    team_id: Set(change.team_id.clone()),
                    user_id: Set(caller.id.into()),
                    name: Set(name),
                    public_key: Set(key.line),
                    fingerprint: Set(key.fingerprint),
                    created_at: Set(now.timestamp_micros()),
                };
                let row = row.insert(&transaction).await?;
                change.say_ssh_key(&row, false).await?;
                row
            }
        };
        request
            .note(&transaction, &self.sealer, &row.id, None, now)
            .await?;
        transaction.commit().await?;
        self.outbox.nudge();
        Ok(row)
    }

    /// A page of the keys of the caller, or of the whole team for an admin.
    pub(crate) async fn list_ssh_keys(
        &self,
        caller: &User,
        asked: &ListSshKeysRequest,
    ) -> Result<(Vec<Model>, PageInfo)> {
        page::by_id(
            self.database.reader(),
            seen_by(caller),
            Column::Id,
            asked.page.as_ref(),
            asked.oldest_first,
            |row| row.id.clone(),
        )
        .await
    }

    /// Forgets a key: the caller's own, or any of the team for an admin.
    pub(crate) async fn delete_ssh_key(&self, caller: &User, wanted: &str) -> Result<Model> {
        let transaction = self.database.begin().await?;
        let (change, _) = Change::by(&self.outbox, &transaction, caller).await?;
        let seen = seen_by(caller).all(&transaction).await?;
        let row = pick("ssh key", wanted, seen, |key| {
            vec![key.id.clone(), key.fingerprint.clone(), key.name.clone()]
        })?;
        forget(&change, &row).await?;
        transaction.commit().await?;
        self.outbox.nudge();
        Ok(row)
    }

    /// Keys of all who may use what is in a project, each once, the oldest first.
    pub(crate) async fn project_ssh_keys(
        &self,
        team: TeamId,
        project: &str,
    ) -> Result<Vec<String>> {
        let (reader, team) = (self.database.reader(), team.to_string());
        let in_team: HashMap<_, _> = member::Entity::find()
            .filter(member::Column::TeamId.eq(&team))
            .all(reader)
            .await?
            .into_iter()
            .map(|row| (row.user_id, role::from_number(row.role)))
            .collect();
        let own: HashMap<_, _> = project_member::Entity::find()
            .filter(project_member::Column::TeamId.eq(&team))
            .filter(project_member::Column::ProjectId.eq(project))
            .all(reader)
            .await?
            .into_iter()
            .map(|row| (row.user_id, role::from_number(row.role)))
            .collect();
        let may_use = |user: &String| {
            let in_team = in_team.get(user).copied().flatten();
            counts_in_project(in_team, own.get(user).copied()) >= Some(Role::Member)
        };
        let users: Vec<_> = in_team.keys().filter(|user| may_use(user)).collect();
        let keys = Entity::find()
            .filter(Column::TeamId.eq(&team))
            .filter(Column::UserId.is_in(users))
            .order_by_asc(Column::Id)
            .limit(LISTED)
            .all(reader)
            .await?;
        let mut told = BTreeSet::new();
        let lines = keys.into_iter().map(|key| key.public_key);
        Ok(lines.filter(|line| told.insert(line.clone())).collect())
    }
}

/// Forgets a key and says so.
pub(super) async fn forget(change: &Change<'_>, row: &Model) -> Result<()> {
    Entity::delete_by_id(&row.id)
        .exec(change.transaction)
        .await?;
    change.say_ssh_key(row, true).await
}

/// Keys of the caller for their team.
fn own_keys(caller: &User) -> Select<Entity> {
    of_person(&caller.team.to_string(), &caller.id.to_string())
}

/// Keys of a person for a team.
pub(super) fn of_person(team_id: &str, user_id: &str) -> Select<Entity> {
    Entity::find()
        .filter(Column::TeamId.eq(team_id))
        .filter(Column::UserId.eq(user_id))
}

/// Keys that a caller may see: their own, or all of the team for an admin.
fn seen_by(caller: &User) -> Select<Entity> {
    if caller.has_role(Wire::Admin) {
        return Entity::find().filter(Column::TeamId.eq(caller.team.to_string()));
    }
    own_keys(caller)
}

/// Whether one more fits beside `own`, and the one that is there already and is the same.
fn free_place(own: &[Model], name: &str, fingerprint: &str) -> Result<Option<Model>> {
    if let Some(same) = own.iter().find(|key| key.fingerprint == fingerprint) {
        if same.name == name {
            return Ok(Some(same.clone()));
        }
        return Err(Error::Conflict(format!(
            "you have this key already, as {:?}",
            same.name
        )));
    }
    if own.iter().any(|key| key.name == name) {
        return Err(Error::Conflict(format!(
            "you have another key with the name {name:?}; give this one another name"
        )));
    }
    if own.len() >= MOST {
        return Err(Error::Exhausted(format!(
            "you have {} ssh keys in this team; at most {MOST} are allowed, delete one first",
            own.len()
        )));
    }
    Ok(None)
}
