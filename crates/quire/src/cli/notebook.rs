//! `quire notebook`.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};
use kernel::size::{GpuRequest, parse_mib};

use super::environment::PackageArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum NotebookCommand {
    /// Make a notebook and start it.
    #[command(after_help = "\
A machine is named, or chosen by what it must have: the cheapest type that is available here and has it. Types that are free of charge
have limits and are taken by name only.

Examples:
  quire notebook create
  quire notebook create --name first --machine-type C3 --environment python
  quire notebook create --package polars --package 'duckdb>=1'
  quire notebook create --gpu 1 --memory 32GiB        the cheapest with a GPU
  quire notebook create --gpu A100:2 --dry-run        what that would be and cost; makes nothing
  quire notebook create --template fine-tune
  quire notebook create --repo https://git.example.org/team/code.git@main
  quire notebook create --volume vo-019f              on the files of a deleted one that were kept
  quire notebook create --preemptible --priority -10  others may have its place, and it comes last among yours")]
    Create(Box<CreateArgs>),
    /// Make a notebook that begins with a copy of another's files, in the same environment, and start it.
    ///
    /// What is not given (machine type, project, timeouts, priority, whether it may be stopped for others) is as there. Both go their own ways from then on.
    #[command(after_help = "\
Examples:
  quire notebook fork first                            of one that does not run
  quire notebook fork first --snapshot before          with the files of a snapshot, whether it runs or not
  quire notebook fork first --name bigger --machine-type C5")]
    Fork(Box<ForkArgs>),
    /// All notebooks of your team, with what they cost so far.
    List,
    /// One notebook.
    Show { id: String },
    /// Open a notebook in the browser, or another port of it.
    #[command(
        after_help = "Examples:\n  quire notebook open first\n  quire notebook open first --port 6006      what listens there inside, such as TensorBoard"
    )]
    Open {
        id: String,
        /// What listens on this port inside the notebook, on its loopback or on all addresses.
        #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
        port: Option<u16>,
    },
    /// What a notebook's server writes.
    Logs {
        id: String,
        /// Go on as more is written.
        #[arg(short, long)]
        follow: bool,
        /// Only the last lines.
        #[arg(long, value_name = "LINES")]
        tail: Option<u32>,
    },
    /// Copy files and folders into a notebook or out of it, whether it runs or not.
    ///
    /// Paths in a notebook begin at its files, which it sees as /notebooks. A file of the same size and time is left out; one
    /// that differs is replaced.
    #[command(
        after_help = "Examples:\n  quire notebook cp train.py data first:            into its root\n  quire notebook cp data first:/input/              into a folder, which is made\n  quire notebook cp first:results .                 back"
    )]
    Cp {
        /// What to copy, and at the end where to; NOTEBOOK:PATH is in a notebook.
        #[arg(required = true, num_args = 2.., value_name = "PATH | NOTEBOOK:PATH")]
        paths: Vec<String>,
    },
    /// Remove files and folders of a notebook, whether it runs or not. It cannot be undone.
    Rm {
        /// What to remove.
        #[arg(required = true, value_name = "NOTEBOOK:PATH")]
        paths: Vec<String>,
    },
    /// Run a command inside a running notebook: with its files, packages, limits and network. Its exit code is this command's.
    ///
    /// Ctrl-C interrupts the command; a second one ends the connection, with which the command is hung up on. What it leaves
    /// running in the background goes on, and must not write to this command's output.
    #[command(
        after_help = "Examples:\n  quire notebook exec first -- python train.py\n  tar -c data | quire notebook exec first -- tar -x\n  quire notebook exec -t first -- htop        with a terminal\n  quire notebook exec first -- sh -c 'nohup python train.py > log 2>&1 &'      goes on"
    )]
    Exec {
        id: String,
        /// Give it a terminal.
        #[arg(short = 't', long)]
        tty: bool,
        /// The program and its arguments.
        #[arg(required = true, last = true, value_name = "COMMAND")]
        command: Vec<String>,
    },
    /// What a running notebook uses: processors, memory, network and GPUs, measured again each second until Ctrl-C.
    #[command(
        after_help = "Examples:\n  quire notebook metrics first\n  quire notebook metrics first --once --output json"
    )]
    Metrics {
        id: String,
        /// Measure once.
        #[arg(long)]
        once: bool,
    },
    /// A shell inside a running notebook.
    Shell { id: String },
    /// Stop a notebook; its files stay.
    Stop {
        id: String,
        /// Keep the files as a snapshot of this name once it has stopped, before anything else writes to them; without a name one is
        /// made up.
        #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "")]
        snapshot: Option<String>,
        #[command(flatten)]
        wait: WaitArgs,
    },
    /// Start a stopped notebook on the same files.
    Start {
        id: String,
        #[command(flatten)]
        wait: WaitArgs,
    },
    /// Stop a notebook and start it again on the same files.
    Restart {
        id: String,
        #[command(flatten)]
        wait: WaitArgs,
    },
    /// Keep a notebook from being stopped for being idle, for so long from now.
    #[command(after_help = "Example:\n  quire notebook extend first --for 2h")]
    Extend {
        id: String,
        /// How long, such as 30m, 2h or 1d.
        #[arg(long = "for", value_name = "TIME", value_parser = crate::when::seconds)]
        length: u32,
    },
    /// Change a notebook: its name and idle timeout at any time, its turn from the next start on, its machine only while it is stopped.
    #[command(
        after_help = "Example:\n  quire notebook stop first\n  quire notebook update first --machine-type C5\n  quire notebook start first\n  quire notebook update first --preemptible --priority -10      from its next start on\n  quire notebook update first --preemptible=false"
    )]
    Update(UpdateArgs),
    /// The token that opens a notebook.
    Token {
        id: String,
        /// Another one: the old one opens nothing any more, and browsers and programs that used it must be given the new one.
        #[arg(long)]
        rotate: bool,
    },
    /// Open a notebook to somebody besides the members of its project: by a link, or with a person of any team.
    #[command(
        after_help = "Examples:\n  quire notebook share first                              a link to look at it\n  quire notebook share first --access use --for 7d        a link to work in it, for a week\n  quire notebook share first --with ada@lab.example --access use\n  quire notebook share first --list\n  quire notebook share first --revoke ada@lab.example"
    )]
    Share(ShareArgs),
    /// Notebooks that others share with you, and where they open.
    Shared,
    /// Remove a notebook with its files, or without them.
    Delete {
        id: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        /// Keep the files, as a volume that another notebook can be made with.
        #[arg(long)]
        keep_volume: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ShareArgs {
    pub(crate) id: String,
    /// Address of the person [default: whoever has the link, which is shown once].
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) with: Option<String>,
    /// What they may do there.
    #[arg(long, value_enum, default_value_t = AccessArg::View)]
    pub(crate) access: AccessArg,
    /// It ends by itself after so long, such as 2h or 7d [default: never].
    #[arg(long = "for", value_name = "TIME", value_parser = crate::when::seconds)]
    pub(crate) length: Option<u32>,
    /// To whom it is opened.
    #[arg(long, conflicts_with_all = ["with", "access", "length", "revoke"])]
    pub(crate) list: bool,
    /// Take a share back, by its identifier or the person's address.
    #[arg(long, value_name = "SHARE", conflicts_with_all = ["with", "access", "length"])]
    pub(crate) revoke: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AccessArg {
    /// Read files, and notebooks as pages, while it runs; run and change nothing.
    View,
    /// Everything that its own token opens.
    Use,
}

#[derive(Debug, Args)]
pub(crate) struct WaitArgs {
    /// Do not wait until it has come about. Ctrl-C while waiting does the same.
    #[arg(long)]
    pub(crate) no_wait: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// Name, unique in your team [default: one is made up].
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Machine type [default: the smallest comfortable one that is available].
    #[arg(long, conflicts_with_all = ["gpu", "cpu", "memory"])]
    pub(crate) machine_type: Option<String>,
    /// GPUs that it needs at least: 1, A100 or A100:2. A model is named by a part that only one has.
    #[arg(long, value_name = "N | MODEL[:N]")]
    pub(crate) gpu: Option<GpuRequest>,
    /// CPU cores that it needs at least.
    #[arg(long, value_name = "CORES", value_parser = clap::value_parser!(u32).range(1..=4_096))]
    pub(crate) cpu: Option<u32>,
    /// Memory that it needs at least, such as 16GiB.
    #[arg(long, value_name = "SIZE", value_parser = parse_mib)]
    pub(crate) memory: Option<u32>,
    /// Environment; with packages, one that comes with Quire and that they add to [default: the template's, else python].
    #[arg(long)]
    pub(crate) environment: Option<String>,
    #[command(flatten)]
    pub(crate) packages: PackageArgs,
    /// Project, by identifier or name [default: the first].
    #[arg(long)]
    pub(crate) project: Option<String>,
    /// Template, whose files it gets and whose environment is its own where none is named; see `quire template list`.
    #[arg(long, value_name = "NAME")]
    pub(crate) template: Option<String>,
    /// Git repository that is in its files once it runs, in a folder of the repository's name; after @ a branch, tag or commit.
    #[arg(long, value_name = "GIT_URL[@REF]")]
    pub(crate) repo: Option<Repo>,
    /// Folder whose content it gets; copied once it runs.
    #[arg(long, value_name = "DIR", conflicts_with = "no_wait")]
    pub(crate) upload: Option<PathBuf>,
    /// Files that nobody uses, from `quire volume list` [default: new ones].
    #[arg(long, value_name = "ID")]
    pub(crate) volume: Option<String>,
    /// Stop after so many minutes without activity; 0 = never [default: as the idle policies say, else 60].
    #[arg(long, value_name = "MINUTES", value_parser = idle_minutes())]
    pub(crate) idle_timeout: Option<u32>,
    /// Stop after so many hours of running [default: the machine type's limit].
    #[arg(long, value_name = "HOURS", value_parser = clap::value_parser!(u32).range(1..=744))]
    pub(crate) shutdown_timeout: Option<u32>,
    #[command(flatten)]
    pub(crate) turn: TurnArgs,
    /// Check everything and say what it would be and cost; make nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
}

/// Whether others may have its place, and its turn.
#[derive(Debug, Args)]
pub(crate) struct TurnArgs {
    /// It may be stopped for work that waits, with notice once it runs (30 seconds, unless the operator set another); it waits for a place again then, and starts again by itself
    /// on the same files, without what was in memory. Of use for what saves how far it has got: it also gets what is guaranteed to
    /// others, as long as they do not need it. It costs what any other costs.
    #[arg(long)]
    pub(crate) preemptible: bool,
    /// Its turn: it goes before notebooks of the same queue with a lower number, -1000 to 1000. Of use where some work of yours
    /// should not wait behind other work of yours: other teams are not passed by it [default: 0].
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = priorities())]
    pub(crate) priority: Option<i32>,
}

