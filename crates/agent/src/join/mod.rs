//! `stage join`: runs a command inside a sandbox that is there already, beside what runs in it: with its limits, its network,
//! its files, its user and its filter of system calls. Standard input and output carry the records of [`crate::exec`].
//!
//! This process goes into the sandbox's namespaces and stays between the two ends; its child drops its privileges as a
//! workload does (`stage drop`) and becomes the command. SIGTERM says that nobody is at the other end any more, as does an end
//! of standard input that was not announced: then the command is hung up on, as a terminal does.

mod running;
mod wire;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

use self::running::{Running, resize};
use self::wire::{Input, Output};
use crate::exec::{Begin, Frame, Size};

/// All but the mounts, which come last: the others are found before them.
const NAMESPACES: [(&str, LinkNameSpaceType); 5] = [
    ("net", LinkNameSpaceType::Network),
    ("ipc", LinkNameSpaceType::InterProcessCommunication),
    ("uts", LinkNameSpaceType::HostNameAndNISDomainName),
    ("cgroup", LinkNameSpaceType::ControlGroup),
    ("pid", LinkNameSpaceType::ProcessID),
];

/// Which sandbox, and what a command in it becomes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Join {
    /// A process in the sandbox; `None` = there is none, and the command only drops its privileges.
    pub(crate) process: Option<u32>,
    /// The workload's own user.
    pub(crate) user: Option<u32>,
    /// Groups whose limits it is under.
    pub(crate) cgroups: Vec<PathBuf>,
    /// File with the filter of system calls.
    pub(crate) seccomp: Option<PathBuf>,
    /// Where it begins, as the workload sees it.
    pub(crate) folder: PathBuf,
}

impl Join {
    /// Arguments for the agent's own program.
    pub(crate) fn args(&self) -> Vec<OsString> {
        let mut args: Vec<OsString> = vec!["stage".into(), "join".into()];
        let mut say = |name: &str, value: OsString| args.extend([name.into(), value]);
        if let Some(process) = self.process {
            say("--process", process.to_string().into());
        }
        if let Some(user) = self.user {
            say("--user", user.to_string().into());
        }
        for cgroup in &self.cgroups {
            say("--cgroup", cgroup.into());
        }
        if let Some(seccomp) = &self.seccomp {
            say("--seccomp", seccomp.into());
        }
        say("--folder", self.folder.clone().into());
        args
    }

    /// Reads the arguments after `join` back.
    pub(crate) fn parse(mut args: impl Iterator<Item = OsString>) -> io::Result<Self> {
        let wrong = |argument: &OsString| {
            let problem = format!("stage join: unexpected or missing argument {argument:?}");
            io::Error::new(io::ErrorKind::InvalidInput, problem)
        };
        let mut join = Self::default();
        while let Some(name) = args.next() {
            let value = args.next().ok_or_else(|| wrong(&name))?;
            let number = || value.to_str().and_then(|text| text.parse().ok());
            match name.to_str() {
                Some("--process") => join.process = Some(number().ok_or_else(|| wrong(&value))?),
                Some("--user") => join.user = Some(number().ok_or_else(|| wrong(&value))?),
                Some("--cgroup") => join.cgroups.push(value.into()),
                Some("--seccomp") => join.seccomp = Some(value.into()),
                Some("--folder") => join.folder = value.into(),
                _ => return Err(wrong(&name)),
            }
        }
        Ok(join)
    }

    /// Does it. Ends when the command has ended; what cannot be run is told as the command's own failure.
    pub(crate) fn run(&self) -> io::Result<()> {
        crate::stage::pass_on_nothing()?;
        // One thread: a process with more may not change its mounts, and none in another process namespace may begin one.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(self.attend())
    }

    async fn attend(&self) -> io::Result<()> {
        let mut gone = signal(SignalKind::terminate())?;
        let (mut input, mut output) = (Input::open()?, Output::open()?);
        let (Some(Frame::Variables(variables)), Some(Frame::Begin(begin))) =
            (input.next().await?, input.next().await?)
        else {
            return Err(io::Error::other("the command is missing"));
        };
        let code = match self.begin(&begin, &variables) {
            Ok(mut running) => {
                let ended = tokio::select! {
                    ended = running.go_on(input, &output) => ended,
                    _ = gone.recv() => Err(io::ErrorKind::ConnectionAborted.into()),
                };
                match ended {
                    Ok(code) => code,
                    Err(error) => {
                        running.hang_up().await;
                        return Err(error);
                    }
                }
            }
            Err(error) => {
                let problem = format!("{error}\n").into_bytes();
                output.send(&Frame::Errors(problem)).await?;
                crate::stage::CANNOT_RUN
            }
        };
        output.send(&Frame::Exit(code)).await
    }

