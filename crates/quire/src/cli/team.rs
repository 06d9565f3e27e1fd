//! `quire team`, `quire user`, `quire api-key`.

use clap::{Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum TeamCommand {
    /// A new team; prints a key of its owner, once.
    Create {
        /// Unique lower-case name.
        namespace: String,
        /// Name for people [default: the namespace].
        #[arg(long)]
        name: Option<String>,
        /// Address of its owner [default: you].
        #[arg(long)]
        owner: Option<String>,
    },
    /// Your teams; all for an operator.
    List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Add somebody to your team, or change their role; prints a key for them, once.
    Create {
        /// Their address.
        email: String,
        /// What they may do.
        #[arg(long, value_enum, default_value_t = RoleArg::Member)]
        role: RoleArg,
        /// Their name.
        #[arg(long, default_value = "")]
        name: String,
    },
    /// People of your team.
    List,
    /// Take somebody out of your team: their keys for it end, and so do their roles in its projects.
    Remove {
        /// Identifier, address, or unique beginning of either.
        user: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleArg {
    /// Reads everything of the team.
    Viewer,
    /// Creates and runs workloads.
    Member,
    /// Manages projects, people and keys.
    Admin,
    /// Everything in the team.
    Owner,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ApiKeyCommand {
    /// A new key of yours; printed once.
    Create {
        name: String,
        /// What it may do, such as notebook:write; several times [default: all that you may].
        #[arg(long)]
        scope: Vec<String>,
        /// When it ends, such as 2027-01-01.
        #[arg(long, value_name = "TIME")]
        expires: Option<String>,
        /// A team that you belong to, or the unique beginning of its name [default: that of your key].
        #[arg(long)]
        team: Option<String>,
    },
    /// Keys of yours; of the whole team for an admin.
    List,
    /// End a key.
    Revoke {
        /// Identifier, name, or unique beginning of either.
        id: String,
    },
}
