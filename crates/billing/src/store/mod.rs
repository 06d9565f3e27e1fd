//! The tables of billing. Rows become domain values here, and nothing outside knows a column.

pub(crate) mod attempt;
pub(crate) mod books;
pub(crate) mod cost;
pub(crate) mod input;
pub(crate) mod ledger;
pub(crate) mod month;
pub(crate) mod price;

use std::str::FromStr;

use chassis::{Error, Result};
use kernel::Timestamp;
use kernel::time::from_micros;
use sea_orm_migration::{MigrationTrait, MigratorTrait};

/// The schema of billing's database.
#[derive(Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            chassis::database::foundation(),
            bus::foundation(),
            bus::refusals(),
            Box::new(chassis::database::SqlMigration {
                name: "billing_0001_books",
                sql: include_str!("migrations/0001_books.sql"),
            }),
            Box::new(chassis::database::SqlMigration {
                name: "billing_0002_owner",
                sql: include_str!("migrations/0002_owner.sql"),
            }),
        ]
    }
}

/// A text column as the value that it holds.
fn parsed<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(text: &str) -> Result<T> {
    text.parse()
        .map_err(|error| Error::internal("reading a row", error))
}

/// A number column that is never negative.
fn unsigned<T: TryFrom<i64, Error: std::error::Error + Send + Sync + 'static>>(
    number: i64,
) -> Result<T> {
    T::try_from(number).map_err(|error| Error::internal("reading a row", error))
}

/// A number for a column.
fn signed(number: u64) -> Result<i64> {
    i64::try_from(number).map_err(|error| Error::internal("writing a row", error))
}

fn time(micros: Option<i64>) -> Option<Timestamp> {
    micros.map(from_micros)
}

fn micros(time: Option<Timestamp>) -> Option<i64> {
    time.map(|time| time.timestamp_micros())
}
