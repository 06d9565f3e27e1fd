//! People and their roles.

use chassis::auth::User;
use chassis::{Error, Result};
use kernel::id::{TeamId, UserId};
use kernel::{Timestamp, text};
use sea_orm::{ActiveValue::Set, ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter};

use super::change::Change;
use super::key::NewKey;
use super::request::{Request, Secret};
use super::{App, member, role};
use crate::domain::role::{Role, check_grant};
use crate::store::entity;

/// A person, and whether this call made them.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) user: entity::user::Model,
    pub(super) is_new: bool,
}

/// The person with this address, made when new.
pub(super) async fn find_or_create(
    transaction: &DatabaseTransaction,
    email: &str,
    name: &str,
    operator: bool,
    now: Timestamp,
) -> Result<Found> {
    let email = text::email("email", email)?;
    if !name.is_empty() {
        text::name("name", name, 100)?;
    }
    let id = UserId::generate().to_string();
    let row = entity::user::ActiveModel {
        id: Set(id.clone()),
        email: Set(email.clone()),
        name: Set(name.to_owned()),
        operator: Set(operator),
        created_at: Set(now.timestamp_micros()),
    };
    entity::user::Entity::insert(row)
        .on_conflict_do_nothing_on([entity::user::Column::Email])
        .exec_without_returning(transaction)
        .await?;
    let user = entity::user::Entity::find()
        .filter(entity::user::Column::Email.eq(&email))
        .one(transaction)
        .await?
        .ok_or_else(|| Error::not_found("user", &email))?;
    Ok(Found {
        is_new: user.id == id,
        user,
    })
}

impl App {
    /// The person with this address, of whatever team.
    pub(crate) async fn find_user(&self, email: &str) -> Result<entity::user::Model> {
        let email = text::email("email", email)?;
        entity::user::Entity::find()
            .filter(entity::user::Column::Email.eq(&email))
            .one(self.database.reader())
            .await?
            .ok_or_else(|| Error::not_found("user", &email))
    }

    /// Adds a person to the caller's team, or changes their role in it. Gives a first key only for a person whom this call
    /// made: a key of anybody else would let the caller act as them.
    pub(crate) async fn create_user(
        &self,
        caller: &User,
        email: &str,
        name: &str,
        role: Role,
        request_id: &str,
    ) -> Result<(entity::user::Model, Secret)> {
        check_grant(role::of(caller), role)?;
        let now = self.clock.now();
        let asked = [email, name, role::to_wire(Some(role)).as_str_name()];
        let request = Request::new(caller, "CreateUser", request_id, &asked)?;
        let transaction = self.database.begin().await?;
        if let Some(before) = request.before(&transaction, &self.sealer, now).await? {
            let user = entity::user::Entity::find_by_id(&before.made)
                .one(&transaction)
                .await?
                .ok_or_else(|| Error::not_found("user", &before.made))?;
            return Ok((user, before.secret));
        }
        let (change, own) = Change::by(&self.outbox, &transaction, caller).await?;
        let Found { user, is_new } = find_or_create(&transaction, email, name, false, now).await?;
        member::put(&change, own, &user, role).await?;
        let mut secret = None;
        if is_new {
            // No more than the caller's own key may do.
            let key = NewKey::first(caller.scopes.clone());
            secret = Some(key.insert_for_user(&change, &user.id, now).await?.1);
        }
        request
            .note(&transaction, &self.sealer, &user.id, secret.as_ref(), now)
            .await?;
        transaction.commit().await?;
        self.outbox.nudge();
        Ok((user, secret.into()))
    }

    /// Members of a team with their roles, by address.
    pub(crate) async fn list_users(
        &self,
        team: TeamId,
    ) -> Result<Vec<(entity::user::Model, Option<Role>)>> {
        let reader = self.database.reader();
        let members = entity::member::Entity::find()
            .filter(entity::member::Column::TeamId.eq(team.to_string()))
            .all(reader)
            .await?;
        let ids = members.iter().map(|member| member.user_id.clone());
        let mut users = entity::user::Entity::find()
            .filter(entity::user::Column::Id.is_in(ids))
            .all(reader)
            .await?;
        users.sort_by(|a, b| a.email.cmp(&b.email));
        let role_of = |user: &entity::user::Model| {
            members
                .iter()
                .find(|member| member.user_id == user.id)
                .and_then(|member| role::from_number(member.role))
        };
        Ok(users
            .into_iter()
            .map(|user| {
                let role = role_of(&user);
                (user, role)
            })
            .collect())
    }

    /// One person.
    pub(crate) async fn user(&self, id: UserId) -> Result<entity::user::Model> {
        entity::user::Entity::find_by_id(id.to_string())
            .one(self.database.reader())
            .await?
            .ok_or_else(|| Error::not_found("user", &id.to_string()))
    }
}
