//! `quire-journal`: the service as a program of its own.

use std::process::ExitCode;

use chassis::Database;
use journal::{JournalConfig, Migrator};

fn main() -> ExitCode {
    chassis::program::main(
        "journal",
        |config: JournalConfig| async move {
            Database::open::<Migrator>(&config.service.database).await?;
            Ok(())
        },
        |config, clock, cancel| journal::run(config, clock, cancel, |_| {}),
    )
}