#[derive(Debug, Args)]
pub(crate) struct ForkArgs {
    pub(crate) id: String,
    /// Name or identifier of a snapshot of its volume, whose files are copied [default: its files as they are].
    #[arg(long, value_name = "SNAPSHOT")]
    pub(crate) snapshot: Option<String>,
    /// Name of the new notebook, unique in your team [default: one is made up].
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Machine type [default: the same].
    #[arg(long)]
    pub(crate) machine_type: Option<String>,
    /// Project of the new notebook [default: the same].
    #[arg(long)]
    pub(crate) project: Option<String>,
    /// Check everything and say what it would be and cost; make nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
}

#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    pub(crate) id: String,
    /// Another name, unique in your team.
    #[arg(long, required_unless_present_any = ["machine_type", "idle_timeout", "preemptible", "priority"])]
    pub(crate) name: Option<String>,
    /// Another machine type, from the next start on.
    #[arg(long)]
    pub(crate) machine_type: Option<String>,
    /// Stop after so many minutes without activity; 0 = never.
    #[arg(long, value_name = "MINUTES", value_parser = idle_minutes())]
    pub(crate) idle_timeout: Option<u32>,
    /// Whether it may be stopped for work that waits, with notice once it runs (30 seconds, unless the operator set another), from the next start on: it waits for a place again
    /// then, and starts again by itself on the same files.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) preemptible: Option<bool>,
    /// Another turn, from the next start on: it goes before notebooks of the same queue with a lower number, -1000 to 1000.
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = priorities())]
    pub(crate) priority: Option<i32>,
}

