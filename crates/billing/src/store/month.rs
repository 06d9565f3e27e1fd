//! Months that money was posted into, and what their invoices were rounded by.

use std::collections::BTreeMap;

use chassis::Result;
use kernel::id::TeamId;
use kernel::{Micros, Timestamp};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, Condition, ConnectionTrait, DatabaseTransaction,
    EntityTrait, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use super::parsed;
use crate::domain::audit::Rounding;
use crate::domain::period::Month;

mod entity {
    #![allow(missing_docs, unreachable_pub, reason = "sea-orm derives public items")]
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "team_months")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub team_id: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub month: String,
        pub rounding: i64,
        pub closed_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::Column;

/// Notes that money was posted into these months of `team`: their invoices are to be rounded again.
///
/// # Errors
/// Those of the database.
pub(crate) async fn open(
    transaction: &DatabaseTransaction,
    team: TeamId,
    months: impl Iterator<Item = Month>,
) -> Result<()> {
    let rows = months.map(|month| entity::ActiveModel {
        team_id: Set(team.to_string()),
        month: Set(month.to_string()),
        rounding: Set(0),
        closed_at: Set(None),
    });
    entity::Entity::insert_many(rows)
        .on_conflict(
            OnConflict::columns([Column::TeamId, Column::Month])
                .update_column(Column::ClosedAt)
                .to_owned(),
        )
        .exec_without_returning(transaction)
        .await?;
    Ok(())
}

/// At most `limit` open months before `before`, behind `after`, with what was posted for their rounding.
///
/// # Errors
/// Those of the database.
pub(crate) async fn open_before(
    transaction: &DatabaseTransaction,
    before: Month,
    after: Option<(TeamId, Month)>,
    limit: u64,
) -> Result<Vec<((TeamId, Month), Micros)>> {
    let (team, month) = after
        .map(|(team, month)| (team.to_string(), month.to_string()))
        .unwrap_or_default();
    let same_team = Condition::all()
        .add(Column::TeamId.eq(team.clone()))
        .add(Column::Month.gt(month));
    let behind = Condition::any().add(Column::TeamId.gt(team)).add(same_team);
    let rows = entity::Entity::find()
        .filter(Column::ClosedAt.is_null())
        .filter(Column::Month.lt(before.to_string()))
        .filter(behind)
        .order_by_asc(Column::TeamId)
        .order_by_asc(Column::Month)
        .limit(limit)
        .all(transaction)
        .await?;
    rows.into_iter()
        .map(|row| {
            Ok((
                (parsed(&row.team_id)?, parsed(&row.month)?),
                Micros(row.rounding),
            ))
        })
        .collect()
}

/// Notes that `rounding` is posted for `month` of `team`, and that it is closed.
///
/// # Errors
/// Those of the database.
pub(crate) async fn close(
    transaction: &DatabaseTransaction,
    (team, month): (TeamId, Month),
    rounding: Micros,
    now: Timestamp,
) -> Result<()> {
    entity::Entity::update_many()
        .col_expr(Column::Rounding, Expr::value(rounding.0))
        .col_expr(Column::ClosedAt, Expr::value(now.timestamp_micros()))
        .filter(Column::TeamId.eq(team.to_string()))
        .filter(Column::Month.eq(month.to_string()))
        .exec(transaction)
        .await?;
    Ok(())
}

/// All roundings.
///
/// # Errors
/// Those of the database.
pub(crate) async fn roundings(
    connection: &impl ConnectionTrait,
) -> Result<BTreeMap<(TeamId, Month), Rounding>> {
    let rows = entity::Entity::find().all(connection).await?;
    rows.into_iter()
        .map(|row| {
            let rounding = Rounding {
                posted: Micros(row.rounding),
                closed: row.closed_at.is_some(),
            };
            Ok(((parsed(&row.team_id)?, parsed(&row.month)?), rounding))
        })
        .collect()
}
