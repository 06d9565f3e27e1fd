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
    /// Make one for your team from a notebook, whether it runs or not: its environment, and its files as they are now.
    #[command(
        after_help = "At most 200 files of 8 MiB in all; what is hidden is taken only where it is named, links never.\n\nExamples:\n  quire template create-from first --name course --path lessons --path setup.sh --command 'sh setup.sh'\n  quire notebook create --template course"
    )]
    CreateFrom {
        /// Identifier or name of the notebook, or unique beginning of either.
        notebook: String,
        /// 1 to 39 lower-case letters, digits and hyphens, unique in your team [default: the notebook's].
        #[arg(long)]
        name: Option<String>,
        /// What it is for.
        #[arg(long)]
        description: Option<String>,
        /// File or folder of the notebook that is taken; several times [default: all].
        #[arg(long = "path")]
        paths: Vec<String>,
        /// What runs in a shell before Jupyter, once the files are there [default: that of the notebook's own template].
        #[arg(long)]
        command: Option<String>,
    },
    /// Delete one of your team's. Notebooks that were made from it stay as they are.
    Delete {
        /// Identifier or name, or unique beginning of either.
        template: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}
