//! `stage join`: runs a command inside a sandbox that is there already, beside what runs in it: with its limits, its network,
//! its files, its user and its filter of system calls. Standard input and output carry the records of [`crate::exec`].
//!
//! This process goes into the sandbox's namespaces and stays between the two ends; its child drops its privileges as a
//! workload does (`stage drop`) and becomes the command. With this process the command ends.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, OFlags, fcntl_setfl, memfd_create};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::process::{Child, Command};

use crate::exec::{Begin, Frame, Frames, Size};

/// How much is sent at once.
const CHUNK: usize = 32 << 10;
/// How long what a command has left running may still write after its end.
const LAST_WORDS: Duration = Duration::from_millis(500);
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
    /// The sandbox is in a user namespace of its own.
    pub(crate) user_namespace: bool,
    /// The workload's own user.
    pub(crate) user: Option<u32>,
    /// Groups whose limits it is under.
    pub(crate) cgroups: Vec<PathBuf>,
    /// File with the filter of system calls.
    pub(crate) seccomp: Option<PathBuf>,
    /// Where it begins, as the workload sees it.
    pub(crate) folder: PathBuf,
    /// The agent's program, as the workload sees it.
    pub(crate) program: PathBuf,
}

impl Join {
    /// Arguments for the agent's own program.
    pub(crate) fn args(&self) -> Vec<OsString> {
        let mut args: Vec<OsString> = vec!["stage".into(), "join".into()];
        let mut say = |name: &str, value: OsString| args.extend([name.into(), value]);
        if let Some(process) = self.process {
            say("--process", process.to_string().into());
        }
        if self.user_namespace {
            say("--user-namespace", "own".into());
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
        say("--program", self.program.clone().into());
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
                Some("--user-namespace") => join.user_namespace = true,
                Some("--user") => join.user = Some(number().ok_or_else(|| wrong(&value))?),
                Some("--cgroup") => join.cgroups.push(value.into()),
                Some("--seccomp") => join.seccomp = Some(value.into()),
                Some("--folder") => join.folder = value.into(),
                Some("--program") => join.program = value.into(),
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
        let (mut input, mut output) = (Input::open()?, Output::open()?);
        let (Some(Frame::Variables(variables)), Some(Frame::Begin(begin))) =
            (input.next().await?, input.next().await?)
        else {
            return Err(io::Error::other("the command is missing"));
        };
        let code = match self.begin(&begin, &variables) {
            Ok(running) => running.go_on(input, &mut output).await?,
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
        self.enter()?;
        let terminal = begin.terminal.as_ref();
        let terminal = terminal.map(|terminal| self.terminal(terminal.size));
        let terminal = terminal.transpose()?;

        let mut command = Command::new(&self.program);
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
        let user = self.user_namespace.then(|| open("user")).transpose()?;
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
        if let Some(user) = user {
            move_into_link_name_space(user.as_fd(), Some(LinkNameSpaceType::User))?;
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

    /// Lets all go to and fro until the command has ended and said its last words; gives its code.
    async fn go_on(mut self, mut input: Input, output: &mut Output) -> io::Result<u8> {
        let (mut said, mut complained) = (vec![0; CHUNK], vec![0; CHUNK]);
        let (mut typed, mut listens) = (Vec::new(), true);
        let mut ended: Option<(ExitStatus, Instant)> = None;
        loop {
            if let Some((status, at)) = ended {
                let over = self.said.0.is_none() && self.complained.0.is_none();
                if over || at.elapsed() > LAST_WORDS {
                    return Ok(code(status));
                }
            }
            tokio::select! {
                // What it has said comes before its end.
                biased;
                read = self.said.next(&mut said) => {
                    send(output, &said, read, Frame::Output).await?;
                }
                read = self.complained.next(&mut complained) => {
                    send(output, &complained, read, Frame::Errors).await?;
                }
                status = self.child.wait(), if ended.is_none() => {
                    ended = Some((status?, Instant::now()));
                }
                () = tokio::time::sleep(LAST_WORDS), if ended.is_some() => {}
                wrote = write(&mut self.to, &typed), if !typed.is_empty() => {
                    typed.drain(..wrote);
                }
                frame = input.next(), if listens && typed.is_empty() => match frame? {
                    Some(Frame::Input(bytes)) => typed = bytes,
                    Some(Frame::InputEnd) => {
                        self.to = self.to.filter(|_| self.terminal.is_some());
                    }
                    Some(Frame::Resize(size)) => {
                        if let Some(terminal) = &self.terminal {
                            resize(terminal, size)?;
                        }
                    }
                    Some(_) => {}
                    None => listens = false,
                },
            }
        }
    }
}

async fn send(
    output: &mut Output,
    chunk: &[u8],
    read: usize,
    frame: fn(Vec<u8>) -> Frame,
) -> io::Result<()> {
    match chunk.get(..read) {
        Some(bytes @ [_, ..]) => output.send(&frame(bytes.to_vec())).await,
        _ => Ok(()),
    }
}

/// How much of what was typed the command has taken; all of it when it takes nothing any more.
async fn write(to: &mut Option<Box<dyn AsyncWrite + Unpin>>, typed: &[u8]) -> usize {
    let Some(open) = to else {
        return typed.len();
    };
    match open.write(typed).await {
        Ok(wrote @ 1..) => wrote,
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
            user_namespace: true,
            user: Some(200_000),
            cgroups: vec!["/a b".into(), "/c".into()],
            seccomp: Some("/s".into()),
            folder: "/notebooks".into(),
            program: "/run/quire-agent".into(),
        };
        for join in [join, Join::default()] {
            let args = join.args().into_iter().skip(2);
            assert_eq!(Join::parse(args).unwrap(), join);
        }
        let wrong = ["--process", "x"].map(OsString::from);
        assert!(Join::parse(wrong.into_iter()).is_err());
    }
}
