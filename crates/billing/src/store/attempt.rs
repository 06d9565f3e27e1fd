//! Attempts as the meter sees them, and how far each is posted.

use chassis::Result;
use futures::{Stream, StreamExt as _};
use kernel::Timestamp;
use kernel::id::{AttemptId, TeamId};
use kernel::time::from_micros;
use sea_orm::sea_query::{Expr, ExprTrait as _, OnConflict};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait as _, Condition, ConnectionTrait, DatabaseConnection, DatabaseTransaction,
    EntityTrait, PaginatorTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, Select,
};

use super::{micros, parsed, signed, time, unsigned};
use crate::domain::period::Window;
use crate::domain::usage::{Facts, Metered};

pub(super) mod entity {
    #![allow(missing_docs, unreachable_pub, reason = "sea-orm derives public items")]
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "attempts")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub revision: i64,
        pub team_id: String,
        pub project_id: String,
        pub owner_id: String,
        pub machine_type: String,
        pub billable_from: i64,
        pub billable_until: Option<i64>,
        pub confirmed_until: i64,
        pub unreachable_since: Option<i64>,
        /// Until when its charges are posted; none = not at all, or to be posted again from the start.
        pub posted_until: Option<i64>,
        /// When the charge of an ended attempt was complete.
        pub settled_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::Column;

/// Which attempts are to be posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Those that ended and are not settled.
    Ended,
    /// Those, and the running ones that are known to have run for longer than is posted.
    All,
}

/// An attempt that is to be posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unposted {
    /// The attempt.
    pub(crate) metered: Metered,
    /// How far it is posted.
    pub(crate) posted_until: Option<Timestamp>,
}

/// One attempt.
///
/// # Errors
/// Those of the database.
pub(crate) async fn find(
    transaction: &DatabaseTransaction,
    attempt: AttemptId,
) -> Result<Option<Metered>> {
    let row = entity::Entity::find_by_id(attempt.to_string())
        .one(transaction)
        .await?;
    row.map(metered).transpose()
}

/// Writes what the meter sees; how far it is posted stays.
///
/// # Errors
/// Those of the database.
pub(crate) async fn save(transaction: &DatabaseTransaction, metered: &Metered) -> Result<()> {
    let facts = &metered.facts;
    let row = entity::ActiveModel {
        id: Set(facts.attempt.to_string()),
        revision: Set(signed(facts.revision)?),
        team_id: Set(facts.team.to_string()),
        project_id: Set(facts.project.clone()),
        owner_id: Set(facts.owner.clone()),
        machine_type: Set(facts.machine_type.clone()),
        billable_from: Set(facts.billable_from.timestamp_micros()),
        billable_until: Set(micros(facts.billable_until)),
        confirmed_until: Set(metered.confirmed_until.timestamp_micros()),
        unreachable_since: Set(micros(metered.unreachable_since)),
        posted_until: NotSet,
        settled_at: NotSet,
    };
    let what_changes = [
        Column::Revision,
        Column::BillableUntil,
        Column::ConfirmedUntil,
        Column::UnreachableSince,
    ];
    entity::Entity::insert(row)
        .on_conflict(
            OnConflict::column(Column::Id)
                .update_columns(what_changes)
                .to_owned(),
        )
        .exec_without_returning(transaction)
        .await?;
    Ok(())
}

/// At most `limit` attempts that are due, in the order of their identifiers and behind `after`.
///
/// # Errors
/// Those of the database.
pub(crate) async fn due(
    transaction: &DatabaseTransaction,
    due: Due,
    after: Option<AttemptId>,
    limit: u64,
) -> Result<Vec<Unposted>> {
    let ended = Column::BillableUntil.is_not_null();
    let which = match due {
        Due::Ended => Condition::all().add(ended),
        Due::All => Condition::any()
            .add(ended)
            .add(Column::PostedUntil.is_null())
            .add(Expr::col(Column::PostedUntil).lt(Expr::col(Column::ConfirmedUntil))),
    };
    let rows = entity::Entity::find()
        .filter(Column::SettledAt.is_null())
        .filter(which)
        .filter(Column::Id.gt(after.map(String::from).unwrap_or_default()))
        .order_by_asc(Column::Id)
        .limit(limit)
        .all(transaction)
        .await?;
    rows.into_iter()
        .map(|row| {
            let posted_until = time(row.posted_until);
            Ok(Unposted {
                metered: metered(row)?,
                posted_until,
            })
        })
        .collect()
}

