//! Join tokens, between rows and the domain.

use chassis::Result;
use kernel::Timestamp;
use kernel::time::from_micros;
use sea_orm::{
    ActiveValue::{Set, Unchanged},
    ColumnTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter, QuerySelect,
};

use super::broken;
use super::entity::join_token;
use crate::domain::join::{JoinToken, Spent};

/// Adds a token that nobody has spent.
pub(crate) async fn insert(
    transaction: &DatabaseTransaction,
    hash: &str,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<(), DbErr> {
    let row = join_token::ActiveModel {
        hash: Set(hash.to_owned()),
        created_at: Set(now.timestamp_micros()),
        expires_at: Set(expires_at.timestamp_micros()),
        node_id: Set(None),
        request_id: Set(None),
        spent_at: Set(None),
    };
    join_token::Entity::insert(row)
        .exec_without_returning(transaction)
        .await?;
    Ok(())
}

/// Forgets tokens that expired before `oldest`.
pub(crate) async fn forget(
    transaction: &DatabaseTransaction,
    oldest: Timestamp,
) -> Result<(), DbErr> {
    join_token::Entity::delete_many()
        .filter(join_token::Column::ExpiresAt.lt(oldest.timestamp_micros()))
        .exec(transaction)
        .await?;
    Ok(())
}

/// One token, locked until the transaction ends.
pub(crate) async fn lock(
    transaction: &DatabaseTransaction,
    hash: &str,
) -> Result<Option<JoinToken>> {
    let row = join_token::Entity::find_by_id(hash)
        .lock_exclusive()
        .one(transaction)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let spent = match (row.node_id, row.request_id, row.spent_at) {
        (Some(node_id), Some(request_id), Some(at)) => Some(Spent {
            by: node_id.parse().map_err(|_| broken("node_id"))?,
            request_id,
            at: from_micros(at),
        }),
        _ => None,
    };
    Ok(Some(JoinToken {
        expires_at: from_micros(row.expires_at),
        spent,
    }))
}

/// Notes who spent a token that was locked.
pub(crate) async fn spend(
    transaction: &DatabaseTransaction,
    hash: &str,
    spent: Spent,
) -> Result<(), DbErr> {
    let row = join_token::ActiveModel {
        hash: Unchanged(hash.to_owned()),
        node_id: Set(Some(spent.by.into())),
        request_id: Set(Some(spent.request_id)),
        spent_at: Set(Some(spent.at.timestamp_micros())),
        ..Default::default()
    };
    join_token::Entity::update(row).exec(transaction).await?;
    Ok(())
}
