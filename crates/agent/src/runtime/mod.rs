//! How workloads run. A runtime keeps nothing in memory that it could not find again on the disk: the agent may die at any time.

pub(crate) mod process;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use contracts::agent::v1::Assignment;
use contracts::scheduler::v1::WorkloadSpec;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::sync::mpsc;

use self::process::cgroup::Group;
use crate::attempt::{Folder, Notice};
pub(crate) use crate::shim::Memory;

/// One attempt, as a runtime sees it.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    /// Its files.
    pub(crate) folder: Folder,
    /// What is to run.
    pub(crate) assignment: Arc<Assignment>,
}

impl Job {
    pub(crate) fn id(&self) -> &str {
        &self.assignment.attempt_id
    }

    pub(crate) fn spec(&self) -> &WorkloadSpec {
        static NOTHING: LazyLock<WorkloadSpec> = LazyLock::new(WorkloadSpec::default);
        self.assignment.spec.as_ref().unwrap_or(&NOTHING)
    }
}

/// Takes what a preparation says about itself, in words; the newest counts.
#[derive(Clone, Debug)]
pub(crate) struct Progress(mpsc::UnboundedSender<String>);

impl Progress {
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<String>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    pub(crate) fn say(&self, text: impl Into<String>) {
        self.0.send(text.into()).ok();
    }
}

/// What a shim wrote down at the end.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Exit {
    /// Exit code, when it ended by itself.
    pub(crate) code: Option<i32>,
    /// Signal, when one ended it.
    pub(crate) signal: Option<i32>,
    /// When it was begun, in milliseconds of the boot.
    pub(crate) started_ms: u64,
    /// When it ended, in milliseconds of the boot.
    pub(crate) ended_ms: u64,
    /// That boot.
    pub(crate) boot_id: String,
    /// How many of its processes were killed for memory.
    pub(crate) oom_kills: u64,
    /// Most memory that it used at once; 0 = not known.
    pub(crate) memory_peak_bytes: u64,
    /// Memory that it might use; 0 = not limited.
    pub(crate) memory_limit_bytes: u64,
}

/// How a workload came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Its program ended, or was ended.
    Exited(Exit),
    /// The sandbox could not be made; the workload's program never ran.
    NotBegun,
    /// Its shim was killed, and the workload with it.
    ShimLost,
    /// The machine was booted.
    Rebooted,
}

/// What there is of a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// It was never begun.
    Absent,
    /// It runs since this moment, in milliseconds of this boot.
    Alive {
        /// When it was begun.
        started_ms: u64,
    },
    /// It is over.
    Over,
}

/// How a workload was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// In a sandbox that was made for it.
    Fresh,
    /// In a finished sandbox that waited for it.
    TakenOver,
    /// Before: it was there already.
    Found,
}

/// What runs a command inside a workload.
#[derive(Debug)]
pub(crate) struct Inside {
    /// The program: records of [`crate::exec`] go in by its standard input and come by its standard output. With it ends the
    /// command.
    pub(crate) command: Command,
    /// What it reads first.
    pub(crate) first: Vec<u8>,
    /// The variables that the command gets.
    pub(crate) variables: BTreeMap<String, String>,
}

/// One way to run workloads. Every call may be repeated.
#[async_trait::async_trait]
pub(crate) trait Runtime: Debug + Send + Sync {
    /// Makes all that a workload needs, its environment among it.
    ///
    /// # Errors
    /// Why it cannot be made, in words.
    async fn prepare(&self, job: &Job, progress: &Progress) -> Result<(), String>;

    /// Begins a prepared workload, apart from the agent's life; one that was begun before is left as it is.
    ///
    /// # Errors
    /// Why it cannot be begun, in words.
    async fn start(&self, job: &Job) -> Result<Start, String>;

    /// What there is of a workload now.
    fn status(&self, job: &Job) -> Status;

    /// What the memory of a workload that runs is like now; `None` where nothing counts it.
    fn memory(&self, job: &Job) -> Option<Memory>;

    /// Waits until a workload that was begun is over, and removes all that it ran in.
    async fn ended(&self, job: &Job) -> Ending;

    /// Tells a workload that runs that it will be told to end. What cannot be told to it is not its end: it is logged.
    async fn give_notice(&self, job: &Job, notice: &Notice);

    /// Asks a workload to end, and ends it after the grace; comes back when it is over.
    async fn stop(&self, job: &Job);

    /// Removes what was made for a workload that is not running, its files and its log excepted.
    async fn remove(&self, job: &Job);

    /// Whether the workload's own program was begun: all that stands around it is made.
    fn has_begun(&self, job: &Job) -> bool;

    /// A program over the files of a volume of this node, as their owner and without a network, whether a workload runs or not. It
    /// begins in their root, with the streams that it is given.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the volume is not here; why its sandbox cannot be made.
    fn errand(&self, volume: &str, command: &[String]) -> chassis::Result<Command>;

    /// The program with the hidden subcommands, as errands see it.
    fn stage(&self) -> PathBuf;

    /// The control group that the workload's processes are in; `None` where there are none on this machine.
    fn group(&self, job: &Job) -> Option<Group>;

    /// What runs a command of its people inside a workload that runs, with its limits, files, network and user.
    ///
    /// # Errors
    /// [`Error::Precondition`] when it does not run; why it cannot be entered.
    async fn inside(&self, job: &Job) -> chassis::Result<Inside>;

    /// A connection to what listens on a port of the workload's own loopback.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when nothing does, [`Error::Precondition`] when the workload has no network of its own.
    async fn port(&self, job: &Job, port: u16) -> chassis::Result<TcpStream>;

    /// Where the workload's own web server is reached on this host; `None` before it listens.
    fn upstream(&self, job: &Job) -> Option<PathBuf>;
}
