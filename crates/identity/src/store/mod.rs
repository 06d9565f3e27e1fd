//! Tables of identity.

pub(crate) mod entity;

use chassis::database::SqlMigration;
use sea_orm_migration::{MigrationTrait, MigratorTrait};

/// The schema of identity's database.
#[derive(Clone, Copy, Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            chassis::database::foundation(),
            bus::foundation(),
            bus::refusals(),
            Box::new(SqlMigration {
                name: "identity_0001",
                sql: include_str!("migrations/0001_identity.sql"),
            }),
            Box::new(SqlMigration {
                name: "identity_0002_many",
                sql: include_str!("migrations/0002_many.sql"),
            }),
            Box::new(SqlMigration {
                name: "identity_0003_authority",
                sql: include_str!("migrations/0003_authority.sql"),
            }),
            Box::new(SqlMigration {
                name: "identity_0004_changes",
                sql: include_str!("migrations/0004_changes.sql"),
            }),
            Box::new(SqlMigration {
                name: "identity_0005_ssh_keys",
                sql: include_str!("migrations/0005_ssh_keys.sql"),
            }),
        ]
    }
}
