//! Versions of prices: rows are only ever added.

use chassis::Result;
use kernel::NanosPerHour;
use kernel::time::from_micros;
use sea_orm::{
    ActiveValue::Set, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryOrder as _,
};

use super::unsigned;
use crate::domain::price::{PriceBook, PriceVersion};

mod entity {
    #![allow(missing_docs, unreachable_pub, reason = "sea-orm derives public items")]
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "prices")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub machine_type: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub version: i64,
        pub nanos_per_hour: i64,
        pub valid_from: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The whole price book.
///
/// # Errors
/// Those of the database.
pub(crate) async fn book(connection: &impl ConnectionTrait) -> Result<PriceBook> {
    let rows = entity::Entity::find()
        .order_by_asc(entity::Column::MachineType)
        .order_by_asc(entity::Column::Version)
        .all(connection)
        .await?;
    rows.into_iter()
        .map(|row| {
            let version = PriceVersion {
                version: unsigned(row.version)?,
                rate: NanosPerHour(row.nanos_per_hour),
                valid_from: from_micros(row.valid_from),
            };
            Ok((row.machine_type, version))
        })
        .collect()
}

/// Adds versions of prices.
///
/// # Errors
/// Those of the database.
pub(crate) async fn add(
    transaction: &DatabaseTransaction,
    versions: impl IntoIterator<Item = (String, PriceVersion)>,
) -> Result<()> {
    let rows = versions
        .into_iter()
        .map(|(machine_type, price)| entity::ActiveModel {
            machine_type: Set(machine_type),
            version: Set(price.version.into()),
            nanos_per_hour: Set(price.rate.0),
            valid_from: Set(price.valid_from.timestamp_micros()),
        });
    entity::Entity::insert_many(rows)
        .exec_without_returning(transaction)
        .await?;
    Ok(())
}
