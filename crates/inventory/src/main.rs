//! `quire-inventory`: the service as a program of its own.

use std::process::ExitCode;

use chassis::Database;
use inventory::{InventoryConfig, Migrator};

fn main() -> ExitCode {
    chassis::program::main(
        "inventory",
        |config: InventoryConfig| async move {
            Database::open::<Migrator>(&config.service.database).await?;
            Ok(())
        },
        |config, clock, cancel| inventory::run(config, clock, cancel, |_| {}),
    )
}
