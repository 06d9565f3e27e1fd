//! `stage join`: runs a command inside a sandbox that is there already, beside what runs in it: with its limits, its network,
//! its files, its user and its filter of system calls. Standard input and output carry the records of [`crate::exec`].
//!
//! This process goes into the sandbox's namespaces and stays between the two ends; its child drops its privileges as a
//! workload does (`stage drop`) and becomes the command. SIGTERM says that nobody is at the other end any more, as does an end
//! of standard input that was not announced: then the command is hung up on, as a terminal does.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::fs::{MemfdFlags, OFlags, fcntl_setfl, memfd_create};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, Signal, kill_process_group};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, Interest};
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use crate::exec::{Begin, Frame, Frames, Size, WINDOW};

/// How much is sent at once.
const CHUNK: usize = 32 << 10;
/// How long what a command has left running may still write after its end.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// How long a command that is hung up on has to end.
const HANG_UP: Duration = Duration::from_secs(3);
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
            Ok(mut running) => tokio::select! {
                code = running.go_on(input, &mut output) => code.inspect_err(|_| running.kill())?,
                _ = gone.recv() => {
                    running.hang_up().await;
                    return Ok(());
                }
            },
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

fn resize(terminal: impl AsFd, size: Size) -> io::Result<()> {
    let size = Winsize {
        ws_row: size.rows,
        ws_col: size.columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    Ok(tcsetwinsize(terminal, size)?)
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

/// Records from standard input.
#[derive(Debug)]
struct Input {
    pipe: Receiver,
    frames: Frames,
}

impl Input {
    fn open() -> io::Result<Self> {
        let input = io::stdin().as_fd().try_clone_to_owned()?;
        Ok(Self {
            pipe: Receiver::from_owned_fd(input)?,
            frames: Frames::default(),
        })
    }

    /// The next record; `None` at the end. May be asked again when it was given up in between.
    async fn next(&mut self) -> io::Result<Option<Frame>> {
        let mut chunk = vec![0; CHUNK];
        loop {
            if let Some(frame) = self.frames.pop().map_err(io::Error::other)? {
                return Ok(Some(frame));
            }
            let read = self.pipe.read(&mut chunk).await?;
            if read == 0 {
                return Ok(None);
            }
            self.frames.push(chunk.get(..read).unwrap_or_default());
        }
    }
}

/// Records to standard output.
#[derive(Debug)]
struct Output(Sender);

impl Output {
    fn open() -> io::Result<Self> {
        let output = io::stdout().as_fd().try_clone_to_owned()?;
        Sender::from_owned_fd(output).map(Self)
    }

    async fn send(&mut self, frame: &Frame) -> io::Result<()> {
        self.0.write_all(&frame.encode()).await
    }
}

/// A command that runs, with its streams.
struct Running {
    child: Child,
    /// Where what is typed goes; `None` after its end.
    to: Option<Box<dyn AsyncWrite + Unpin>>,
    /// Standard output, or the terminal.
    said: Source,
    complained: Source,
    terminal: Option<OwnedFd>,
}

/// What comes from the command, until it has come to its end.
#[derive(Default)]
struct Source(Option<Box<dyn AsyncRead + Unpin>>);

impl Source {
    /// The next piece; waits for ever after the end.
    async fn next(&mut self, chunk: &mut [u8]) -> usize {
        let Some(source) = &mut self.0 else {
            return std::future::pending().await;
        };
        // A terminal whose last program has ended reads as an error.
        let read = source.read(chunk).await.unwrap_or(0);
        if read == 0 {
            self.0 = None;
        }
        read
    }
}

impl Running {
    fn start(command: Command, terminal: Option<(OwnedFd, OwnedFd)>) -> io::Result<Self> {
        match terminal {
            None => Self::with_pipes(command),
            Some((ours, theirs)) => Self::at_terminal(command, ours, &theirs),
        }
    }

    fn with_pipes(mut command: Command) -> io::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn()?;
        let to = child.stdin.take().map(|pipe| Box::new(pipe) as _);
        let said = child.stdout.take().map(|pipe| Box::new(pipe) as _);
        let complained = child.stderr.take().map(|pipe| Box::new(pipe) as _);
        Ok(Self {
            child,
            to,
            said: Source(said),
            complained: Source(complained),
            terminal: None,
        })
    }

    fn at_terminal(mut command: Command, ours: OwnedFd, theirs: &OwnedFd) -> io::Result<Self> {
        let stream = || theirs.try_clone().map(Stdio::from);
        command.stdin(stream()?).stdout(stream()?).stderr(stream()?);
        fcntl_setfl(&ours, OFlags::RDWR | OFlags::NONBLOCK)?;
        let from = Receiver::from_file_unchecked(ours.try_clone()?.into())?;
        let to = Sender::from_file_unchecked(ours.try_clone()?.into())?;
        Ok(Self {
            child: command.spawn()?,
            to: Some(Box::new(to)),
            said: Source(Some(Box::new(from))),
            complained: Source::default(),
            terminal: Some(ours),
        })
    }

    /// Sends a signal to the command and what it has begun, except what leads groups of its own.
    fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok());
        if let Some(group) = pid.and_then(Pid::from_raw) {
            kill_process_group(group, signal).ok();
        }
    }

    fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Nobody is at the other end any more: the command is told, and ended if it stays.
    async fn hang_up(&mut self) {
        // With our ends of it the terminal is gone, and all who have it are told by the kernel.
        (self.to, self.terminal) = (None, None);
        (self.said, self.complained) = (Source::default(), Source::default());
        self.signal(Signal::HUP);
        if tokio::time::timeout(HANG_UP, self.child.wait())
            .await
            .is_err()
        {
            self.kill();
        }
    }

    /// Lets all go to and fro until the command has ended and said its last words; gives its code.
    async fn go_on(&mut self, mut input: Input, output: &mut Output) -> io::Result<u8> {
        let (mut said, mut complained) = (vec![0; CHUNK], vec![0; CHUNK]);
        // One record that is on its way out: no more is read before it has gone. All else is served meanwhile.
        let mut leaving = Vec::new();
        let mut typed = VecDeque::new();
        // Who announced the end of what is typed may go.
        let (mut listens, mut announced) = (true, false);
        let mut status: Option<ExitStatus> = None;
        loop {
            let quiet = leaving.is_empty();
            let over = self.said.0.is_none() && self.complained.0.is_none();
            if let Some(status) = status.filter(|_| quiet && over) {
                return Ok(code(status));
            }
            tokio::select! {
                writable = output.0.writable(), if !quiet => {
                    writable?;
                    match output.0.try_write(&leaving) {
                        Ok(wrote) => drop(leaving.drain(..wrote)),
                        Err(full) if full.kind() == io::ErrorKind::WouldBlock => {}
                        Err(error) => {
                            self.hang_up().await;
                            return Err(error);
                        }
                    }
                }
                read = self.said.next(&mut said), if quiet => {
                    leaving = record(&said, read, Frame::Output);
                }
                read = self.complained.next(&mut complained), if quiet => {
                    leaving = record(&complained, read, Frame::Errors);
                }
                ended = self.child.wait(), if status.is_none() => status = Some(ended?),
                // What it has left running says no more; or it does, and is cut off.
                () = tokio::time::sleep(LAST_WORDS), if status.is_some() && quiet => {
                    (self.said, self.complained) = (Source::default(), Source::default());
                }
                taken = take(&mut self.to, &typed), if quiet && !typed.is_empty() => {
                    typed.drain(..taken);
                    leaving = Frame::Taken(u32::try_from(taken).unwrap_or(u32::MAX)).encode();
                }
                frame = input.next(), if listens => match frame? {
                    Some(Frame::Input(bytes)) if typed.len() + bytes.len() <= WINDOW => {
                        typed.extend(bytes);
                    }
                    Some(Frame::Input(_)) => {
                        self.hang_up().await;
                        return Err(io::Error::other("more is typed than was asked for"));
                    }
                    Some(Frame::InputEnd) => announced = true,
                    Some(Frame::Signal(number)) => {
                        if let Some(wanted) = Signal::from_named_raw(number.into()) {
                            self.signal(wanted);
                        }
                    }
                    Some(Frame::Resize(size)) => {
                        if let Some(terminal) = &self.terminal {
                            resize(terminal, size)?;
                        }
                    }
                    Some(_) => {}
                    None if announced => listens = false,
                    None => {
                        self.hang_up().await;
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                },
                // Nobody reads any more: the agent is gone, too.
                _ = output.0.ready(Interest::ERROR), if quiet => {
                    self.hang_up().await;
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
            }
            if announced && typed.is_empty() {
                self.to = self.to.take().filter(|_| self.terminal.is_some());
            }
        }
    }
}

/// What came as a record; nothing when it was the end.
fn record(chunk: &[u8], read: usize, frame: fn(Vec<u8>) -> Frame) -> Vec<u8> {
    match chunk.get(..read) {
        Some(bytes @ [_, ..]) => frame(bytes.to_vec()).encode(),
        _ => Vec::new(),
    }
}

/// How much of what was typed the command has taken; all of it when it takes nothing any more.
async fn take(to: &mut Option<Box<dyn AsyncWrite + Unpin>>, typed: &VecDeque<u8>) -> usize {
    let Some(open) = to else {
        return typed.len();
    };
    match open.write(typed.as_slices().0).await {
        Ok(taken @ 1..) => taken,
        Ok(0) | Err(_) => {
            *to = None;
            typed.len()
        }
    }
}

fn code(status: ExitStatus) -> u8 {
    let code = match status.signal() {
        Some(signal) => 128 + signal,
        None => status.code().unwrap_or_default(),
    };
    u8::try_from(code).unwrap_or(u8::MAX)
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
