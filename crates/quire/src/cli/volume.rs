//! `quire volume`.

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum VolumeCommand {
    /// Files of your team, and who uses them.
    List,
    /// One volume, and its snapshots.
    Show { id: String },
    /// Change how much the files may take; not less than they take now. For admins of the team, and operators.
    Resize {
        id: String,
        /// Such as 50GiB.
        #[arg(long, value_name = "SIZE")]
        size: String,
    },
    /// Keep what the files are now. The notebook must be stopped.
    Snapshot {
        id: String,
        /// What it is called [default: after the moment].
        #[arg(long)]
        name: Option<String>,
    },
    /// Put a snapshot in the place of the files. What is there now is kept, as a snapshot named before-restore-….
    Restore {
        /// VOLUME@SNAPSHOT, by name or identifier.
        #[arg(value_name = "VOLUME@SNAPSHOT")]
        snapshot: String,
    },
    /// Remove a snapshot. It cannot be undone.
    SnapshotDelete {
        /// VOLUME@SNAPSHOT, by name or identifier.
        #[arg(value_name = "VOLUME@SNAPSHOT")]
        snapshot: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Remove files that nobody uses. It cannot be undone.
    Delete {
        id: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}
