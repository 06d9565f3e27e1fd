//! Attempts that attach or have ended. Both write the attempt's row first, so that one of them waits for the other: an end that
//! comes first refuses the attachment, and one that comes second releases it.

use kernel::Timestamp;
use kernel::id::AttemptId;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter,
    QuerySelect,
};

use super::entity::attempt;

/// Locks an attempt's row, made now when it is new; whether the attempt has ended.
pub(crate) async fn lock(transaction: &DatabaseTransaction, id: AttemptId) -> Result<bool, DbErr> {
    let row = attempt::ActiveModel {
        id: Set(id.into()),
        ended_at: Set(None),
    };
    attempt::Entity::insert(row)
        .on_conflict_do_nothing_on([attempt::Column::Id])
        .exec_without_returning(transaction)
        .await?;
    let row = attempt::Entity::find_by_id(id.to_string())
        .lock_exclusive()
        .one(transaction)
        .await?;
    Ok(row.is_some_and(|row| row.ended_at.is_some()))
}

/// Notes that attempts have ended. In the order of their identifiers, so that two who note the same cannot wait for each other.
pub(crate) async fn end(
    transaction: &DatabaseTransaction,
    ids: &[AttemptId],
    now: Timestamp,
) -> Result<(), DbErr> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    let rows = ids.into_iter().map(|id| attempt::ActiveModel {
        id: Set(id.into()),
        ended_at: Set(Some(now.timestamp_micros())),
    });
    let or_change = OnConflict::column(attempt::Column::Id)
        .update_column(attempt::Column::EndedAt)
        .to_owned();
    attempt::Entity::insert_many(rows)
        .on_conflict(or_change)
        .exec_without_returning(transaction)
        .await?;
    Ok(())
}

/// Forgets attempts that ended before `oldest`.
pub(crate) async fn forget(
    transaction: &DatabaseTransaction,
    oldest: Timestamp,
) -> Result<(), DbErr> {
    attempt::Entity::delete_many()
        .filter(attempt::Column::EndedAt.lt(oldest.timestamp_micros()))
        .exec(transaction)
        .await?;
    Ok(())
}
