//! `quire template`.

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum TemplateCommand {
    /// What notebooks can be made from.
    #[command(
        after_help = "Examples:\n  quire template list\n  quire notebook create --template fine-tune"
    )]
    List,
    /// One of them, with its files.
    Show {
        /// Name, or the unique beginning of one.
        template: String,
    },
}
