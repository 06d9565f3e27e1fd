//! `quire login` and `quire authority`: whom to trust, and as whom.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct LoginArgs {
    /// Address of the API, such as <https://quire.example.org>.
    #[arg(long, default_value = "http://127.0.0.1:7700")]
    pub(crate) server: String,
    /// File with its certificate authority, as PEM [default: those that this machine trusts].
    #[arg(long, value_name = "FILE")]
    pub(crate) authority: Option<PathBuf>,
    /// API key, as it was shown when it was made; asked for when left out.
    #[arg(long, env = "QUIRE_API_KEY", hide_env_values = true)]
    pub(crate) api_key: Option<String>,
    /// SHA-256 of the server's authority, from somebody whom you trust; "quire authority show" tells it on the server.
    #[arg(long, value_name = "SHA256", conflicts_with = "authority")]
    pub(crate) fingerprint: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuthorityCommand {
    /// Make an authority: DIR/authority.pem, which others trust, and DIR/authority.key, which stays where it is.
    Create {
        dir: PathBuf,
        /// What it is called.
        #[arg(long, default_value = "Quire")]
        name: String,
    },
    /// Issue a server's certificate for 90 days: DIR/NAME.pem and DIR/NAME.key, in place of older ones.
    #[command(
        after_help = "Example:\n  quire authority issue certs --name scheduler --host scheduler.quire.svc --host 10.0.0.7"
    )]
    Issue {
        dir: PathBuf,
        /// Name of the two files, such as the service's.
        #[arg(long)]
        name: String,
        /// DNS name or IP address by which the server is reached; several times.
        #[arg(long = "host", required = true, value_name = "HOST")]
        hosts: Vec<String>,
    },
    /// Fingerprint and validity of an authority.
    Show {
        /// Folder of the authority.
        #[arg(required_unless_present = "server")]
        dir: Option<PathBuf>,
        /// A server that is asked for its authority; what it says proves nothing by itself.
        #[arg(long, value_name = "URL", conflicts_with = "dir")]
        server: Option<String>,
    },
}
