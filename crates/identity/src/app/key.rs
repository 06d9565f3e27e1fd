//! Keys and the tokens that they are exchanged for.

use chassis::auth::{Claims, Principal, TOKEN_LIFETIME, User};
use chassis::pick::pick;
use chassis::{Error, Result, page};
use contracts::common::v1::{PageInfo, Role};
use contracts::identity::v1::{ApiKeyRevoked, ListApiKeysRequest};
use kernel::Timestamp;
use kernel::id::KeyId;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel,
    QueryFilter, Select,
};
use secrecy::{ExposeSecret, SecretString};

use super::change::Change;
use super::project_member::roles_of;
use super::request::{Request, Secret};
use super::{App, time};
use crate::domain::key::{self, Kind};
use crate::store::entity;

/// What a user asks for in a new key.
#[derive(Clone, Debug)]
pub(crate) struct NewKey {
    pub(crate) name: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) expires_at: Option<Timestamp>,
}

impl NewKey {
    /// The key that a new person starts with.
    pub(super) fn first(scopes: Vec<String>) -> Self {
        Self {
            name: "first key".to_owned(),
            scopes,
            expires_at: None,
        }
    }

    /// The key `secret` of a person for the team of `change`.
    pub(super) async fn insert_given(
        &self,
        change: &Change<'_>,
        user_id: &str,
        secret: &SecretString,
        now: Timestamp,
    ) -> Result<entity::key::Model> {
        let row = entity::key::ActiveModel {
            id: Set(KeyId::generate().into()),
            kind: Set(Kind::User.prefix().to_owned()),
            hash: Set(key::hash(secret.expose_secret())),
            subject: Set(user_id.to_owned()),
            team_id: Set(Some(change.team_id.clone())),
            name: Set(self.name.clone()),
            scopes: Set(self.scopes.join(" ")),
            created_at: Set(now.timestamp_micros()),
            expires_at: Set(self.expires_at.map(|at| at.timestamp_micros())),
            revoked_at: Set(None),
        };
        let row = row.insert(change.transaction).await?;
        change.say_key(&row).await?;
        Ok(row)
    }

    /// The same with a key that is made up.
    pub(super) async fn insert_for_user(
        &self,
        change: &Change<'_>,
        user_id: &str,
        now: Timestamp,
    ) -> Result<(entity::key::Model, SecretString)> {
        let secret = key::generate(Kind::User)?;
        let row = self.insert_given(change, user_id, &secret, now).await?;
        Ok((row, secret))
    }
}

fn unknown_key() -> Error {
    Error::Unauthenticated("the key is unknown; log in with a valid one".to_owned())
}

impl App {
    /// The token for a key, and when it ends.
    pub(crate) async fn exchange_key(&self, secret: &str) -> Result<(String, Timestamp)> {
        let exchanged = self.token_for(secret).await;
        self.metrics.exchanged(&exchanged);
        exchanged
    }

    async fn token_for(&self, secret: &str) -> Result<(String, Timestamp)> {
        let row = entity::key::Entity::find()
            .filter(entity::key::Column::Hash.eq(key::hash(secret)))
            .one(self.database.reader())
            .await?
            .ok_or_else(unknown_key)?;
        let now = self.clock.now();
        if row.kind == Kind::Node.prefix() {
            self.check_may_join(self.database.reader(), &row.subject)
                .await?;
        }
        key::check_lifetime(row.expires_at.map(time), row.revoked_at.map(time), now)?;
        let expires_at = row.expires_at.map(time);
        let principal = self.principal_of(row).await?;
        let claims = Claims::new(&principal, now).ok_or_else(unknown_key)?;
        let ends = (now + TOKEN_LIFETIME).min(expires_at.unwrap_or(now + TOKEN_LIFETIME));
        Ok((self.signer.sign(&claims.ending_by(ends))?, ends))
    }

    async fn principal_of(&self, row: entity::key::Model) -> Result<Principal> {
        match Kind::parse(&row.kind).ok_or_else(unknown_key)? {
            Kind::Service => Ok(Principal::Service(row.subject)),
            Kind::Node => Ok(Principal::Agent(
                row.subject.parse().map_err(|_| unknown_key())?,
            )),
            Kind::User => {
                let team_id = row.team_id.unwrap_or_default();
                let reader = self.database.reader();
                let user = entity::user::Entity::find_by_id(&row.subject)
                    .one(reader)
                    .await?;
                let member = entity::member::Entity::find_by_id((team_id.clone(), row.subject))
                    .one(reader)
                    .await?;
                // A user who left the team keeps no access through an old key.
                let (Some(user), Some(member)) = (user, member) else {
                    return Err(unknown_key());
                };
                Ok(Principal::User(User {
                    id: user.id.parse().map_err(|_| unknown_key())?,
                    team: team_id.parse().map_err(|_| unknown_key())?,
                    role: Role::try_from(member.role).unwrap_or(Role::Viewer),
                    projects: roles_of(reader, &member.team_id, &member.user_id)
                        .await?
                        .into_iter()
                        .collect(),
                    operator: user.operator,
                    scopes: row.scopes.split(' ').map(str::to_owned).collect(),
                }))
            }
        }
    }

