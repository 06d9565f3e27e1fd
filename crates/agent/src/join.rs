//! `stage join`: runs a command inside a sandbox that is there already, beside what runs in it: with its limits, its network,
//! its files, its user and its filter of system calls. Standard input and output carry the records of [`crate::exec`].
//!
//! This process goes into the sandbox's namespaces and stays between the two ends; its child drops its privileges as a
//! workload does (`stage drop`) and becomes the command. With this process the command ends.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

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
        let mut input = Input::default();
        let (Some(Frame::Variables(variables)), Some(Frame::Begin(begin))) =
            (input.next()?, input.next()?)
        else {
            return Err(io::Error::other("the command is missing"));
        };
        let output = Output::default();
        let code = match self.begin(&begin, &variables) {
            Ok(running) => running.go_on(input, &output)?,
            Err(error) => {
                output.send(&Frame::Errors(format!("{error}\n").into_bytes()))?;
                crate::stage::CANNOT_RUN
            }
        };
        output.send(&Frame::Exit(code))
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

    /// Goes where the sandbox is. This process has one thread until then: mounts are those of a whole process.
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
#[derive(Debug, Default)]
struct Input {
    frames: Frames,
}

impl Input {
    fn next(&mut self) -> io::Result<Option<Frame>> {
        let mut chunk = vec![0; CHUNK];
        loop {
            if let Some(frame) = self.frames.next().map_err(io::Error::other)? {
                return Ok(Some(frame));
            }
            let read = io::stdin().lock().read(&mut chunk)?;
            if read == 0 {
                return Ok(None);
            }
            self.frames.push(chunk.get(..read).unwrap_or_default());
        }
    }
}

/// Records to standard output, of several threads.
#[derive(Clone, Debug, Default)]
struct Output(Arc<Mutex<()>>);

impl Output {
    fn send(&self, frame: &Frame) -> io::Result<()> {
        let _one_at_a_time = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut output = io::stdout().lock();
        output.write_all(&frame.encode())?;
        output.flush()
    }

    /// Sends all that comes from `source`, in a thread of its own.
    fn follow(
        &self,
        mut source: impl Read + Send + 'static,
        frame: fn(Vec<u8>) -> Frame,
    ) -> JoinHandle<()> {
        let output = self.clone();
        std::thread::spawn(move || {
            let mut chunk = vec![0; CHUNK];
            // A terminal whose last program has ended reads as an error.
            while let Ok(read @ 1..) = source.read(&mut chunk) {
                let bytes = chunk.get(..read).unwrap_or_default().to_vec();
                if output.send(&frame(bytes)).is_err() {
                    return;
                }
            }
        })
    }
}

/// A command that runs, with its streams.
#[derive(Debug)]
struct Running {
    child: Child,
    terminal: Option<OwnedFd>,
}

/// Where what is typed goes.
enum To {
    Pipe(Option<ChildStdin>),
    Terminal(File),
}

impl Running {
    fn start(mut command: Command, terminal: Option<(OwnedFd, OwnedFd)>) -> io::Result<Self> {
        let (ours, theirs) = terminal.unzip();
        let stream = || match &theirs {
            Some(theirs) => theirs.try_clone().map(Stdio::from),
            None => Ok(Stdio::piped()),
        };
        command.stdin(stream()?).stdout(stream()?).stderr(stream()?);
        let child = command.spawn()?;
        Ok(Self {
            child,
            terminal: ours,
        })
    }

    /// Lets all go to and fro until the command has ended; gives its code.
    fn go_on(mut self, input: Input, output: &Output) -> io::Result<u8> {
        let (to, followed) = match self.terminal {
            Some(terminal) => {
                let from = File::from(terminal.try_clone()?);
                let followed = vec![output.follow(from, Frame::Output)];
                (To::Terminal(terminal.into()), followed)
            }
            None => {
                let said = self.child.stdout.take();
                let said = said.map(|said| output.follow(said, Frame::Output));
                let complained = self.child.stderr.take();
                let complained = complained.map(|said| output.follow(said, Frame::Errors));
                let followed = said.into_iter().chain(complained).collect();
                (To::Pipe(self.child.stdin.take()), followed)
            }
        };
        // It waits for input for as long as this process is there.
        std::thread::spawn(move || pass_on(input, to));
        let status = self.child.wait()?;
        let ended = Instant::now();
        while !followed.iter().all(JoinHandle::is_finished) && ended.elapsed() < LAST_WORDS {
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(code(status))
    }
}

fn pass_on(mut input: Input, mut to: To) {
    while let Ok(Some(frame)) = input.next() {
        let passed = match (frame, &mut to) {
            (Frame::Input(bytes), To::Pipe(Some(pipe))) => pipe.write_all(&bytes),
            (Frame::Input(bytes), To::Terminal(terminal)) => terminal.write_all(&bytes),
            (Frame::InputEnd, To::Pipe(pipe)) => {
                drop(pipe.take());
                Ok(())
            }
            (Frame::Resize(size), To::Terminal(terminal)) => resize(terminal, size),
            _ => Ok(()),
        };
        if passed.is_err() {
            return;
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
