//! `quire environment`, and the packages of `quire notebook create`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum EnvironmentCommand {
    /// Those that come with Quire, your team's, and those that other teams share.
    List,
    /// Make one of packages; waits until they are resolved.
    #[command(
        after_help = "Examples:\n  quire environment create frames --package polars --package 'duckdb>=1'\n  quire environment create course --requirements requirements.txt --python 3.12"
    )]
    Create {
        /// 1 to 39 lower-case letters, digits and hyphens, unique in your team.
        name: String,
        #[command(flatten)]
        packages: PackageArgs,
        /// Environment that comes with Quire, whose packages it has, too.
        #[arg(long, default_value = "python")]
        base: String,
    },
    /// One of them, with its packages.
    Show {
        /// Identifier, name, or unique beginning of either.
        environment: String,
    },
    /// Take one of your team's off the list. Notebooks that start in it go on doing so.
    Delete {
        /// Identifier, name, or unique beginning of either.
        environment: String,
    },
    /// Show one of your team's to all teams.
    Share {
        /// Identifier, name, or unique beginning of either.
        environment: String,
        /// To your own team only again.
        #[arg(long)]
        stop: bool,
    },
}

/// What an environment is to hold.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct PackageArgs {
    /// A package, such as polars or torch==2.9.*; several times.
    #[arg(long = "package", value_name = "NAME[==V]")]
    pub(crate) packages: Vec<String>,
    /// File with a package a line, as pip reads it.
    #[arg(long, value_name = "FILE")]
    pub(crate) requirements: Option<PathBuf>,
    /// Version of Python, such as 3.12 [default: the node's own].
    #[arg(long, value_name = "VERSION")]
    pub(crate) python: Option<String>,
}

impl PackageArgs {
    /// Nothing is asked for.
    pub(crate) fn are_none(&self) -> bool {
        self.packages.is_empty() && self.requirements.is_none() && self.python.is_none()
    }
}