/// A repository, and what is wanted of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Repo {
    pub(crate) url: String,
    /// Branch, tag or commit; empty = the repository's own choice.
    pub(crate) at: String,
}

impl FromStr for Repo {
    type Err = Infallible;

    /// Cut at the first @ after the host. What is wrong with either half says whoever checks it.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let host = text.find("://").map_or(0, |scheme| scheme + "://".len());
        let after = text.get(host..).unwrap_or_default();
        let path = after.find('/').map_or(text.len(), |slash| host + slash);
        let (before, path) = text.split_at(path);
        let (path, at) = path.split_once('@').unwrap_or((path, ""));
        Ok(Self {
            url: format!("{before}{path}"),
            at: at.to_owned(),
        })
    }
}

/// As the scheduler has them.
fn priorities() -> clap::builder::RangedI64ValueParser<i32> {
    clap::value_parser!(i32).range(-1_000..=1_000)
}

/// Up to a month.
fn idle_minutes() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(0..=44_640)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Typed {
        #[command(subcommand)]
        command: NotebookCommand,
    }

    fn typed(words: &str) -> Result<NotebookCommand, clap::Error> {
        let words = ["notebook"].into_iter().chain(words.split(' '));
        clap::Parser::try_parse_from(words).map(|Typed { command }| command)
    }

    #[test]
    fn a_turn_is_typed_as_a_number_and_a_switch() {
        let Ok(NotebookCommand::Create(made)) = typed("create --preemptible --priority -10") else {
            panic!("not a creation");
        };
        assert_eq!(
            (made.turn.preemptible, made.turn.priority),
            (true, Some(-10))
        );
        for (words, preemptible, priority) in [
            ("update first --preemptible", Some(true), None),
            (
                "update first --preemptible=false --priority 0",
                Some(false),
                Some(0),
            ),
            ("update first --name other", None, None),
        ] {
            let Ok(NotebookCommand::Update(changed)) = typed(words) else {
                panic!("{words}: not a change");
            };
            assert_eq!(
                (changed.preemptible, changed.priority),
                (preemptible, priority),
                "{words}"
            );
        }
        let refused = typed("create --priority 1001").unwrap_err().to_string();
        assert!(
            refused.contains("--priority") && refused.contains("-1000..=1000"),
            "{refused}"
        );
    }

    #[test]
    fn what_is_wanted_stands_behind_the_address() {
        for (text, url, at) in [
            ("https://h.lan/a/b.git", "https://h.lan/a/b.git", ""),
            ("https://h.lan/a@feature/x", "https://h.lan/a", "feature/x"),
            ("https://me:p@h.lan/a@v1", "https://me:p@h.lan/a", "v1"),
            ("git@h.lan:a/b", "git@h.lan:a/b", ""),
            ("https://h.lan", "https://h.lan", ""),
        ] {
            let Ok(repo) = text.parse::<Repo>();
            assert_eq!((repo.url.as_str(), repo.at.as_str()), (url, at), "{text}");
        }
    }
}
