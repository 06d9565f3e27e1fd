//! `quire-gateway`: the door as a program of its own. It keeps no database: there is nothing to migrate.

use std::process::ExitCode;

use gateway::GatewayConfig;

fn main() -> ExitCode {
    chassis::program::main(
        "gateway",
        |_: GatewayConfig| async { Ok(()) },
        |config, clock, cancel| gateway::run(config, clock, cancel, |_| {}),
    )
}
