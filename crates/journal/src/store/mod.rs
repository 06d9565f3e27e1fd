//! Tables of journal.

mod entity;
pub(crate) mod events;

use chassis::database::SqlMigration;
use sea_orm_migration::{MigrationTrait, MigratorTrait};

/// The schema of journal's database.
#[derive(Clone, Copy, Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            chassis::database::foundation(),
            bus::foundation(),
            bus::refusals(),
            Box::new(SqlMigration {
                name: "journal_0001",
                sql: include_str!("migrations/0001_journal.sql"),
            }),
            Box::new(SqlMigration {
                name: "journal_0002",
                sql: include_str!("migrations/0002_project.sql"),
            }),
        ]
    }
}
