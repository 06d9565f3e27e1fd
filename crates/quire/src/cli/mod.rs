//! What can be typed, one file a noun.

mod environment;
mod event;
mod host;
mod idle;
mod login;
mod machine_type;
mod money;
mod node;
mod notebook;
mod project;
mod queue;
mod scheduler;
mod ssh;
mod team;
mod template;
mod volume;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub(crate) use environment::{EnvironmentCommand, PackageArgs};
pub(crate) use event::{DeadCommand, EventCommand, TailArgs};
pub(crate) use host::{AgentArgs, DoctorArgs, DownArgs, UpArgs};
pub(crate) use idle::{IdlePolicyCommand, IdleScopeArgs};
pub(crate) use login::{AuthorityCommand, LoginArgs};
pub(crate) use machine_type::MachineTypeCommand;
pub(crate) use money::{InvoiceCommand, PriceCommand};
pub(crate) use node::NodeCommand;
pub(crate) use notebook::{
    AccessArg, CreateArgs, ForkArgs, NotebookCommand, ShareArgs, UpdateArgs, WaitArgs,
};
pub(crate) use project::{ProjectCommand, ProjectMemberCommand, ProjectRoleArg};
pub(crate) use queue::{QueueArgs, QueueCommand};
pub(crate) use scheduler::{Protocol, SchedulerCommand, SimulateArgs};
pub(crate) use ssh::{SshArgs, SshKeyCommand};
pub(crate) use team::{ApiKeyCommand, RoleArg, TeamCommand, UserCommand};
pub(crate) use template::TemplateCommand;
pub(crate) use volume::VolumeCommand;

/// Quire: GPU notebooks on hardware that you own.
#[derive(Debug, Parser)]
#[command(
    name = "quire",
    version,
    about,
    propagate_version = true,
    after_help = "\
Examples:
  quire up --detach                     start everything on this machine
  quire notebook create --name first    a JupyterLab of your own
  quire usage                           what it cost so far"
)]
pub(crate) struct Cli {
    /// How answers are printed.
    #[arg(long, global = true, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
    /// Data folder of `up` and `agent` [default: the XDG data folder].
    #[arg(long, global = true, env = "QUIRE_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Profile to log in with [default: the XDG config folder].
    #[arg(long, global = true, env = "QUIRE_PROFILE", value_name = "FILE")]
    pub(crate) profile: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Table,
    /// For programs; stable.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start all of Quire on this machine.
    Up(UpArgs),
    /// Stop what `up` started: notebooks first, so that they cost nothing more.
    Down(DownArgs),
    /// Look for what would keep Quire from working here, and how to mend it.
    Doctor(DoctorArgs),
    /// Join this machine to a Quire that runs elsewhere, and run its work.
    Agent(AgentArgs),
    /// Log in to a Quire.
    Login(LoginArgs),
    /// The certificate authority of a cluster, and the certificates of its servers.
    #[command(subcommand)]
    Authority(AuthorityCommand),
    /// Who you are.
    Whoami,
    /// Notebooks.
    #[command(subcommand)]
    Notebook(NotebookCommand),
    /// Into a running notebook with OpenSSH's client and your own key.
    ///
    /// Who may use the notebook and has registered the key (`quire ssh-key add`) comes in. For scp, rsync and editors see
    /// `quire ssh-config`.
    #[command(
        after_help = "Examples:\n  quire ssh first\n  quire ssh first -- nvidia-smi\n  quire ssh-config >> ~/.ssh/config, then\n  rsync -a data/ first.quire:data/\n  ssh -L 6006:localhost:6006 first.quire"
    )]
    Ssh(SshArgs),
    /// What belongs into ~/.ssh/config, so that ssh, scp, rsync and editors know notebooks as NAME.quire.
    SshConfig,
    /// Your public keys for ssh.
    #[command(subcommand)]
    SshKey(SshKeyCommand),
    /// Files of notebooks: volumes that are used or kept.
    #[command(subcommand)]
    Volume(VolumeCommand),
    /// Why a notebook is in the state that it is in.
    Why {
        /// Identifier, name, or unique beginning of either.
        id: String,
    },
    /// What was used and what it costs, what runs now included.
    Usage {
        /// From when, such as 2026-11-01 or 2026-11-01T12:00:00Z [default: start of this month].
        #[arg(long)]
        from: Option<String>,
        /// Until when [default: now].
        #[arg(long)]
        to: Option<String>,
    },
    /// Invoices.
    #[command(subcommand)]
    Invoice(InvoiceCommand),
    /// Recompute all money from the raw inputs; exit code 1 if anything differs.
    Audit,
    /// Prices.
    #[command(subcommand)]
    Price(PriceCommand),
    /// Machine types.
    #[command(subcommand)]
    MachineType(MachineTypeCommand),
    /// Environments.
    #[command(subcommand)]
    Environment(EnvironmentCommand),
    /// What notebooks can be made from.
    #[command(subcommand)]
    Template(TemplateCommand),
    /// After what time without activity notebooks are stopped that do not say so themselves.
    #[command(subcommand)]
    IdlePolicy(IdlePolicyCommand),
    /// Nodes.
    #[command(subcommand)]
    Node(NodeCommand),
    /// Queues: who may have how much of the cluster. For operators.
    #[command(subcommand)]
    Queue(QueueCommand),
    /// The placement engine.
    #[command(subcommand)]
    Scheduler(SchedulerCommand),
    /// What happened, and what could not be handled.
    #[command(subcommand)]
    Event(EventCommand),
    /// Teams.
    #[command(subcommand)]
    Team(TeamCommand),
    /// People of your team.
    #[command(subcommand)]
    User(UserCommand),
    /// Projects of your team.
    #[command(subcommand)]
    Project(ProjectCommand),
    /// API keys.
    #[command(subcommand)]
    ApiKey(ApiKeyCommand),
    /// What a shell needs to complete commands and options.
    #[command(
        after_help = "Examples:\n  source <(quire completion bash)\n  quire completion zsh > ~/.zfunc/_quire\n  quire completion fish > ~/.config/fish/completions/quire.fish"
    )]
    Completion {
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Parent of one workload; the agent calls it.
    #[command(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    Shim { args: Vec<OsString> },
    /// Last step into a sandbox; the shim calls it.
    #[command(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    Stage { args: Vec<OsString> },
}
