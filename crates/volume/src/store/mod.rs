//! Tables of volume.

pub(crate) mod attempts;
pub(crate) mod copies;
pub(crate) mod cursors;
mod entity;
pub(crate) mod lost_nodes;
pub(crate) mod snapshots;
pub(crate) mod volumes;

use chassis::database::SqlMigration;
use chassis::{Error, Result};
use sea_orm_migration::{MigrationTrait, MigratorTrait};

/// The schema of volume's database.
#[derive(Clone, Copy, Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            chassis::database::foundation(),
            bus::foundation(),
            bus::refusals(),
            Box::new(SqlMigration {
                name: "volume_0001",
                sql: include_str!("migrations/0001_volume.sql"),
            }),
            Box::new(SqlMigration {
                name: "volume_0002_lost",
                sql: include_str!("migrations/0002_lost.sql"),
            }),
            Box::new(SqlMigration {
                name: "volume_0003_owner",
                sql: include_str!("migrations/0003_owner.sql"),
            }),
            Box::new(SqlMigration {
                name: "volume_0004_snapshot",
                sql: include_str!("migrations/0004_snapshot.sql"),
            }),
            Box::new(SqlMigration {
                name: "volume_0005_quota",
                sql: include_str!("migrations/0005_quota.sql"),
            }),
            Box::new(SqlMigration {
                name: "volume_0006_shared",
                sql: include_str!("migrations/0006_shared.sql"),
            }),
        ]
    }
}

/// A number as columns hold it.
fn number(value: u64) -> Result<i64> {
    i64::try_from(value).map_err(|error| Error::internal("writing a row", error))
}

/// A column holds what this program never writes.
fn broken(column: &'static str) -> Error {
    Error::internal(
        "reading a row",
        format!("the column {column} holds an impossible value"),
    )
}
