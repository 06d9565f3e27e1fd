//! `quire-identity`: the service as a program of its own. At the very first start it writes the first user's key to its output.

use std::process::ExitCode;

use chassis::Database;
use identity::{IdentityConfig, Migrator};
use secrecy::ExposeSecret;

fn main() -> ExitCode {
    chassis::program::main(
        "identity",
        |config: IdentityConfig| async move {
            Database::open::<Migrator>(&config.service.database).await?;
            Ok(())
        },
        |config, clock, cancel| async move {
            if let Some(key) = identity::bootstrap(&config, clock.clone()).await? {
                println!("{}", key.expose_secret());
            }
            identity::run(config, clock, cancel, |_| {}).await
        },
    )
}
