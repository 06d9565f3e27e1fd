//! Limits on what a workload uses, by control groups: version 2 where it is mounted whole, else version 1, with version 2's way
//! to end a whole tree where both are there.

mod v1;
mod v2;

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fs, io};

use rustix::process::{Pid, Signal, kill_process};

pub(crate) use self::v1::V1;
pub(crate) use self::v2::V2;

/// Where control groups are mounted.
const ROOT: &str = "/sys/fs/cgroup";
/// Period over which the share of the processors is counted, in microseconds.
const CPU_PERIOD_US: u64 = 100_000;
/// Most processes and threads of one workload: enough for any notebook, too few to choke the host.
const PIDS_MAX: u32 = 4_096;
/// How long the kernel may take to empty a group whose processes were killed.
const EMPTY_WITHIN: Duration = Duration::from_secs(5);

/// What a workload may use; 0 = not limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) milli_cores: u32,
    pub(crate) memory_mib: u32,
    /// Gets processor time that nobody else wants.
    pub(crate) yields: bool,
}

impl Limits {
    /// Memory in bytes; 0 = not limited.
    pub(crate) fn memory_bytes(self) -> u64 {
        u64::from(self.memory_mib) << 20
    }

    /// Microseconds of processor time in each period; `None` = not limited.
    fn cpu_quota_us(self) -> Option<u64> {
        (self.milli_cores > 0).then(|| u64::from(self.milli_cores) * CPU_PERIOD_US / 1_000)
    }
}

/// The group of one workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    /// Folders whose `cgroup.procs` a process must be written to.
    pub(crate) folders: Vec<PathBuf>,
    /// File with the memory that may be used, in bytes.
    pub(crate) memory_limit: PathBuf,
    /// File with the memory that is used now, in bytes.
    pub(crate) memory_used: PathBuf,
    /// File with a line `oom_kill N`.
    pub(crate) memory_events: PathBuf,
    /// File with the highest use of memory.
    pub(crate) memory_peak: PathBuf,
    /// File with a line `usage_usec N`, the processor time; absent where version 2 is not mounted at all.
    pub(crate) cpu_stat: Option<PathBuf>,
    /// File that ends all processes of the group; absent where the kernel has none.
    pub(crate) kill: Option<PathBuf>,
}

/// One way to make groups. Its groups lie in a folder of its own, so that several agents can share a machine.
pub(crate) trait Cgroups: Debug + Send + Sync {
    /// Where the group `name` is, whether it is there or not.
    fn group(&self, name: &str) -> Group;

    /// Makes the group, or changes the limits of the one that is there.
    ///
    /// # Errors
    /// Those of the file system, with the file.
    fn create(&self, name: &str, limits: Limits) -> io::Result<Group>;

    /// Names of all groups that are there.
    fn names(&self) -> Vec<String>;

    /// Removes the folder of all groups, when there are none.
    fn leave(&self);
}

/// The way that this machine allows, tried out; its groups lie under `instance`.
///
/// # Errors
/// Why there is none, in words.
pub(crate) fn detect(instance: &str) -> Result<Arc<dyn Cgroups>, String> {
    let root = Path::new(ROOT);
    let cgroups: Arc<dyn Cgroups> = if root.join("cgroup.controllers").is_file() {
        Arc::new(V2::new(root, instance))
    } else if root.join("memory").is_dir() {
        Arc::new(V1::new(root, instance))
    } else {
        return Err(format!("control groups are not mounted at {ROOT}"));
    };
    let trial = format!("trial-{}", std::process::id());
    let tried = cgroups.create(
        &trial,
        Limits {
            milli_cores: 1_000,
            memory_mib: 64,
            yields: true,
        },
    );
    remove(&cgroups.group(&trial)).ok();
    tried.map(|_| cgroups).map_err(|error| error.to_string())
}

/// Ends every process of a group.
pub(crate) fn kill(group: &Group) {
    if let Some(file) = group.kill.as_ref().filter(|file| file.exists()) {
        fs::write(file, "1").ok();
        return;
    }
    for pid in processes(group) {
        kill_process(pid, Signal::KILL).ok();
    }
}

/// The processes of a group, and of groups below it.
pub(crate) fn processes(group: &Group) -> Vec<Pid> {
    let mut folders = group.folders.clone();
    let mut text = String::new();
    while let Some(folder) = folders.pop() {
        text += &fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
        let below = names_in(&folder).into_iter();
        folders.extend(below.map(|name| folder.join(name)));
    }
    let mut pids: Vec<i32> = text.lines().filter_map(|line| line.parse().ok()).collect();
    pids.sort_unstable();
    pids.dedup();
    pids.into_iter().filter_map(Pid::from_raw).collect()
}

/// Ends what is in a group and removes it; one that is not there is fine.
///
/// # Errors
/// When processes stay in it although they were killed.
pub(crate) fn remove(group: &Group) -> io::Result<()> {
    let started = Instant::now();
    loop {
        kill(group);
        match group
            .folders
            .iter()
            .try_for_each(|folder| remove_one(folder))
        {
            Err(error) if started.elapsed() > EMPTY_WITHIN => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
            Ok(()) => return Ok(()),
        }
    }
}

fn remove_one(folder: &Path) -> io::Result<()> {
    match fs::remove_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(about(folder, &error)),
        _ => Ok(()),
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

fn make(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder).map_err(|error| about(folder, &error))
}

fn set(folder: &Path, file: &str, value: impl ToString) -> io::Result<()> {
    let path = folder.join(file);
    fs::write(&path, value.to_string()).map_err(|error| about(&path, &error))
}

fn about(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
