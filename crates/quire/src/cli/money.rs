//! `quire invoice` and `quire price`.

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum InvoiceCommand {
    /// One month's invoice.
    Show {
        /// Month, such as 2026-11 [default: this one].
        #[arg(long)]
        month: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum PriceCommand {
    /// Prices in force.
    List,
    /// A new price from now on; 0 = free of charge.
    #[command(after_help = "Example:\n  quire price set C3 0.018")]
    Set {
        machine_type: String,
        /// Per hour, in the installation's currency.
        per_hour: String,
    },
}