    /// A new key of the caller, for their own team or another that they belong to.
    pub(crate) async fn create_key(
        &self,
        caller: &User,
        new: NewKey,
        team: &str,
        request_id: &str,
    ) -> Result<(entity::key::Model, Secret)> {
        let now = self.clock.now();
        let asked = format!("{:?} {:?} {:?}", new.name, new.scopes, new.expires_at);
        let request = Request::new(caller, "CreateApiKey", request_id, &[&asked, team])?;
        let transaction = self.database.begin().await?;
        if let Some(before) = request.before(&transaction, &self.sealer, now).await? {
            let key = entity::key::Entity::find_by_id(&before.made)
                .one(&transaction)
                .await?
                .ok_or_else(|| Error::not_found("API key", &before.made))?;
            return Ok((key, before.secret));
        }
        if new.expires_at.is_some_and(|at| at <= now) {
            return Err(Error::invalid(
                "expires_at",
                "lies in the past; give a later time or none",
            ));
        }
        let new = NewKey {
            name: kernel::text::name("name", &new.name, 100)?,
            scopes: key::narrowed(&caller.scopes, key::scopes(new.scopes)?)?,
            expires_at: new.expires_at,
        };
        let team = own_team(&transaction, caller, team).await?;
        let change = Change::begin(&self.outbox, &transaction, team).await?;
        let user_id = caller.id.to_string();
        // Who left the team meanwhile makes no key that would work if they ever came back.
        entity::member::Entity::find_by_id((change.team_id.clone(), user_id.clone()))
            .one(&transaction)
            .await?
            .ok_or_else(|| {
                Error::Denied("you are not a member of this team any more".to_owned())
            })?;
        let (row, secret) = new.insert_for_user(&change, &user_id, now).await?;
        request
            .note(&transaction, &self.sealer, &row.id, Some(&secret), now)
            .await?;
        transaction.commit().await?;
        self.outbox.nudge();
        Ok((row, Secret::Shown(secret)))
    }

    /// A page of the keys of the caller, or of the whole team for an admin.
    pub(crate) async fn list_keys(
        &self,
        caller: &User,
        asked: &ListApiKeysRequest,
    ) -> Result<(Vec<entity::key::Model>, PageInfo)> {
        let id = entity::key::Column::Id;
        page::by_id(
            self.database.reader(),
            seen_by(caller),
            id,
            asked.page.as_ref(),
            asked.oldest_first,
            |row| row.id.clone(),
        )
        .await
    }

    /// Ends a key: the caller's own, or any of the team for an admin.
    pub(crate) async fn revoke_key(
        &self,
        caller: &User,
        wanted: &str,
    ) -> Result<entity::key::Model> {
        let transaction = self.database.begin().await?;
        let team = caller.team.to_string();
        let change = Change::begin(&self.outbox, &transaction, team).await?;
        let row = key_named(&transaction, caller, wanted).await?;
        if row.revoked_at.is_some() {
            return Ok(row);
        }
        let row = revoke(&change, row, self.clock.now()).await?;
        transaction.commit().await?;
        self.outbox.nudge();
        Ok(row)
    }
}

/// The team that `wanted` names, if the caller belongs to it; the team of the caller's key when nothing is said.
async fn own_team(
    connection: &impl ConnectionTrait,
    caller: &User,
    wanted: &str,
) -> Result<String> {
    if wanted.is_empty() {
        return Ok(caller.team.to_string());
    }
    let memberships = entity::member::Entity::find()
        .filter(entity::member::Column::UserId.eq(caller.id.to_string()))
        .all(connection)
        .await?;
    let own = memberships.into_iter().map(|member| member.team_id);
    let teams = entity::team::Entity::find()
        .filter(entity::team::Column::Id.is_in(own))
        .all(connection)
        .await?;
    let team = pick("team", wanted, teams, |team| {
        vec![team.id.clone(), team.namespace.clone()]
    })?;
    Ok(team.id)
}

/// Keys of people for the caller's team that they may see: their own, or all of them for an admin.
fn seen_by(caller: &User) -> Select<entity::key::Entity> {
    let of_team = entity::key::Entity::find()
        .filter(entity::key::Column::Kind.eq(Kind::User.prefix()))
        .filter(entity::key::Column::TeamId.eq(caller.team.to_string()));
    if caller.has_role(Role::Admin) {
        return of_team;
    }
    of_team.filter(entity::key::Column::Subject.eq(caller.id.to_string()))
}

/// The key that `wanted` names. One that was revoked has left its name to others.
async fn key_named(
    connection: &impl ConnectionTrait,
    caller: &User,
    wanted: &str,
) -> Result<entity::key::Model> {
    let whole = seen_by(caller).filter(entity::key::Column::Id.eq(wanted));
    if let Some(row) = whole.one(connection).await? {
        return Ok(row);
    }
    let in_force = seen_by(caller).filter(entity::key::Column::RevokedAt.is_null());
    pick("API key", wanted, in_force.all(connection).await?, |key| {
        vec![key.id.clone(), key.name.clone()]
    })
}

/// Ends a key and says so.
pub(super) async fn revoke(
    change: &Change<'_>,
    row: entity::key::Model,
    now: Timestamp,
) -> Result<entity::key::Model> {
    let mut changed = row.into_active_model();
    changed.revoked_at = Set(Some(now.timestamp_micros()));
    let row = changed.update(change.transaction).await?;
    let event = ApiKeyRevoked {
        api_key_id: row.id.clone(),
        revision: 2,
    };
    change.say(&event, &row.id).await?;
    change.say_key(&row).await?;
    Ok(row)
}
