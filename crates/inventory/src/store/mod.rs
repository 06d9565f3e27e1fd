//! Tables of inventory.

pub(crate) mod edges;
mod entity;
pub(crate) mod environments;
pub(crate) mod join_tokens;
pub(crate) mod nodes;
pub(crate) mod token_requests;

use chassis::Error;
use chassis::database::SqlMigration;
use sea_orm_migration::{MigrationTrait, MigratorTrait};

/// The schema of inventory's database.
#[derive(Clone, Copy, Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            chassis::database::foundation(),
            bus::foundation(),
            bus::refusals(),
            Box::new(SqlMigration {
                name: "inventory_0001",
                sql: include_str!("migrations/0001_inventory.sql"),
            }),
            Box::new(SqlMigration {
                name: "inventory_0002_departure",
                sql: include_str!("migrations/0002_departure.sql"),
            }),
            Box::new(SqlMigration {
                name: "inventory_0003_edges",
                sql: include_str!("migrations/0003_edges.sql"),
            }),
            Box::new(SqlMigration {
                name: "inventory_0005_environments",
                sql: include_str!("migrations/0005_environments.sql"),
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
