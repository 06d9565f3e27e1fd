//! What can be typed.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

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
    Doctor,
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
    MachineType(ListOnly),
    /// Environments.
    #[command(subcommand)]
    Environment(ListOnly),
    /// After what time without activity notebooks are stopped that do not say so themselves.
    #[command(subcommand)]
    IdlePolicy(IdlePolicyCommand),
    /// Nodes.
    #[command(subcommand)]
    Node(NodeCommand),
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
    /// Parent of one workload; the agent calls it.
    #[command(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    Shim { args: Vec<OsString> },
    /// Last step into a sandbox; the shim calls it.
    #[command(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    Stage { args: Vec<OsString> },
}

#[derive(Debug, Args)]
pub(crate) struct UpArgs {
    /// Go on in the background once everything answers.
    #[arg(long)]
    pub(crate) detach: bool,
    /// Answer others, too: listen with TLS on this address of the machine, such as 0.0.0.0 [default: loopback, without TLS].
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<IpAddr>,
    /// Name or address by which others reach this machine, besides its host name; several times. With --listen.
    #[arg(long = "host", value_name = "HOST", requires = "listen")]
    pub(crate) hosts: Vec<String>,
    /// Where the API answers; with --listen only the port counts.
    #[arg(long, default_value = "127.0.0.1:7700", value_name = "ADDRESS")]
    pub(crate) gateway: SocketAddr,
    /// Where notebooks answer; with --listen only the port counts.
    #[arg(long, default_value = "127.0.0.1:7701", value_name = "ADDRESS")]
    pub(crate) edge: SocketAddr,
    /// Where agents of other machines connect the edge to their notebooks; only with --listen, and only the port counts.
    #[arg(long, default_value = "127.0.0.1:7702", value_name = "ADDRESS")]
    pub(crate) relay: SocketAddr,
    /// Domain below which every notebook has a host of its own [default: localhost; with --listen quire.localhost].
    #[arg(long)]
    pub(crate) domain: Option<String>,
    /// CPU promised for each CPU that is there.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=16))]
    pub(crate) cpu_overcommit: u32,
    /// Refuse to start where a workload could not be fully isolated.
    #[arg(long)]
    pub(crate) require_full_isolation: bool,
    /// Which log lines are written, such as `info` or `warn,scheduler=debug`.
    #[arg(long, default_value = "info", env = "QUIRE_LOG")]
    pub(crate) log: String,
    /// Address of an OTLP collector (gRPC), such as <http://127.0.0.1:4317>.
    #[arg(long, env = "QUIRE_OTLP", default_value = "")]
    pub(crate) otlp: String,
    /// Where `/metrics` is served for Prometheus, such as 127.0.0.1:7709 [default: nowhere].
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) metrics: Option<SocketAddr>,
}

#[derive(Debug, Args)]
pub(crate) struct DownArgs {
    /// Leave notebooks running (and costing); the next `up` takes them over.
    #[arg(long)]
    pub(crate) keep_notebooks: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AgentArgs {
    /// Address of the Quire to join, such as <https://box.lan:7700>.
    #[arg(long)]
    pub(crate) server: String,
    /// File with its certificate authority, as PEM [default: those that this machine trusts].
    #[arg(long, value_name = "FILE")]
    pub(crate) authority: Option<PathBuf>,
    /// One-time token from `quire node join-token`; not needed again once joined.
    #[arg(long, env = "QUIRE_JOIN_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// Name of this node [default: the host's].
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// CPU promised for each CPU that is there.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=16))]
    pub(crate) cpu_overcommit: u32,
    /// Refuse to start where a workload could not be fully isolated.
    #[arg(long)]
    pub(crate) require_full_isolation: bool,
    /// Addresses that workloads get, a private IPv4 network of 16 bits that this machine does not use [default: 10.231.0.0/16].
    #[arg(long, value_name = "NETWORK")]
    pub(crate) workload_network: Option<String>,
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
pub(crate) enum NotebookCommand {
    /// Make a notebook and start it.
    #[command(
        after_help = "Examples:\n  quire notebook create\n  quire notebook create --name first --machine-type C3 --environment python"
    )]
    Create(CreateArgs),
    /// All notebooks of your team.
    List,
    /// One notebook.
    Show { id: String },
    /// Open a notebook in the browser.
    Open { id: String },
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
    /// Stop a notebook; its files stay.
    Stop { id: String },
    /// Keep a notebook from being stopped for being idle, for so long from now.
    #[command(after_help = "Example:\n  quire notebook extend first --for 2h")]
    Extend {
        id: String,
        /// How long, such as 30m, 2h or 1d.
        #[arg(long = "for", value_name = "TIME", value_parser = crate::when::seconds)]
        length: u32,
    },
    /// Start a stopped notebook on the same files.
    Start { id: String },
    /// Remove a notebook with its files.
    Delete { id: String },
}

