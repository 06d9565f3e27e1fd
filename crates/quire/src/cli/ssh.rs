//! `quire ssh`, `quire ssh-key`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct SshArgs {
    /// Notebook: identifier, name, or unique beginning of either.
    pub(crate) id: String,
    /// Be the line between OpenSSH's client and the notebook: for `ProxyCommand` of ssh, scp, rsync and editors.
    #[arg(long, conflicts_with = "identity")]
    pub(crate) proxy: bool,
    /// Private key to show [default: what ssh shows by itself].
    #[arg(short = 'i', long = "identity", value_name = "FILE")]
    pub(crate) identity: Option<PathBuf>,
    /// A command for the shell there, as ssh takes it [default: a shell].
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SshKeyCommand {
    /// Register a public key of yours: it lets you into the notebooks of your team that you may use.
    #[command(after_help = "Example:\n  quire ssh-key add ~/.ssh/id_ed25519.pub")]
    Add {
        /// File that ends in .pub; - is standard input.
        file: PathBuf,
        /// Name [default: the comment of the key].
        #[arg(long)]
        name: Option<String>,
    },
    /// Public keys of yours; of the whole team for an admin.
    List,
    /// Forget a public key: it opens nothing any more. What it has opened stays open.
    Delete {
        /// Identifier, name, fingerprint, or unique beginning of one.
        id: String,
    },
}
