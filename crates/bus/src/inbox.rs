//! The inbox: the event's id goes into the consumer's own transaction, so that an event has its effect once.

use kernel::Timestamp;
use sea_orm::{ConnectionTrait, DatabaseTransaction, Statement};

use crate::Delivery;

/// Events are delivered again within hours, not weeks; older ids are forgotten.
const KEPT_DAYS: i64 = 14;

/// Notes that `consumer` handles `delivery` in this transaction; `false` when it already did.
///
/// # Errors
/// Those of the database.
pub async fn first_time(
    transaction: &DatabaseTransaction,
    consumer: &str,
    delivery: &Delivery,
    now: Timestamp,
) -> chassis::Result<bool> {
    let backend = transaction.get_database_backend();
    let oldest = (now - chrono::TimeDelta::days(KEPT_DAYS)).timestamp_micros();
    transaction
        .execute_raw(Statement::from_sql_and_values(
            backend,
            "DELETE FROM inbox WHERE received_at < $1",
            [oldest.into()],
        ))
        .await?;
    let inserted = transaction
        .execute_raw(Statement::from_sql_and_values(
            backend,
            "INSERT INTO inbox (consumer, event_id, received_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            [consumer.into(), delivery.id.as_str().into(), now.timestamp_micros().into()],
        ))
        .await?;
    Ok(inserted.rows_affected() == 1)
}
