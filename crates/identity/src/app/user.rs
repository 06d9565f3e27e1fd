//! People and their roles.

use chassis::auth::User;
use chassis::{Error, Result};
use contracts::common::v1::Role;
use kernel::id::{TeamId, UserId};
use kernel::{Timestamp, text};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, DatabaseTransaction, EntityTrait, PaginatorTrait, QueryFilter,
    QuerySelect,
};

use super::App;
use super::key::NewKey;
use super::request::{Request, Secret};
use crate::domain::role;
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
        role::check_grant(caller, role)?;
        let now = self.clock.now();
        let asked = [email, name, role.as_str_name()];
        let request = Request::new(caller, "CreateUser", request_id, &asked)?;
        let transaction = self.database.begin().await?;
        if let Some(before) = request.before(&transaction, &self.sealer, now).await? {
            let user = entity::user::Entity::find_by_id(&before.made)
                .one(&transaction)
                .await?
                .ok_or_else(|| Error::not_found("user", &before.made))?;
            return Ok((user, before.secret));
        }
        // Roles in a team change one after the other, so that the check below holds until the commit.
        entity::team::Entity::find_by_id(caller.team.to_string())
            .lock_exclusive()
            .one(&transaction)
            .await?;
        let Found { user, is_new } = find_or_create(&transaction, email, name, false, now).await?;
        self.check_change(&transaction, caller, &user.id, role)
            .await?;
        let member = entity::member::ActiveModel {
            team_id: Set(caller.team.to_string()),
            user_id: Set(user.id.clone()),
            role: Set(role.into()),
        };
        let or_change = OnConflict::columns([
            entity::member::Column::TeamId,
            entity::member::Column::UserId,
        ])
        .update_column(entity::member::Column::Role)
        .to_owned();
        entity::member::Entity::insert(member)
            .on_conflict(or_change)
            .exec_without_returning(&transaction)
            .await?;
        let mut secret = None;
        if is_new {
            // No more than the caller's own key may do.
            let key = NewKey::first(caller.scopes.clone());
            let team = caller.team.to_string();
            secret = Some(
                key.insert_for_user(&transaction, &user.id, &team, now)
                    .await?
                    .1,
            );
        }
        request
            .note(&transaction, &self.sealer, &user.id, secret.as_ref(), now)
            .await?;
        transaction.commit().await?;
        Ok((user, secret.into()))
    }

    /// A role above the caller's own stays as it is, and so does the team's last owner.
    async fn check_change(
        &self,
        transaction: &DatabaseTransaction,
        caller: &User,
        user_id: &str,
        role: Role,
    ) -> Result<()> {
        let member =
            entity::member::Entity::find_by_id((caller.team.to_string(), user_id.to_owned()))
                .one(transaction)
                .await?;
        let held = member.and_then(|member| Role::try_from(member.role).ok());
        match held {
            Some(held) if held > caller.role => {
                let held = role::name(held);
                Err(Error::Denied(format!(
                    "this member is {held}, above your own role; an owner must change it"
                )))
            }
            Some(Role::Owner) if role < Role::Owner => {
                let owners = entity::member::Entity::find()
                    .filter(entity::member::Column::TeamId.eq(caller.team.to_string()))
                    .filter(entity::member::Column::Role.eq(i32::from(Role::Owner)))
                    .count(transaction)
                    .await?;
                if owners > 1 {
                    return Ok(());
                }
                Err(Error::Precondition(
                    "this is the team's last owner; make somebody else an owner first".to_owned(),
                ))
            }
            _ => Ok(()),
        }
    }

    /// Members of a team with their roles, by address.
    pub(crate) async fn list_users(
        &self,
        team: TeamId,
    ) -> Result<Vec<(entity::user::Model, Role)>> {
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
                .and_then(|member| Role::try_from(member.role).ok())
                .unwrap_or(Role::Viewer)
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
