//! The two steps between a shim and the workload's own program. Each changes this process and then becomes the next program,
//! so that nothing of the agent is left in the workload and no process stands between.
//!
//! Two others work on a sandbox that is there already: `stage show` shows a volume in it (`show.rs`), `stage join` runs a command
//! in it (`join.rs`). `stage unpack` is an errand inside one: it writes people's files (`unpack.rs`).
//!
//! `stage enter` runs outside the sandbox: it puts itself under the workload's limits and into its network, then becomes the
//! sandbox's program. `stage drop` runs inside: it takes the workload's variables, gives up every privilege, then becomes the
//! workload.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _};
use std::os::fd::{AsFd as _, FromRawFd as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{
    Gid, Resource, Rlimit, Signal, Uid, ioctl_tiocsctty, set_parent_process_death_signal,
    setrlimit, setsid,
};
use rustix::thread::{
    CapabilitySet, CapabilitySets, LinkNameSpaceType, clear_ambient_capability_set,
    move_into_link_name_space, remove_capability_from_bounding_set, set_capabilities,
    set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

use crate::join::Join;
use crate::runtime::process::seccomp;
use crate::show::{self, Show};

/// Exit code when the workload's program may not be run, as shells give it.
const NOT_EXECUTABLE: u8 = 126;
/// Exit code when it cannot be run for another reason.
pub(crate) const CANNOT_RUN: u8 = 127;
/// Added to the chance to be chosen when the whole machine runs out of memory: workloads go before the agent.
pub(crate) const OOM_SCORE: &str = "500";

/// Runs one step. `enter` and `drop` come back only when they fail.
pub(crate) fn main(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    let done = match args.next().as_deref().and_then(OsStr::to_str) {
        Some("enter") => Enter::parse(args)
            .and_then(Enter::run)
            .map(|never| match never {}),
        Some("drop") => Drop::parse(args)
            .and_then(Drop::run)
            .map(|never| match never {}),
        Some("join") => Join::parse(args).and_then(|join| join.run()),
        Some("show") => Show::parse(args).and_then(|show| show.run()),
        Some("unpack") => crate::unpack::main(args),
        Some("user-namespace") => show::hold_user_namespace(),
        _ => Err(wrong(OsStr::new("stage"))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            let denied = error.kind() == io::ErrorKind::PermissionDenied;
            ExitCode::from(if denied { NOT_EXECUTABLE } else { CANNOT_RUN })
        }
    }
}

type Never = std::convert::Infallible;

/// What happens outside the sandbox.
#[derive(Debug, Default)]
struct Enter {
    cgroups: Vec<PathBuf>,
    network: Option<PathBuf>,
    seccomp: Option<PathBuf>,
    command: Vec<OsString>,
}

impl Enter {
    fn parse(mut args: impl Iterator<Item = OsString>) -> io::Result<Self> {
        let mut step = Self::default();
        while let Some(name) = args.next() {
            if name == "--" {
                step.command = args.collect();
                return Ok(step);
            }
            let value = args.next().ok_or_else(|| wrong(&name))?;
            match name.to_str() {
                Some("--cgroup") => step.cgroups.push(value.into()),
                Some("--network") => step.network = Some(value.into()),
                Some("--seccomp") => step.seccomp = Some(value.into()),
                _ => return Err(wrong(&name)),
            }
        }
        Err(wrong(OsStr::new("--")))
    }

    fn run(self) -> io::Result<Never> {
        setsid().ok();
        pass_on_nothing()?;
        set_parent_process_death_signal(Some(Signal::KILL))?;
        fs::write("/proc/self/oom_score_adj", OOM_SCORE).ok();
        for cgroup in &self.cgroups {
            fs::write(cgroup.join("cgroup.procs"), "0").map_err(|error| about(cgroup, &error))?;
        }
        if let Some(network) = &self.network {
            let namespace = File::open(network).map_err(|error| about(network, &error))?;
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
        }
        let (program, args) = self
            .command
            .split_first()
            .ok_or_else(|| wrong(OsStr::new("--")))?;
        let mut command = Command::new(program);
        // The filter reaches bubblewrap as an open file, which must stay open over the exec below.
        let filter = self.seccomp.as_deref().map(open_to_inherit).transpose()?;
        if let Some(filter) = &filter {
            use std::os::fd::AsRawFd as _;
            command.arg("--seccomp").arg(filter.as_raw_fd().to_string());
        }
        Err(about(Path::new(program), &command.args(args).exec()))
    }
}

fn open_to_inherit(path: &Path) -> io::Result<File> {
    let file = File::open(path).map_err(|error| about(path, &error))?;
    fcntl_setfd(&file, FdFlags::empty())?;
    Ok(file)
}

/// What happens inside the sandbox.
#[derive(Debug, Default)]
struct Drop {
    user: Option<u32>,
    folder: Option<PathBuf>,
    /// Its input is the command's own, and no variables come by it.
    keeps_input: bool,
    /// The variables come by this open file, and its input is the command's own.
    variables: Option<u32>,
    /// The filter of system calls comes by this open file; else the sandbox has loaded it.
    seccomp: Option<u32>,
    /// Its input is the terminal that the command is to have as its own.
    terminal: bool,
    command: Vec<OsString>,
}

/// What a command is given whose input does not bring variables.
const PLAIN: [(&str, &str); 2] = [
    ("PATH", "/usr/local/bin:/usr/bin:/bin"),
    ("LANG", "C.UTF-8"),
];

impl Drop {
    fn parse(mut args: impl Iterator<Item = OsString>) -> io::Result<Self> {
        let mut step = Self::default();
        while let Some(name) = args.next() {
            if name == "--" {
                step.command = args.collect();
                return Ok(step);
            }
            let value = args.next().ok_or_else(|| wrong(&name))?;
            match name.to_str() {
                Some("--user") => step.user = Some(number(&value)?),
                Some("--folder") => step.folder = Some(value.into()),
                Some("--input") if value == "kept" => step.keeps_input = true,
                Some("--variables") => step.variables = Some(number(&value)?),
                Some("--seccomp") => step.seccomp = Some(number(&value)?),
                Some("--terminal") if value == "input" => step.terminal = true,
                _ => return Err(wrong(&name)),
            }
        }
        Err(wrong(OsStr::new("--")))
    }

    fn run(self) -> io::Result<Never> {
        let variables = match self.variables {
            Some(file) => read_variables(&read_inherited(file)?),
            None if self.keeps_input => PLAIN
                .map(|(name, value)| (name.into(), value.into()))
                .into(),
            None => take_variables()?,
        };
        let filter = self.seccomp.map(read_inherited).transpose()?;
        if self.variables.is_some() {
            // A command of its own: it is signalled with all that it begins, and gets nothing that brought it here.
            setsid()?;
            pass_on_nothing()?;
        }
        if self.terminal {
            ioctl_tiocsctty(io::stdin())?;
        }
        setrlimit(
            Resource::Core,
            Rlimit {
                current: Some(0),
                maximum: Some(0),
            },
        )?;
        if let Some(user) = self.user {
            become_user(user)?;
        }
        // Not before: it is forgotten with the user (prctl(2), PR_SET_PDEATHSIG).
        set_parent_process_death_signal(Some(Signal::KILL))?;
        set_no_new_privs(true)?;
        let (program, args) = self
            .command
            .split_first()
            .ok_or_else(|| wrong(OsStr::new("--")))?;
        let mut command = Command::new(program);
        command.args(args).env_clear().envs(variables);
        if !self.keeps_input && self.variables.is_none() {
            command.stdin(Stdio::null());
        }
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        if let Some(filter) = filter {
            seccomp::load(&filter)?;
        }
        Err(about(Path::new(program), &command.exec()))
    }
}

/// Reads the variables from the open file that stands for standard input, and empties it: the emptied file says that the
/// sandbox was made, and that what follows is the workload's own doing.
fn take_variables() -> io::Result<Vec<(OsString, OsString)>> {
    let mut bytes = Vec::new();
    let mut input = io::stdin().lock();
    input.read_to_end(&mut bytes)?;
    rustix::fs::ftruncate(io::stdin().as_fd(), 0)?;
    Ok(read_variables(&bytes))
}

/// An open file that this process was given under a number, read and closed: the command does not get it.
#[expect(
    unsafe_code,
    reason = "who takes a number for an open file must say that nobody else does"
)]
fn read_inherited(number: u32) -> io::Result<Vec<u8>> {
    let number = i32::try_from(number).map_err(io::Error::other)?;
    // SAFETY: `stage join` left this file open for this one reading, and no other code of this process knows its number.
    let mut file = unsafe { File::from_raw_fd(number) };
    file.rewind()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn read_variables(bytes: &[u8]) -> Vec<(OsString, OsString)> {
    let pairs = bytes.split(|byte| *byte == 0).filter_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (pair.get(..at)?, pair.get(at + 1..)?);
        Some((
            OsStr::from_bytes(name).to_owned(),
            OsString::from_vec(value.to_vec()),
        ))
    });
    pairs.collect()
}

