//! `quire-scheduler`: the service as a program of its own.

use std::process::ExitCode;

use chassis::Database;
use scheduler::{Migrator, SchedulerConfig};

fn main() -> ExitCode {
    chassis::program::main(
        "scheduler",
        |config: SchedulerConfig| async move {
            Database::open::<Migrator>(&config.service.database).await?;
            Ok(())
        },
        |config, clock, cancel| scheduler::run(config, clock, cancel, |_| {}),
    )
}
