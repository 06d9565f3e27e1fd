//! Tables of the notebook service.

pub(crate) mod closed_project;
pub(crate) mod entity;
pub(crate) mod idle_policy;
pub(crate) mod share;
pub(crate) mod template;
pub(crate) mod template_file;

use chassis::database::SqlMigration;
use sea_orm_migration::{MigrationTrait, MigratorTrait};

/// The schema of the notebook service's database.
#[derive(Clone, Copy, Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            chassis::database::foundation(),
            bus::foundation(),
            bus::refusals(),
            Box::new(SqlMigration {
                name: "notebook_0001",
                sql: include_str!("migrations/0001_notebook.sql"),
            }),
            Box::new(SqlMigration {
                name: "notebook_0002_lost",
                sql: include_str!("migrations/0002_lost.sql"),
            }),
            Box::new(SqlMigration {
                name: "notebook_0003_trace",
                sql: include_str!("migrations/0003_trace.sql"),
            }),
            Box::new(SqlMigration {
                name: "notebook_0004_free",
                sql: include_str!("migrations/0004_free.sql"),
            }),
            Box::new(SqlMigration {
                name: "notebook_0005_closed_projects",
                sql: include_str!("migrations/0005_closed_projects.sql"),
            }),
            Box::new(SqlMigration {
                name: "notebook_0006_choice",
                sql: include_str!("migrations/0006_choice.sql"),
            }),
            Box::new(SqlMigration {
                name: "notebook_0008_environment",
                sql: include_str!("migrations/0008_environment.sql"),
            }),
            Box::new(SqlMigration {
                name: "notebook_0009_idle",
                sql: include_str!("migrations/0009_idle.sql"),
            }),
            Box::new(SqlMigration {
                name: "notebook_0010_furnished",
                sql: include_str!("migrations/0010_furnished.sql"),
            }),
            Box::new(SqlMigration {
                name: "notebook_0011_shares",
                sql: include_str!("migrations/0011_shares.sql"),
            }),
            Box::new(SqlMigration {
                name: "notebook_0012_fork",
                sql: include_str!("migrations/0012_fork.sql"),
            }),
            Box::new(SqlMigration {
                name: "notebook_0013_keep",
                sql: include_str!("migrations/0013_keep.sql"),
            }),
            Box::new(SqlMigration {
                name: "notebook_0015_files",
                sql: include_str!("migrations/0015_files.sql"),
            }),
            Box::new(SqlMigration {
                name: "notebook_0014_templates",
                sql: include_str!("migrations/0014_templates.sql"),
            }),
            Box::new(SqlMigration {
                name: "notebook_0016_turn",
                sql: include_str!("migrations/0016_turn.sql"),
            }),
        ]
    }
}
