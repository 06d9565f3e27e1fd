//! The one row of the books: the pen that every writer holds, the meter's place in the scheduler's list, the end of the chain.

use chassis::{Error, Result};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveModelTrait as _, ActiveValue::Set, ConnectionTrait, DatabaseTransaction, EntityTrait,
    QuerySelect as _,
};

use super::{signed, unsigned};
use crate::domain::chain;

mod entity {
    #![allow(missing_docs, unreachable_pub, reason = "sea-orm derives public items")]
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "books")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i64,
        pub currency: String,
        pub scheduler_change: i64,
        pub inputs: i64,
        pub chain: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

const ROW: i64 = 1;

/// The books, held for writing until the transaction ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pen {
    /// ISO 4217 code of every amount in the books.
    pub(crate) currency: String,
    /// The last change of the scheduler that the meter has seen.
    pub(crate) scheduler_change: u64,
    /// Number of raw inputs.
    pub(crate) inputs: u64,
    /// Hash of the last raw input.
    pub(crate) chain: String,
}

/// Makes the row, where it is missing.
///
/// # Errors
/// Those of the database.
pub(crate) async fn create(transaction: &DatabaseTransaction, currency: &str) -> Result<()> {
    let row = entity::ActiveModel {
        id: Set(ROW),
        currency: Set(currency.to_owned()),
        scheduler_change: Set(0),
        inputs: Set(0),
        chain: Set(chain::START.to_owned()),
    };
    entity::Entity::insert(row)
        .on_conflict(
            OnConflict::column(entity::Column::Id)
                .do_nothing()
                .to_owned(),
        )
        .exec_without_returning(transaction)
        .await?;
    Ok(())
}

/// Takes the pen: one writer at a time, so that what a writer has read stays true until it commits.
///
/// # Errors
/// Those of the database.
pub(crate) async fn take_pen(transaction: &DatabaseTransaction) -> Result<Pen> {
    let row = entity::Entity::find_by_id(ROW)
        .lock_exclusive()
        .one(transaction)
        .await?
        .ok_or_else(|| Error::internal("opening the books", "their row is missing"))?;
    Ok(Pen {
        currency: row.currency,
        scheduler_change: unsigned(row.scheduler_change)?,
        inputs: unsigned(row.inputs)?,
        chain: row.chain,
    })
}

/// The last change of the scheduler that the meter has seen.
///
/// # Errors
/// Those of the database.
pub(crate) async fn scheduler_change(connection: &impl ConnectionTrait) -> Result<u64> {
    let row = entity::Entity::find_by_id(ROW).one(connection).await?;
    unsigned(row.map_or(0, |row| row.scheduler_change))
}

/// Writes the meter's place and the end of the chain back.
///
/// # Errors
/// Those of the database.
pub(crate) async fn save(transaction: &DatabaseTransaction, pen: &Pen) -> Result<()> {
    let row = entity::ActiveModel {
        id: Set(ROW),
        scheduler_change: Set(signed(pen.scheduler_change)?),
        inputs: Set(signed(pen.inputs)?),
        chain: Set(pen.chain.clone()),
        ..Default::default()
    };
    row.update(transaction).await?;
    Ok(())
}
