//! `quire-billing`: the service as a program of its own.

use std::process::ExitCode;

use billing::{BillingConfig, Migrator};
use chassis::Database;

fn main() -> ExitCode {
    chassis::program::main(
        "billing",
        |config: BillingConfig| async move {
            Database::open::<Migrator>(&config.service.database).await?;
            Ok(())
        },
        |config, clock, cancel| billing::run(config, clock, cancel, |_| {}),
    )
}
