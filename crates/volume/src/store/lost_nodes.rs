//! Nodes that were given up. Who gives one up and who attaches there for the first time take turns, so that one of them sees
//! the other.

use chassis::lease;
use kernel::Timestamp;
use kernel::id::NodeId;
use sea_orm::{ActiveValue::Set, DatabaseTransaction, DbErr, EntityTrait};

use super::entity::lost_node;

/// Locks what is known of a node until the transaction ends; whether it was given up.
pub(crate) async fn lock(transaction: &DatabaseTransaction, id: NodeId) -> Result<bool, DbErr> {
    lease::take_turn(transaction, &format!("node {id}")).await?;
    let row = lost_node::Entity::find_by_id(id.to_string())
        .one(transaction)
        .await?;
    Ok(row.is_some())
}

/// Notes that a node that was locked is given up.
pub(crate) async fn insert(
    transaction: &DatabaseTransaction,
    id: NodeId,
    now: Timestamp,
) -> Result<(), DbErr> {
    let row = lost_node::ActiveModel {
        id: Set(id.into()),
        lost_at: Set(now.timestamp_micros()),
    };
    lost_node::Entity::insert(row)
        .exec_without_returning(transaction)
        .await?;
    Ok(())
}