/// Notes that `metered` is posted as far as is certain.
///
/// # Errors
/// Those of the database.
pub(crate) async fn mark_posted(
    transaction: &DatabaseTransaction,
    metered: &Metered,
    now: Timestamp,
) -> Result<()> {
    let settled_at = metered.facts.billable_until.map(|_| now.timestamp_micros());
    entity::Entity::update_many()
        .col_expr(
            Column::PostedUntil,
            Expr::value(metered.certain_until().timestamp_micros()),
        )
        .col_expr(Column::SettledAt, Expr::value(settled_at))
        .filter(Column::Id.eq(metered.facts.attempt.to_string()))
        .exec(transaction)
        .await?;
    Ok(())
}

/// Makes everything due again that is posted for time after `from` on `machine_type`.
///
/// # Errors
/// Those of the database.
pub(crate) async fn post_again(
    transaction: &DatabaseTransaction,
    machine_type: &str,
    from: Timestamp,
) -> Result<()> {
    entity::Entity::update_many()
        .col_expr(Column::PostedUntil, Expr::value(Option::<i64>::None))
        .col_expr(Column::SettledAt, Expr::value(Option::<i64>::None))
        .filter(Column::MachineType.eq(machine_type))
        .filter(Column::PostedUntil.gt(from.timestamp_micros()))
        .exec(transaction)
        .await?;
    Ok(())
}

/// Whether an attempt of `team` that began before `time` is not posted as far as that, or not to its end.
///
/// # Errors
/// Those of the database.
pub(crate) async fn lags_behind(
    transaction: &DatabaseTransaction,
    team: TeamId,
    time: Timestamp,
) -> Result<bool> {
    let behind = Condition::any()
        .add(Column::BillableUntil.is_not_null())
        .add(Column::PostedUntil.is_null())
        .add(Column::PostedUntil.lt(time.timestamp_micros()));
    let count = entity::Entity::find()
        .filter(Column::SettledAt.is_null())
        .filter(Column::TeamId.eq(team.to_string()))
        .filter(Column::BillableFrom.lt(time.timestamp_micros()))
        .filter(behind)
        .count(transaction)
        .await?;
    Ok(count > 0)
}

/// At most `limit` attempts of `team` that may have run in `window`, in the order of their start.
///
/// # Errors
/// Those of the database.
pub(crate) async fn first_in(
    connection: &DatabaseConnection,
    team: TeamId,
    window: Window,
    limit: u64,
) -> Result<Vec<Metered>> {
    let rows = overlapping(team, window)
        .order_by_asc(Column::BillableFrom)
        .order_by_asc(Column::Id)
        .limit(limit)
        .all(connection)
        .await?;
    rows.into_iter().map(metered).collect()
}

/// All attempts of `team` that may have run in `window`, one by one.
///
/// # Errors
/// Those of the database.
pub(crate) async fn stream_in<C>(
    connection: &C,
    team: TeamId,
    window: Window,
) -> Result<impl Stream<Item = Result<Metered>>>
where
    C: ConnectionTrait + sea_orm::StreamTrait,
{
    let rows = overlapping(team, window).stream(connection).await?;
    Ok(rows.map(|row| metered(row?)))
}

/// All attempts.
///
/// # Errors
/// Those of the database.
pub(crate) async fn all(connection: &impl ConnectionTrait) -> Result<Vec<Metered>> {
    let rows = entity::Entity::find().all(connection).await?;
    rows.into_iter().map(metered).collect()
}

fn overlapping(team: TeamId, window: Window) -> Select<entity::Entity> {
    let goes_on = Condition::any()
        .add(Column::BillableUntil.is_null())
        .add(Column::BillableUntil.gt(window.from.timestamp_micros()));
    entity::Entity::find()
        .filter(Column::TeamId.eq(team.to_string()))
        .filter(Column::BillableFrom.lt(window.to.timestamp_micros()))
        .filter(goes_on)
}

pub(super) fn metered(row: entity::Model) -> Result<Metered> {
    Ok(Metered {
        facts: Facts {
            attempt: parsed(&row.id)?,
            revision: unsigned(row.revision)?,
            team: parsed(&row.team_id)?,
            project: row.project_id,
            owner: row.owner_id,
            machine_type: row.machine_type,
            billable_from: from_micros(row.billable_from),
            billable_until: time(row.billable_until),
        },
        confirmed_until: from_micros(row.confirmed_until),
        unreachable_since: time(row.unreachable_since),
    })
}