    fn begin(&self, begin: &Begin, variables: &[u8]) -> io::Result<Running> {
        for cgroup in &self.cgroups {
            fs::write(cgroup.join("cgroup.procs"), "0")?;
        }
        let seccomp = self.seccomp.as_deref().map(File::open).transpose()?;
        let seccomp = seccomp.map(|file| inherited(file.into())).transpose()?;
        let variables = variables_file(variables, begin)?;
        // Not the one that the sandbox shows: that may be of an older agent, with other arguments.
        let program = inherited(File::open("/proc/self/exe")?.into())?;
        fs::write("/proc/self/oom_score_adj", crate::stage::OOM_SCORE).ok();
        self.enter()?;
        let terminal = begin.terminal.as_ref();
        let terminal = terminal.map(|terminal| self.terminal(terminal.size));
        let terminal = terminal.transpose()?;

        let mut command = Command::new(format!("/proc/self/fd/{}", program.as_raw_fd()));
        command.env_clear().args(["stage", "drop"]);
        if let Some(user) = self.user {
            command.args(["--user", &user.to_string()]);
        }
        command.args(["--variables", &variables.as_raw_fd().to_string()]);
        if let Some(seccomp) = &seccomp {
            command.args(["--seccomp", &seccomp.as_raw_fd().to_string()]);
        }
        if terminal.is_some() {
            command.args(["--terminal", "input"]);
        }
        command.arg("--folder").arg(&self.folder);
        command.arg("--").args(&begin.command);
        Running::start(command, terminal)
    }

    /// Goes where the sandbox is.
    fn enter(&self) -> io::Result<()> {
        let Some(process) = self.process else {
            return Ok(());
        };
        let of_process = Path::new("/proc").join(process.to_string());
        let open = |name: &str| File::open(of_process.join("ns").join(name));
        let others: Vec<(File, LinkNameSpaceType)> = NAMESPACES
            .into_iter()
            .map(|(name, kind)| Ok((open(name)?, kind)))
            .collect::<io::Result<_>>()?;
        let mounts = open("mnt")?;
        // Its number may be another process's by now; no two sandboxes have the same user.
        let is_there = fs::metadata(&of_process)?.uid();
        if self.user.is_some_and(|user| user != is_there) {
            return Err(io::Error::other("the sandbox has ended"));
        }
        for (namespace, kind) in others {
            move_into_link_name_space(namespace.as_fd(), Some(kind))?;
        }
        move_into_link_name_space(mounts.as_fd(), Some(LinkNameSpaceType::Mount))?;
        Ok(())
    }

    /// A terminal of the sandbox: our end and the command's.
    fn terminal(&self, size: Size) -> io::Result<(OwnedFd, OwnedFd)> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let ours = openpt(flags)?;
        unlockpt(&ours)?;
        let theirs = ioctl_tiocgptpeer(&ours, flags)?;
        if let Some(user) = self.user {
            let user = rustix::fs::Uid::from_raw(user);
            rustix::fs::fchown(&theirs, Some(user), None)?;
        }
        resize(&ours, size)?;
        Ok((ours, theirs))
    }
}

/// An open file that the command's process has too, under the same number, until it becomes the command.
fn inherited(file: OwnedFd) -> io::Result<OwnedFd> {
    fcntl_setfd(&file, FdFlags::empty())?;
    Ok(file)
}

/// The workload's variables as a file that nobody else can open: none of them may be set while there are privileges.
fn variables_file(variables: &[u8], begin: &Begin) -> io::Result<OwnedFd> {
    let mut file = File::from(memfd_create("variables", MemfdFlags::empty())?);
    file.write_all(variables)?;
    if let Some(terminal) = &begin.terminal {
        let kind = terminal.kind.replace('\0', "");
        file.write_all(format!("TERM={kind}\0").as_bytes())?;
    }
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_back() {
        let join = Join {
            process: Some(7),
            user: Some(200_000),
            cgroups: vec!["/a b".into(), "/c".into()],
            seccomp: Some("/s".into()),
            folder: "/notebooks".into(),
        };
        for join in [join, Join::default()] {
            let args = join.args().into_iter().skip(2);
            assert_eq!(Join::parse(args).unwrap(), join);
        }
        let wrong = ["--process", "x"].map(OsString::from);
        assert!(Join::parse(wrong.into_iter()).is_err());
    }
}
