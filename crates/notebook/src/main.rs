//! `quire-notebook`: the service as a program of its own.

use std::process::ExitCode;

use chassis::Database;
use notebook::{Migrator, NotebookConfig};

fn main() -> ExitCode {
    chassis::program::main(
        "notebook",
        |config: NotebookConfig| async move {
            Database::open::<Migrator>(&config.service.database).await?;
            Ok(())
        },
        |config, clock, cancel| notebook::run(config, clock, cancel, |_| {}),
    )
}
