//! Changes of a team, its members, projects and keys: one after the other, numbered, and each said to others in the transaction
//! that makes it true.

use bus::Outbox;
use chassis::auth::User;
use chassis::{Error, Result};
use contracts::Event;
use contracts::identity::v1::{
    ApiKey, ApiKeyChanged, MemberChanged, ProjectChanged, ProjectMemberChanged, SshKeyChanged,
    TeamChanged,
};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, ExprTrait, QueryFilter};

use super::project_member::Granted;
use super::role;
use crate::domain::role::{self as rule, Role};
use crate::store::entity::{key, member, project, ssh_key, team, user};
use crate::wire;

/// A change of one team. Others of the same team wait until its transaction ends, so that what it checks holds until then.
#[derive(Debug)]
pub(super) struct Change<'a> {
    outbox: &'a Outbox,
    pub(super) transaction: &'a DatabaseTransaction,
    pub(super) team_id: String,
    revision: u64,
}

impl<'a> Change<'a> {
    /// A change of a team that is there.
    pub(super) async fn begin(
        outbox: &'a Outbox,
        transaction: &'a DatabaseTransaction,
        team_id: String,
    ) -> Result<Self> {
        let one_more = Expr::col(team::Column::Revision).add(1);
        team::Entity::update_many()
            .col_expr(team::Column::Revision, one_more)
            .filter(team::Column::Id.eq(&team_id))
            .exec(transaction)
            .await?;
        let team = team::Entity::find_by_id(&team_id)
            .one(transaction)
            .await?
            .ok_or_else(|| Error::not_found("team", &team_id))?;
        Ok(Self {
            outbox,
            transaction,
            team_id,
            revision: u64::try_from(team.revision).unwrap_or(0),
        })
    }

    /// The change of `caller`'s team that they ask for, and the role that they have in it now: their token may be older than what
    /// became of them since.
    pub(super) async fn by(
        outbox: &'a Outbox,
        transaction: &'a DatabaseTransaction,
        caller: &User,
    ) -> Result<(Self, Role)> {
        let change = Self::begin(outbox, transaction, caller.team.to_string()).await?;
        let key = (change.team_id.clone(), caller.id.to_string());
        let member = member::Entity::find_by_id(key).one(transaction).await?;
        let role = member.and_then(|member| role::from_number(member.role));
        let gone = || Error::Denied("you are not a member of this team any more".to_owned());
        Ok((change, role.ok_or_else(gone)?))
    }

    /// The change by which a team comes to be.
    pub(super) fn first(
        outbox: &'a Outbox,
        transaction: &'a DatabaseTransaction,
        team: &team::Model,
    ) -> Self {
        Self {
            outbox,
            transaction,
            team_id: team.id.clone(),
            revision: u64::try_from(team.revision).unwrap_or(0),
        }
    }

    pub(super) async fn say(&self, event: &impl Event, about: &str) -> Result<()> {
        self.outbox
            .append(self.transaction, event, about, Some(&self.team_id))
            .await
    }

    pub(super) async fn say_team(&self, row: &team::Model) -> Result<()> {
        let event = TeamChanged {
            team: Some(wire::team(row.clone())),
            revision: self.revision,
        };
        self.say(&event, &row.id).await
    }

    /// `removed` = they left, and had `role`.
    pub(super) async fn say_member(
        &self,
        row: &user::Model,
        role: Option<Role>,
        removed: bool,
    ) -> Result<()> {
        let event = MemberChanged {
            team_id: self.team_id.clone(),
            user: Some(wire::user(row.clone(), role)),
            removed,
            revision: self.revision,
        };
        self.say(&event, &row.id).await
    }

    pub(super) async fn say_project(&self, row: &project::Model, deleted: bool) -> Result<()> {
        let event = ProjectChanged {
            project: Some(wire::project(row.clone())),
            deleted,
            revision: self.revision,
        };
        self.say(&event, &row.id).await
    }

    /// `removed` = they have no role of their own any more, and had this one.
    pub(super) async fn say_project_member(&self, granted: &Granted, removed: bool) -> Result<()> {
        let event = ProjectMemberChanged {
            member: Some(wire::project_member(granted.clone())),
            removed,
            revision: self.revision,
        };
        self.say(&event, &granted.project_id).await
    }

    pub(super) async fn say_key(&self, row: &key::Model) -> Result<()> {
        let event = ApiKeyChanged {
            api_key: Some(ApiKey {
                name: String::new(),
                scopes: Vec::new(),
                ..wire::api_key(row.clone())
            }),
            revision: self.revision,
        };
        self.say(&event, &row.id).await
    }

    pub(super) async fn say_ssh_key(&self, row: &ssh_key::Model, deleted: bool) -> Result<()> {
        let event = SshKeyChanged {
            ssh_key: Some(wire::ssh_key(row.clone())),
            deleted,
            revision: self.revision,
        };
        self.say(&event, &row.id).await
    }
}

/// Checks that a caller who has `role` in the team now has at least `least`.
pub(super) fn require(role: Role, least: Role) -> Result<()> {
    if role >= least {
        return Ok(());
    }
    let (least, now) = (rule::name(Some(least)), rule::name(Some(role)));
    Err(Error::Denied(format!(
        "this needs the role {least} in the team, yours is {now} now"
    )))
}