/// Whatever whoever started the agent had open besides the three streams ends with the next program, and no workload gets it.
#[expect(
    unsafe_code,
    reason = "no library here has a safe way to mark all open files; none is closed before this process becomes another"
)]
pub(crate) fn pass_on_nothing() -> io::Result<()> {
    // SAFETY: the call takes numbers only, and closes nothing now.
    let done = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            3,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    if done == 0 {
        return Ok(());
    }
    Err(io::Error::last_os_error())
}

/// Becomes an unprivileged user for good. This process has one thread, so changing the thread changes the process.
fn become_user(user: u32) -> io::Result<()> {
    for bit in 0..u64::BITS {
        // The kernel refuses numbers of capabilities that it does not have.
        remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << bit)).ok();
    }
    clear_ambient_capability_set().ok();
    let (uid, gid) = (Uid::from_raw(user), Gid::from_raw(user));
    set_thread_groups(&[])?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    let none = CapabilitySet::empty();
    set_capabilities(
        None,
        CapabilitySets {
            effective: none,
            permitted: none,
            inheritable: none,
        },
    )?;
    Ok(())
}

fn about(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn number(value: &OsStr) -> io::Result<u32> {
    value
        .to_str()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| wrong(value))
}

fn wrong(argument: &OsStr) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("unexpected or missing argument {argument:?}"),
    )
}
