//! Tables of volume.

pub(crate) mod attempts;
pub(crate) mod cursors;
mod entity;
pub(crate) mod lost_nodes;
pub(crate) mod volumes;

use chassis::Error;
use chassis::database::SqlMigration;
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
        ]
    }
}

/// A column holds what this program never writes.
fn broken(column: &'static str) -> Error {
    Error::internal(
        "reading a row",
        format!("the column {column} holds an impossible value"),
    )
}
