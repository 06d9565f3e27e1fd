//! `quire volume`.

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum VolumeCommand {
    /// Files of your team, and who uses them.
    List,
    /// One volume.
    Show { id: String },
    /// Remove files that nobody uses. It cannot be undone.
    Delete {
        id: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}
