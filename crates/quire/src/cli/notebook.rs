//! `quire notebook`.

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum NotebookCommand {
    /// Make a notebook and start it.
    #[command(
        after_help = "Examples:\n  quire notebook create\n  quire notebook create --name first --machine-type C3 --environment python"
    )]
    Create(CreateArgs),
    /// All notebooks of your team.
    List,
    /// One notebook.
    Show { id: String },
    /// Open a notebook in the browser.
    Open { id: String },
    /// What a notebook's server writes.
    Logs {
        id: String,
        /// Go on as more is written.
        #[arg(short, long)]
        follow: bool,
        /// Only the last lines.
        #[arg(long, value_name = "LINES")]
        tail: Option<u32>,
    },
    /// Stop a notebook; its files stay.
    Stop { id: String },
    /// Start a stopped notebook on the same files.
    Start { id: String },
    /// Remove a notebook with its files.
    Delete { id: String },
}

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// Name, unique in your team [default: one is made up].
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Machine type [default: the smallest comfortable one that is available].
    #[arg(long)]
    pub(crate) machine_type: Option<String>,
    /// Environment [default: python].
    #[arg(long)]
    pub(crate) environment: Option<String>,
    /// Project, by identifier or name [default: the first].
    #[arg(long)]
    pub(crate) project: Option<String>,
    /// Stop after so many minutes without activity; 0 = never [default: 60].
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u32).range(0..=44_640))]
    pub(crate) idle_timeout: Option<u32>,
    /// Stop after so many hours of running [default: the machine type's limit].
    #[arg(long, value_name = "HOURS", value_parser = clap::value_parser!(u32).range(1..=744))]
    pub(crate) shutdown_timeout: Option<u32>,
}