#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// Name, unique in your team [default: one is made up].
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Machine type [default: the smallest comfortable one that is available].
    #[arg(long)]
    pub(crate) machine_type: Option<String>,
    /// Environment [default: python].
    #[arg(long)]
    pub(crate) environment: Option<String>,
    /// Project, by identifier or name [default: the first].
    #[arg(long)]
    pub(crate) project: Option<String>,
    /// Stop after so many minutes without activity; 0 = never [default: as the idle policies say, else 60].
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u32).range(0..=44_640))]
    pub(crate) idle_timeout: Option<u32>,
    /// Stop after so many hours of running [default: the machine type's limit].
    #[arg(long, value_name = "HOURS", value_parser = clap::value_parser!(u32).range(1..=744))]
    pub(crate) shutdown_timeout: Option<u32>,
}

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

#[derive(Debug, Subcommand)]
pub(crate) enum ListOnly {
    /// All of them.
    List,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// All nodes.
    List,
    /// One node.
    Show { node: String },
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

#[derive(Debug, Subcommand)]
pub(crate) enum EventCommand {
    /// What happened, and what happens from now on.
    #[command(after_help = "\
Examples:
  quire event tail                                 the last hour, and then as it happens
  quire event tail --object first --no-follow      the timeline of the notebook \"first\"
  quire event tail --type AttemptEnded --since 2d  what ended in two days, and what ends
  quire event tail --output json | jq .summary     one event a line, for programs")]
    Tail(TailArgs),
    /// Events that a service could not handle; for operators.
    #[command(
        after_help = "Examples:\n  quire event dead\n  quire event dead resend 7    after its cause is mended"
    )]
    Dead {
        #[command(subcommand)]
        command: Option<DeadCommand>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct TailArgs {
    /// Only events that are about this object or name it: an identifier, the beginning of one, or a notebook's name.
    #[arg(long, value_name = "ID")]
    pub(crate) object: Option<String>,
    /// Only events of this type, such as NotebookChanged; several times for several.
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) types: Vec<String>,
    /// From when: how long ago, such as 30m, 1h or 2d, or a time [default: 1h; of one object: all].
    #[arg(long)]
    pub(crate) since: Option<String>,
    /// Only what has happened; do not wait for more.
    #[arg(long)]
    pub(crate) no_follow: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeadCommand {
    /// All of them (also without a word).
    List,
    /// Send one again to the service that could not handle it.
    Resend {
        /// Number of the letter.
        id: u64,
    },
}

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
pub(crate) enum ProjectCommand {
    /// A new project.
    Create { name: String },
    /// Projects of your team.
    List,
    /// Roles of people in one project; they count there instead of those in the team.
    #[command(subcommand)]
    Member(ProjectMemberCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProjectMemberCommand {
    /// Give a member of your team a role in a project, or another one.
    #[command(
        after_help = "Example:\n  quire project member add secret-model bob@example.org --role none"
    )]
    Add {
        /// Identifier or name.
        project: String,
        /// Identifier or address.
        user: String,
        /// What they may do there. Owners and admins of the team are admins everywhere.
        #[arg(long, value_enum)]
        role: ProjectRoleArg,
    },
    /// Take a role in a project back: the one in the team counts again.
    Remove {
        /// Identifier or name.
        project: String,
        /// Identifier or address.
        user: String,
    },
    /// Who has a role of their own in a project.
    List {
        /// Identifier or name.
        project: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProjectRoleArg {
    /// Does not even see it.
    None,
    /// Reads what is in it.
    Viewer,
    /// Creates and runs workloads in it.
    Member,
    /// Gives others roles in it.
    Admin,
    /// Everything in it.
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
        /// A team that you belong to [default: that of your key].
        #[arg(long)]
        team: Option<String>,
    },
    /// Keys of yours; of the whole team for an admin.
    List,
    /// End a key.
    Revoke { id: String },
}
