//! Keys and the tokens that they are exchanged for.

use chassis::auth::{Claims, Principal, TOKEN_LIFETIME, User};
use chassis::{Error, Result, lease};
use contracts::common::v1::Role;
use contracts::identity::v1::ApiKeyRevoked;
use kernel::Timestamp;
use kernel::id::{KeyId, NodeId};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait,
    DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
};
use secrecy::{ExposeSecret, SecretString};

use super::project_member::roles_of;
use super::request::{Request, Secret};
use super::{App, time};
use crate::domain::key::{self, Kind};
use crate::store::entity;

/// Most keys listed at once.
const LISTED: u64 = 1_000;

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

    /// The same with a key that is given.
    pub(super) async fn insert_given(
        &self,
        transaction: &DatabaseTransaction,
        user_id: &str,
        team_id: &str,
        secret: &SecretString,
        now: Timestamp,
    ) -> Result<entity::key::Model> {
        let row = entity::key::ActiveModel {
            id: Set(KeyId::generate().into()),
            kind: Set(Kind::User.prefix().to_owned()),
            hash: Set(key::hash(secret.expose_secret())),
            subject: Set(user_id.to_owned()),
            team_id: Set(Some(team_id.to_owned())),
            name: Set(self.name.clone()),
            scopes: Set(self.scopes.join(" ")),
            created_at: Set(now.timestamp_micros()),
            expires_at: Set(self.expires_at.map(|at| at.timestamp_micros())),
            revoked_at: Set(None),
        };
        Ok(row.insert(transaction).await?)
    }

    pub(super) async fn insert_for_user(
        &self,
        transaction: &DatabaseTransaction,
        user_id: &str,
        team_id: &str,
        now: Timestamp,
    ) -> Result<(entity::key::Model, SecretString)> {
        let secret = key::generate(Kind::User)?;
        let row = self
            .insert_given(transaction, user_id, team_id, &secret, now)
            .await?;
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
            scopes: narrowed(caller, key::scopes(new.scopes)?)?,
            expires_at: new.expires_at,
        };
        let team = own_team(&transaction, caller, team).await?;
        let (row, secret) = new
            .insert_for_user(&transaction, &caller.id.to_string(), &team, now)
            .await?;
        request
            .note(&transaction, &self.sealer, &row.id, Some(&secret), now)
            .await?;
        transaction.commit().await?;
        Ok((row, Secret::Shown(secret)))
    }

    /// Keys of the caller, or of the whole team for an admin; newest first.
    pub(crate) async fn list_keys(&self, caller: &User) -> Result<Vec<entity::key::Model>> {
        let mut query = entity::key::Entity::find()
            .filter(entity::key::Column::Kind.eq(Kind::User.prefix()))
            .filter(entity::key::Column::TeamId.eq(caller.team.to_string()));
        if !caller.has_role(Role::Admin) {
            query = query.filter(entity::key::Column::Subject.eq(caller.id.to_string()));
        }
        let newest_first = query.order_by_desc(entity::key::Column::Id).limit(LISTED);
        Ok(newest_first.all(self.database.reader()).await?)
    }

    /// Ends a key: the caller's own, or any of the team for an admin.
    pub(crate) async fn revoke_key(&self, caller: &User, id: &str) -> Result<entity::key::Model> {
        let transaction = self.database.begin().await?;
        let row = entity::key::Entity::find_by_id(id)
            .filter(entity::key::Column::TeamId.eq(caller.team.to_string()))
            .lock_exclusive()
            .one(&transaction)
            .await?
            .filter(|row| row.subject == caller.id.to_string() || caller.has_role(Role::Admin))
            .ok_or_else(|| Error::not_found("API key", id))?;
        if row.revoked_at.is_some() {
            return Ok(row);
        }
        let mut changed = row.into_active_model();
        changed.revoked_at = Set(Some(self.clock.now().timestamp_micros()));
        let row = changed.update(&transaction).await?;
        let event = ApiKeyRevoked {
            api_key_id: row.id.clone(),
            revision: 2,
        };
        self.outbox
            .append(&transaction, &event, &row.id, row.team_id.as_deref())
            .await?;
        transaction.commit().await?;
        self.outbox.nudge();
        Ok(row)
    }

    /// A new key for a node; its older ones end.
    pub(crate) async fn create_node_key(&self, node: NodeId) -> Result<SecretString> {
        let secret = key::generate(Kind::Node)?;
        let now = self.clock.now().timestamp_micros();
        let transaction = self.database.begin().await?;
        lease::take_turn(&transaction, &format!("key of {node}")).await?;
        self.check_may_join(&transaction, &node.to_string()).await?;
        end_node_keys(&transaction, node, now).await?;
        let row = entity::key::ActiveModel {
            id: Set(KeyId::generate().into()),
            kind: Set(Kind::Node.prefix().to_owned()),
            hash: Set(key::hash(secret.expose_secret())),
            subject: Set(node.into()),
            team_id: Set(None),
            name: Set(format!("node {node}")),
            scopes: Set(String::new()),
            created_at: Set(now),
            expires_at: Set(None),
            revoked_at: Set(None),
        };
        entity::key::Entity::insert(row)
            .exec_without_returning(&transaction)
            .await?;
        transaction.commit().await?;
        Ok(secret)
    }

    /// Ends the keys of a node for ever.
    pub(crate) async fn revoke_node_key(&self, node: NodeId) -> Result<()> {
        let now = self.clock.now().timestamp_micros();
        let transaction = self.database.begin().await?;
        lease::take_turn(&transaction, &format!("key of {node}")).await?;
        end_node_keys(&transaction, node, now).await?;
        let row = entity::revoked_node::ActiveModel {
            id: Set(node.into()),
            revoked_at: Set(now),
        };
        entity::revoked_node::Entity::insert(row)
            .on_conflict_do_nothing_on([entity::revoked_node::Column::Id])
            .exec_without_returning(&transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Checks that a node was not given up and is on inventory's list.
    async fn check_may_join(&self, connection: &impl ConnectionTrait, node: &str) -> Result<()> {
        let revoked = entity::revoked_node::Entity::find_by_id(node)
            .one(connection)
            .await?;
        if revoked.is_some() {
            return Err(Error::GivenUp {
                node: node.to_owned(),
            });
        }
        Ok(())
    }
}

async fn end_node_keys(transaction: &DatabaseTransaction, node: NodeId, now: i64) -> Result<()> {
    entity::key::Entity::update_many()
        .col_expr(entity::key::Column::RevokedAt, Expr::value(now))
        .filter(entity::key::Column::Kind.eq(Kind::Node.prefix()))
        .filter(entity::key::Column::Subject.eq(node.to_string()))
        .filter(entity::key::Column::RevokedAt.is_null())
        .exec(transaction)
        .await?;
    Ok(())
}

/// The team that `wanted` names, if the caller belongs to it; the team of the caller's key when nothing is said.
async fn own_team(
    transaction: &DatabaseTransaction,
    caller: &User,
    wanted: &str,
) -> Result<String> {
    if wanted.is_empty() {
        return Ok(caller.team.to_string());
    }
    let named = Condition::any()
        .add(entity::team::Column::Id.eq(wanted))
        .add(entity::team::Column::Namespace.eq(wanted));
    let unknown = || Error::not_found("team", wanted);
    let team = entity::team::Entity::find()
        .filter(named)
        .one(transaction)
        .await?
        .ok_or_else(unknown)?;
    let member = (team.id.clone(), caller.id.to_string());
    entity::member::Entity::find_by_id(member)
        .one(transaction)
        .await?
        .ok_or_else(unknown)?;
    Ok(team.id)
}

/// A key may not do more than the key that made it.
fn narrowed(caller: &User, scopes: Vec<String>) -> Result<Vec<String>> {
    let all = |scopes: &[String]| scopes.iter().any(|scope| scope == "*");
    if all(&caller.scopes) || scopes.iter().all(|scope| caller.scopes.contains(scope)) {
        return Ok(scopes);
    }
    if all(&scopes) {
        return Ok(caller.scopes.clone());
    }
    Err(Error::Denied(format!(
        "your own key has only the scopes {}",
        caller.scopes.join(", ")
    )))
}
