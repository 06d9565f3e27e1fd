//! How far the changes of another service have been read.

use chassis::Result;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ConnectionTrait, DatabaseTransaction, EntityTrait};

use super::broken;
use super::entity::cursor;

/// The scheduler's attempts.
const ATTEMPTS: &str = "scheduler attempts";

/// The last change of attempts that was read; 0 = none.
pub(crate) async fn attempts(connection: &impl ConnectionTrait) -> Result<u64> {
    let row = cursor::Entity::find_by_id(ATTEMPTS).one(connection).await?;
    row.map_or(Ok(0), |row| {
        u64::try_from(row.change).map_err(|_| broken("change"))
    })
}

/// Notes that the changes of attempts up to this one were read. Going back is harmless: changes may be read twice.
pub(crate) async fn set_attempts(transaction: &DatabaseTransaction, change: u64) -> Result<()> {
    let change = i64::try_from(change).map_err(|_| broken("change"))?;
    let row = cursor::ActiveModel {
        name: Set(ATTEMPTS.to_owned()),
        change: Set(change),
    };
    let or_change = OnConflict::column(cursor::Column::Name)
        .update_column(cursor::Column::Change)
        .to_owned();
    cursor::Entity::insert(row)
        .on_conflict(or_change)
        .exec_without_returning(transaction)
        .await?;
    Ok(())
}
