//! `quire machine-type`.

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum MachineTypeCommand {
    /// Those that some node here can host: how many could start now, and what an hour costs.
    List {
        /// The whole catalogue, also what no node here could host.
        #[arg(long)]
        all: bool,
    },
}
