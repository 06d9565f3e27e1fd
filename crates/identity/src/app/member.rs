//! Members of a team: other roles, and the end of a membership.

use chassis::auth::User;
use chassis::pick::pick;
use chassis::{Error, Result};
use kernel::Timestamp;
use kernel::id::TeamId;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter,
};

use super::change::{Change, require};
use super::{App, key, role, ssh_key};
use crate::domain::key::Kind;
use crate::domain::role::{Role, check_change};
use crate::store::entity::{self, member, project_member, user};

impl App {
    /// Gives a member of the caller's team another role.
    pub(crate) async fn set_role(
        &self,
        caller: &User,
        wanted: &str,
        new: Role,
    ) -> Result<user::Model> {
        let transaction = self.database.begin().await?;
        let (change, own) = Change::by(&self.outbox, &transaction, caller).await?;
        let (user, held) = member_named(&transaction, caller.team, wanted).await?;
        if held != Some(new) {
            put(&change, own, &user, new).await?;
            transaction.commit().await?;
            self.outbox.nudge();
        }
        Ok(user)
    }

    /// Takes a person out of the caller's team: with their roles in its projects, and with their keys for it, which would else work
    /// again if the person came back. Gives the role that they had, and when they left.
    pub(crate) async fn remove_user(
        &self,
        caller: &User,
        wanted: &str,
    ) -> Result<(user::Model, Option<Role>, Timestamp)> {
        let transaction = self.database.begin().await?;
        let (change, own) = Change::by(&self.outbox, &transaction, caller).await?;
        let (user, held) = member_named(&transaction, caller.team, wanted).await?;
        check(&change, own, held, None).await?;
        let (team, now) = (&change.team_id, self.clock.now());
        let keys = entity::key::Entity::find()
            .filter(entity::key::Column::Kind.eq(Kind::User.prefix()))
            .filter(entity::key::Column::Subject.eq(&user.id))
            .filter(entity::key::Column::TeamId.eq(team))
            .filter(entity::key::Column::RevokedAt.is_null());
        for row in keys.all(&transaction).await? {
            key::revoke(&change, row, now).await?;
        }
        for row in ssh_key::of_person(team, &user.id).all(&transaction).await? {
            ssh_key::forget(&change, &row).await?;
        }
        project_member::Entity::delete_many()
            .filter(project_member::Column::TeamId.eq(team))
            .filter(project_member::Column::UserId.eq(&user.id))
            .exec(&transaction)
            .await?;
        member::Entity::delete_by_id((team.clone(), user.id.clone()))
            .exec(&transaction)
            .await?;
        change.say_member(&user, held, true).await?;
        transaction.commit().await?;
        self.outbox.nudge();
        Ok((user, held, now))
    }
}

/// Makes a person a member with the role `new`, or gives a member that role, where who has `own` in the team may.
pub(super) async fn put(
    change: &Change<'_>,
    own: Role,
    user: &user::Model,
    new: Role,
) -> Result<()> {
    let key = (change.team_id.clone(), user.id.clone());
    let member = member::Entity::find_by_id(key).one(change.transaction);
    let held = member.await?.and_then(|row| role::from_number(row.role));
    check(change, own, held, Some(new)).await?;
    let row = member::ActiveModel {
        team_id: Set(change.team_id.clone()),
        user_id: Set(user.id.clone()),
        role: Set(role::number(Some(new))),
    };
    let or_change = OnConflict::columns([member::Column::TeamId, member::Column::UserId])
        .update_column(member::Column::Role)
        .to_owned();
    member::Entity::insert(row)
        .on_conflict(or_change)
        .exec_without_returning(change.transaction)
        .await?;
    change.say_member(user, Some(new), false).await
}

async fn check(
    change: &Change<'_>,
    own: Role,
    held: Option<Role>,
    new: Option<Role>,
) -> Result<()> {
    require(own, Role::Admin)?;
    let owners = member::Entity::find()
        .filter(member::Column::TeamId.eq(&change.team_id))
        .filter(member::Column::Role.eq(role::number(Some(Role::Owner))))
        .count(change.transaction)
        .await?;
    check_change(Some(own), held, new, owners)
}

/// The member of a team that `wanted` names, by identifier or address or the unique beginning of one, and their role in it. Who is
/// not of the team is nobody to it.
pub(super) async fn member_named(
    connection: &impl ConnectionTrait,
    team: TeamId,
    wanted: &str,
) -> Result<(user::Model, Option<Role>)> {
    let members = member::Entity::find()
        .filter(member::Column::TeamId.eq(team.to_string()))
        .all(connection)
        .await?;
    let ids = members.iter().map(|row| row.user_id.clone());
    let users = user::Entity::find()
        .filter(user::Column::Id.is_in(ids))
        .all(connection)
        .await?;
    // Addresses are kept in small letters.
    let user = pick("user", &wanted.to_lowercase(), users, |user| {
        vec![user.id.clone(), user.email.clone()]
    })?;
    let member = members.into_iter().find(|row| row.user_id == user.id);
    let member = member.ok_or_else(|| Error::not_found("user", wanted))?;
    Ok((user, role::from_number(member.role)))
}
