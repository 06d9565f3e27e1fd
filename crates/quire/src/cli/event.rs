//! `quire event`.

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum EventCommand {
    /// What happened, and what happens from now on.
    #[command(after_help = "\
Examples:
  quire event tail                                 the last hour, and then as it happens
  quire event tail --object first --no-follow      the timeline of the notebook \"first\"
  quire event tail --type AttemptEnded --since 2d  what ended in two days, and what ends
  quire event tail --output json | jq .summary     one event a line, for programs")]
    Tail(TailArgs),
    /// Events that a service could not handle; for operators.
    #[command(
        after_help = "Examples:\n  quire event dead\n  quire event dead resend 7    after its cause is mended"
    )]
    Dead {
        #[command(subcommand)]
        command: Option<DeadCommand>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct TailArgs {
    /// Only events that are about this object or name it: an identifier, the beginning of one, or a notebook's name.
    #[arg(long, value_name = "ID")]
    pub(crate) object: Option<String>,
    /// Only events of this type, such as NotebookChanged; several times for several.
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) types: Vec<String>,
    /// From when: how long ago, such as 30m, 1h or 2d, or a time [default: 1h; of one object: all].
    #[arg(long)]
    pub(crate) since: Option<String>,
    /// Only what has happened; do not wait for more.
    #[arg(long)]
    pub(crate) no_follow: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeadCommand {
    /// All of them (also without a word).
    List,
    /// Send one again to the service that could not handle it.
    Resend {
        /// Number of the letter.
        id: u64,
    },
}
