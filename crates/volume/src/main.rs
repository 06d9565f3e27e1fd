//! `quire-volume`: the service as a program of its own.

use std::process::ExitCode;

use chassis::Database;
use volume::{Migrator, VolumeConfig};

fn main() -> ExitCode {
    chassis::program::main(
        "volume",
        |config: VolumeConfig| async move {
            Database::open::<Migrator>(&config.service.database).await?;
            Ok(())
        },
        |config, clock, cancel| volume::run(config, clock, cancel, |_| {}),
    )
}
