//! `quire node`.

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// All nodes.
    List,
    /// One node; without a name the only one that there is.
    Show { node: Option<String> },
    /// A one-time token that a new node joins with.
    JoinToken {
        /// How long it works.
        #[arg(long, value_name = "SECONDS", default_value_t = 3_600, value_parser = clap::value_parser!(u32).range(60..=86_400))]
        ttl: u32,
    },
    /// Place no new work there.
    Cordon { node: String },
    /// Place no new work there, and let what can move leave; "node show" tells what is still there.
    #[command(
        after_help = "What cannot move, such as a notebook, stays until somebody stops it, or until the deadline: then it is \
stopped, and starts again by itself when the node is uncordoned.\n\nExample:\n  quire node drain gpu-7 --deadline 2h"
    )]
    Drain {
        node: String,
        /// Stop what is left after this time, such as 90s, 30m, 2h or 1d [default: it may stay].
        #[arg(long, value_name = "TIME", value_parser = crate::when::seconds)]
        deadline: Option<u32>,
    },
    /// Place work there again; ends a drain.
    Uncordon { node: String },
    /// Give a silent node up for lost, with the files on it. It cannot be undone.
    GiveUp {
        node: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Take a node off the list: an empty one that takes no work, or one that was given up.
    Delete { node: String },
}
