//! Edges, between rows and the domain.

use chassis::Result;
use kernel::Timestamp;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, DbErr,
    EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
};

use super::entity::edge::{ActiveModel, Column, Entity, Model};
use crate::domain::edge::Edge;

/// Edges that were seen after `oldest`, by identifier.
pub(crate) async fn seen_after(
    connection: &impl ConnectionTrait,
    oldest: Timestamp,
) -> Result<Vec<Edge>> {
    let rows = Entity::find()
        .filter(Column::LastSeenAt.gt(oldest.timestamp_micros()))
        .order_by_asc(Column::Id)
        .all(connection)
        .await?;
    let edge = |row: Model| Edge {
        id: row.id,
        relay_address: row.relay_address,
    };
    Ok(rows.into_iter().map(edge).collect())
}

/// Notes that an edge was seen now.
pub(crate) async fn put(
    transaction: &DatabaseTransaction,
    edge: &Edge,
    now: Timestamp,
) -> Result<(), DbErr> {
    let row = ActiveModel {
        id: Set(edge.id.clone()),
        relay_address: Set(edge.relay_address.clone()),
        last_seen_at: Set(now.timestamp_micros()),
    };
    let seen_again = OnConflict::column(Column::Id)
        .update_columns([Column::RelayAddress, Column::LastSeenAt])
        .to_owned();
    Entity::insert(row)
        .on_conflict(seen_again)
        .exec_without_returning(transaction)
        .await?;
    Ok(())
}

/// Forgets edges that were not seen after `oldest`, and others at the address of `edge`; gives how many others are left.
pub(crate) async fn make_room(
    transaction: &DatabaseTransaction,
    edge: &Edge,
    oldest: Timestamp,
) -> Result<u64, DbErr> {
    let past = Condition::any()
        .add(Column::LastSeenAt.lte(oldest.timestamp_micros()))
        .add(Column::RelayAddress.eq(&edge.relay_address));
    let others = Column::Id.ne(&edge.id);
    Entity::delete_many()
        .filter(past)
        .filter(others.clone())
        .exec(transaction)
        .await?;
    Entity::find().filter(others).count(transaction).await
}
