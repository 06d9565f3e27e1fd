//! `quire idle-policy`.

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum IdlePolicyCommand {
    /// A new time, in place of the one about the same. The most specific counts: what the notebook says, its project, its team, its
    /// machine type, and an hour where nothing is said.
    #[command(
        after_help = "Examples:\n  quire idle-policy set --team --timeout 30m --warn 10m\n  quire idle-policy set --machine-type A100-80G --timeout 15m"
    )]
    Set {
        #[command(flatten)]
        about: IdleScopeArgs,
        /// Stop after so long without activity, such as 30m or 2h, at least 1m; 0 = never.
        #[arg(long, value_name = "TIME", value_parser = crate::when::seconds_or_never)]
        timeout: u32,
        /// Warn so long before [default: a tenth of the time, at most 5m].
        #[arg(long, value_name = "TIME", value_parser = crate::when::seconds)]
        warn: Option<u32>,
    },
    /// Take a policy away: what is less specific counts again.
    Remove {
        #[command(flatten)]
        about: IdleScopeArgs,
    },
    /// All that count for your team, the most specific first.
    List,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct IdleScopeArgs {
    /// Your team.
    #[arg(long)]
    pub(crate) team: bool,
    /// A project of your team, by identifier or name.
    #[arg(long)]
    pub(crate) project: Option<String>,
    /// A machine type, for all teams; operators only.
    #[arg(long)]
    pub(crate) machine_type: Option<String>,
}
