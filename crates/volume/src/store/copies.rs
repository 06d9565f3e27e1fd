//! What nodes have still to copy. A row is there as long as its volumes say that they are copied, and changes with them.

use chassis::Result;
use kernel::id::{CopyId, NodeId};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter,
    QueryOrder, QuerySelect,
};

use super::broken;
use super::entity::copy;
use crate::domain::copy::FileCopy;

/// Most copies listed at once.
const LISTED: u64 = 1_000;

/// Adds one.
pub(crate) async fn insert(transaction: &DatabaseTransaction, new: &FileCopy) -> Result<()> {
    let row = copy::ActiveModel {
        id: Set(new.id.into()),
        node_id: Set(new.node.into()),
        from_id: Set(new.from.to_string()),
        to_id: Set(new.to.to_string()),
        keep_id: Set(new.keep.map(String::from)),
    };
    copy::Entity::insert(row)
        .exec_without_returning(transaction)
        .await?;
    Ok(())
}

/// One copy, unless it is over.
pub(crate) async fn find(
    connection: &impl ConnectionTrait,
    id: CopyId,
) -> Result<Option<FileCopy>> {
    let row = copy::Entity::find_by_id(id.to_string())
        .one(connection)
        .await?;
    row.map(read).transpose()
}

/// What a node has still to copy, oldest first.
pub(crate) async fn on_node(
    connection: &impl ConnectionTrait,
    node: NodeId,
) -> Result<Vec<FileCopy>> {
    let rows = copy::Entity::find()
        .filter(copy::Column::NodeId.eq(node.to_string()))
        .order_by_asc(copy::Column::Id)
        .limit(LISTED)
        .all(connection)
        .await?;
    rows.into_iter().map(read).collect()
}

/// It is over.
pub(crate) async fn remove(transaction: &DatabaseTransaction, id: CopyId) -> Result<()> {
    copy::Entity::delete_by_id(id.to_string())
        .exec(transaction)
        .await?;
    Ok(())
}

fn read(row: copy::Model) -> Result<FileCopy> {
    let keep = row
        .keep_id
        .map(|keep| keep.parse().map_err(|_| broken("keep_id")));
    Ok(FileCopy {
        id: row.id.parse().map_err(|_| broken("id"))?,
        node: row.node_id.parse().map_err(|_| broken("node_id"))?,
        from: row.from_id.parse().map_err(|_| broken("from_id"))?,
        to: row.to_id.parse().map_err(|_| broken("to_id"))?,
        keep: keep.transpose()?,
    })
}
