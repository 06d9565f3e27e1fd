//! Teams.

use bus::Outbox;
use chassis::auth::User;
use chassis::database::is_unique_violation;
use chassis::{Error, Result};
use kernel::id::{ProjectId, TeamId};
use kernel::{Timestamp, text};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter,
    QueryOrder,
};

use super::change::Change;
use super::key::NewKey;
use super::request::{Request, Secret};
use super::user::{Found, find_or_create};
use super::{App, role, team_by_id};
use crate::domain::role::Role;
use crate::store::entity;

/// Name of the project that every team starts with.
const FIRST_PROJECT: &str = "default";

/// What is asked for in a new team.
#[derive(Clone, Debug)]
pub(crate) struct NewTeam {
    pub(crate) name: String,
    pub(crate) namespace: String,
}

impl NewTeam {
    /// The team, with its owner and first project, and the change that made it.
    pub(super) async fn insert<'a>(
        self,
        outbox: &'a Outbox,
        transaction: &'a DatabaseTransaction,
        owner: &entity::user::Model,
        now: Timestamp,
    ) -> Result<(entity::team::Model, Change<'a>)> {
        let name = text::name("name", &self.name, 100)?;
        let namespace = text::slug("namespace", &self.namespace)?;
        let created_at = now.timestamp_micros();
        let team = entity::team::ActiveModel {
            id: Set(TeamId::generate().into()),
            name: Set(name),
            namespace: Set(namespace.clone()),
            created_at: Set(created_at),
            revision: Set(1),
        };
        let team = team.insert(transaction).await.map_err(|error| {
            if is_unique_violation(&error) {
                return Error::Conflict(format!(
                    "the namespace {namespace:?} is taken; choose another"
                ));
            }
            error.into()
        })?;
        let member = entity::member::ActiveModel {
            team_id: Set(team.id.clone()),
            user_id: Set(owner.id.clone()),
            role: Set(role::number(Some(Role::Owner))),
        };
        entity::member::Entity::insert(member)
            .exec_without_returning(transaction)
            .await?;
        let project = entity::project::ActiveModel {
            id: Set(ProjectId::generate().into()),
            team_id: Set(team.id.clone()),
            name: Set(FIRST_PROJECT.to_owned()),
            created_at: Set(created_at),
        };
        let project = project.insert(transaction).await?;
        let change = Change::first(outbox, transaction, &team);
        change.say_team(&team).await?;
        change.say_member(owner, Some(Role::Owner), false).await?;
        change.say_project(&project, false).await?;
        Ok((team, change))
    }
}

impl App {
    /// A new team with its owner; and the owner's key for it, when that is the caller or a person whom this call made.
    pub(crate) async fn create_team(
        &self,
        caller: &User,
        new: NewTeam,
        owner_email: &str,
        request_id: &str,
    ) -> Result<(entity::team::Model, Secret)> {
        let now = self.clock.now();
        let asked = [new.name.as_str(), &new.namespace, owner_email];
        let request = Request::new(caller, "CreateTeam", request_id, &asked)?;
        let transaction = self.database.begin().await?;
        if let Some(before) = request.before(&transaction, &self.sealer, now).await? {
            let team = entity::team::Entity::find_by_id(&before.made)
                .one(&transaction)
                .await?
                .ok_or_else(|| Error::not_found("team", &before.made))?;
            return Ok((team, before.secret));
        }
        let owner = if owner_email.is_empty() {
            let user = entity::user::Entity::find_by_id(caller.id.to_string())
                .one(&transaction)
                .await?
                .ok_or_else(|| Error::not_found("user", &caller.id.to_string()))?;
            Found {
                user,
                is_new: false,
            }
        } else {
            find_or_create(&transaction, owner_email, "", false, now).await?
        };
        let Found { user, is_new } = owner;
        let (team, change) = new.insert(&self.outbox, &transaction, &user, now).await?;
        let mut secret = None;
        if is_new || user.id == caller.id.to_string() {
            let key = NewKey::first(caller.scopes.clone());
            secret = Some(key.insert_for_user(&change, &user.id, now).await?.1);
        }
        request
            .note(&transaction, &self.sealer, &team.id, secret.as_ref(), now)
            .await?;
        transaction.commit().await?;
        self.outbox.nudge();
        Ok((team, secret.into()))
    }

    /// Teams of the caller; all for an operator.
    pub(crate) async fn list_teams(&self, caller: &User) -> Result<Vec<entity::team::Model>> {
        let reader = self.database.reader();
        let mut query = entity::team::Entity::find().order_by_asc(entity::team::Column::Namespace);
        if !caller.operator {
            let members = entity::member::Entity::find()
                .filter(entity::member::Column::UserId.eq(caller.id.to_string()))
                .all(reader)
                .await?;
            let own = members.into_iter().map(|member| member.team_id);
            query = query.filter(entity::team::Column::Id.is_in(own));
        }
        Ok(query.all(reader).await?)
    }

    /// One team.
    pub(crate) async fn team(&self, id: TeamId) -> Result<entity::team::Model> {
        team_by_id(self.database.reader(), id).await
    }
}
