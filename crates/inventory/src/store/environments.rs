//! Environments of teams, as rows.

use chassis::Result;
use contracts::inventory::v1::EnvironmentState;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, DbErr,
    EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};

use super::entity::environment::{Column, Entity};

pub(crate) use super::entity::environment::Model;

/// Most environments of other teams that are listed.
const LISTED: u64 = 1_000;

/// Those that a team sees and that were not deleted, by name.
pub(crate) async fn seen_by(connection: &impl ConnectionTrait, team: &str) -> Result<Vec<Model>> {
    let seen = Condition::any()
        .add(Column::TeamId.eq(team))
        .add(Column::Shared.eq(true));
    let rows = Entity::find()
        .filter(Column::DeletedAt.is_null())
        .filter(seen)
        .order_by_asc(Column::Name)
        .order_by_asc(Column::Id)
        .limit(LISTED)
        .all(connection)
        .await?;
    Ok(rows)
}

/// How many a team has that were not deleted.
pub(crate) async fn count(transaction: &DatabaseTransaction, team: &str) -> Result<u64> {
    let own = Entity::find()
        .filter(Column::TeamId.eq(team))
        .filter(Column::DeletedAt.is_null());
    Ok(own.count(transaction).await?)
}

/// The one of a team with this name that was not deleted, locked until the transaction ends.
pub(crate) async fn lock_named(
    transaction: &DatabaseTransaction,
    team: &str,
    name: &str,
) -> Result<Option<Model>> {
    let found = Entity::find()
        .filter(Column::TeamId.eq(team))
        .filter(Column::Name.eq(name))
        .filter(Column::DeletedAt.is_null())
        .lock_exclusive()
        .one(transaction)
        .await?;
    Ok(found)
}

/// One that was not deleted, locked until the transaction ends.
pub(crate) async fn lock(transaction: &DatabaseTransaction, id: &str) -> Result<Option<Model>> {
    let found = Entity::find_by_id(id)
        .filter(Column::DeletedAt.is_null())
        .lock_exclusive()
        .one(transaction)
        .await?;
    Ok(found)
}

/// The newest with this lock, deleted or not.
pub(crate) async fn with_digest(
    connection: &impl ConnectionTrait,
    digest: &str,
) -> Result<Option<Model>> {
    let found = Entity::find()
        .filter(Column::Digest.eq(digest))
        .order_by_desc(Column::CreatedAt)
        .one(connection)
        .await?;
    Ok(found)
}

/// Those whose packages are to be resolved, oldest first, at most `limit`.
pub(crate) async fn unresolved(
    connection: &impl ConnectionTrait,
    limit: u64,
) -> Result<Vec<Model>> {
    let rows = Entity::find()
        .filter(Column::State.eq(i32::from(EnvironmentState::Resolving)))
        .filter(Column::DeletedAt.is_null())
        .order_by_asc(Column::CreatedAt)
        .limit(limit)
        .all(connection)
        .await?;
    Ok(rows)
}

/// Adds a row.
pub(crate) async fn insert(transaction: &DatabaseTransaction, row: Model) -> Result<(), DbErr> {
    Entity::insert(row.into_active_model())
        .exec_without_returning(transaction)
        .await?;
    Ok(())
}

/// Writes a row that was locked, as its next revision.
pub(crate) async fn update(transaction: &DatabaseTransaction, mut row: Model) -> Result<Model> {
    row.revision += 1;
    Ok(row
        .into_active_model()
        .reset_all()
        .update(transaction)
        .await?)
}
