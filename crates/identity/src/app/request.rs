//! Creates that are asked again: the same request identifier gives what was made the first time. A secret that was shown then is
//! given again for an hour, because a lost answer would else lock its owner out; it waits sealed, and is forgotten after that.

use chassis::auth::User;
use chassis::seal::{Sealer, sha256_hex};
use chassis::{Error, Result, lease};
use chrono::TimeDelta;
use kernel::{Timestamp, text};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveValue::Set, ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter};
use secrecy::SecretString;

use super::{App, time};
use crate::store::entity::request::{ActiveModel, Column, Entity, Model};

/// How long a secret can be given again.
const SECRET_KEPT: TimeDelta = TimeDelta::hours(1);
/// Longest identifier of a request, in characters.
const LONGEST_ID: usize = 200;

/// One create that may be asked again.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    team_id: String,
    method: &'static str,
    /// Empty = it is never the same as another.
    id: String,
    asked: String,
}

/// What was made for the same request before.
#[derive(Clone, Debug)]
pub(crate) struct Before {
    /// Identifier of what was made.
    pub(crate) made: String,
    pub(crate) secret: Secret,
}

/// The secret of an answer.
#[derive(Clone, Debug)]
pub(crate) enum Secret {
    /// The answer has none.
    None,
    /// It goes out with this answer.
    Shown(SecretString),
    /// It went out before, and is not kept any more.
    Gone,
}

impl From<Option<SecretString>> for Secret {
    fn from(secret: Option<SecretString>) -> Self {
        secret.map_or(Self::None, Self::Shown)
    }
}

impl Request {
    /// A request of `caller` to `method`; `asked` is all that decides what is made.
    pub(crate) fn new(
        caller: &User,
        method: &'static str,
        id: &str,
        asked: &[&str],
    ) -> Result<Self> {
        if !id.is_empty() {
            text::name("request_id", id, LONGEST_ID)?;
        }
        // Another key of the same person may do less, and must not learn what this one made.
        let caller_id = caller.id.to_string();
        let who = [caller_id, caller.scopes.join(" ")];
        let all = who.iter().map(String::as_str).chain(asked.iter().copied());
        let all: Vec<_> = all.map(|part| format!("{part:?}")).collect();
        Ok(Self {
            team_id: caller.team.to_string(),
            method,
            id: id.to_owned(),
            asked: sha256_hex(&all.join(",")),
        })
    }

    /// What a secret is sealed for.
    fn owner(&self) -> String {
        format!("request {} {} {}", self.team_id, self.method, self.id)
    }

    /// What the same request made before. Others wait until this transaction ends.
    pub(super) async fn before(
        &self,
        transaction: &DatabaseTransaction,
        sealer: &Sealer,
        now: Timestamp,
    ) -> Result<Option<Before>> {
        if self.id.is_empty() {
            return Ok(None);
        }
        // One create of a kind and team after the other: a turn for each request would leave a row for each.
        let turn = format!("{} in {}", self.method, self.team_id);
        lease::take_turn(transaction, &turn).await?;
        let key = (
            self.team_id.clone(),
            self.method.to_owned(),
            self.id.clone(),
        );
        let Some(row) = Entity::find_by_id(key).one(transaction).await? else {
            return Ok(None);
        };
        if row.asked != self.asked {
            let (id, method) = (&self.id, self.method);
            return Err(Error::Conflict(format!(
                "request_id {id:?} was used before for another {method}"
            )));
        }
        Ok(Some(Before {
            secret: self.secret_of(&row, sealer, now)?,
            made: row.made,
        }))
    }

    fn secret_of(&self, row: &Model, sealer: &Sealer, now: Timestamp) -> Result<Secret> {
        if row.secret_sealed.is_empty() {
            return Ok(Secret::None);
        }
        if row.secret_sealed == GONE || time(row.created_at) + SECRET_KEPT <= now {
            return Ok(Secret::Gone);
        }
        Ok(Secret::Shown(
            sealer.open(&self.owner(), &row.secret_sealed)?,
        ))
    }

    /// Notes what was made, and seals the secret that goes out with the answer.
    pub(super) async fn note(
        &self,
        transaction: &DatabaseTransaction,
        sealer: &Sealer,
        made: &str,
        secret: Option<&SecretString>,
        now: Timestamp,
    ) -> Result<()> {
        if self.id.is_empty() {
            return Ok(());
        }
        let sealed = secret.map(|secret| sealer.seal(&self.owner(), secret));
        let row = ActiveModel {
            team_id: Set(self.team_id.clone()),
            method: Set(self.method.to_owned()),
            request_id: Set(self.id.clone()),
            asked: Set(self.asked.clone()),
            made: Set(made.to_owned()),
            secret_sealed: Set(sealed.transpose()?.unwrap_or_default()),
            created_at: Set(now.timestamp_micros()),
        };
        Entity::insert(row)
            .exec_without_returning(transaction)
            .await?;
        Ok(())
    }
}

/// What stands in the place of a secret that was forgotten; no sealed text looks like it.
const GONE: &str = "-";

impl App {
    /// Forgets secrets that were sealed more than an hour ago.
    pub(crate) async fn forget_secrets(&self) -> Result<()> {
        let oldest = self.clock.now() - SECRET_KEPT;
        Entity::update_many()
            .col_expr(Column::SecretSealed, Expr::value(GONE))
            .filter(Column::CreatedAt.lte(oldest.timestamp_micros()))
            .filter(Column::SecretSealed.ne(""))
            .filter(Column::SecretSealed.ne(GONE))
            .exec(self.database.reader())
            .await?;
        Ok(())
    }
}
