//! `quire-edge`: the door as a program of its own. It keeps no database: there is nothing to migrate.

use std::process::ExitCode;

use edge::EdgeConfig;

fn main() -> ExitCode {
    chassis::program::main(
        "edge",
        |_: EdgeConfig| async { Ok(()) },
        |config, clock, cancel| edge::run(config, clock, cancel, |_| {}),
    )
}
