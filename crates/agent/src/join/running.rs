//! A command between its streams, or its terminal, and the records of whoever runs it. Nothing of either side holds up the other's
//! signals and ends: records are read at all times, what is typed waits within the window.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process_group};
use rustix::termios::{Winsize, tcsetwinsize};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::process::{Child, Command};

use super::wire::{Input, Output};
use crate::exec::{Frame, Size, WINDOW};

/// How much is sent at once.
const CHUNK: usize = 32 << 10;
/// When what a command has left running was silent for so long, it is not heard any more.
const SILENCE: Duration = Duration::from_millis(500);
/// At most so many bytes come after a command's end: more than its pipes can have held (pipe(7), `pipe-max-size`) is of what it has
/// left running.
const LAST_WORDS: usize = 2 << 20;
/// How long a command that is hung up on has to end.
const HANG_UP: Duration = Duration::from_secs(3);

/// A command that runs, with its streams.
pub(super) struct Running {
    child: Child,
    /// Where what is typed goes; `None` after its end.
    to: Option<Box<dyn AsyncWrite + Unpin>>,
    /// Standard output, or the terminal.
    said: Source,
    complained: Source,
    terminal: Option<OwnedFd>,
    /// What was typed, and the command has not taken yet.
    typed: VecDeque<u8>,
    /// No more will be typed: who said so may go.
    announced: bool,
    /// No more records come.
    over: bool,
}

/// A command that has ended.
struct Ended {
    status: ExitStatus,
    /// Bytes that came since then.
    left: usize,
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
    /// Starts it: at a terminal, of which these are our end and its, or with three pipes.
    pub(super) fn start(
        command: Command,
        terminal: Option<(OwnedFd, OwnedFd)>,
    ) -> io::Result<Self> {
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
            typed: VecDeque::new(),
            announced: false,
            over: false,
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
            typed: VecDeque::new(),
            announced: false,
            over: false,
        })
    }

    /// Sends a signal to the command and what it has begun, except what leads groups of its own.
    fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok());
        if let Some(group) = pid.and_then(Pid::from_raw) {
            kill_process_group(group, signal).ok();
        }
    }

    /// Nobody is at the other end any more: the command is told, and ended if it stays.
    pub(super) async fn hang_up(&mut self) {
        // With our ends of it the terminal is gone, and all who have it are told by the kernel.
        (self.to, self.terminal) = (None, None);
        self.close();
        self.signal(Signal::HUP);
        if tokio::time::timeout(HANG_UP, self.child.wait())
            .await
            .is_err()
        {
            self.signal(Signal::KILL);
        }
    }

    /// Lets all go to and fro until the command has ended and said its last words; gives its code.
    pub(super) async fn go_on(&mut self, mut input: Input, output: &Output) -> io::Result<u8> {
        let (mut said, mut complained) = (vec![0; CHUNK], vec![0; CHUNK]);
        // One record that is on its way out: no more is read before it has gone. All else is served meanwhile.
        let mut leaving = Vec::new();
        let mut ended: Option<Ended> = None;
        loop {
            let quiet = leaving.is_empty();
            if let Some(ended) = &ended
                && quiet
                && (self.is_silent() || ended.left > LAST_WORDS)
            {
                return Ok(code(ended.status));
            }
            tokio::select! {
                sent = output.go_on(&leaving), if !quiet => drop(leaving.drain(..sent?)),
                read = self.said.next(&mut said), if quiet => {
                    leaving = record(&said, read, Frame::Output);
                }
                read = self.complained.next(&mut complained), if quiet => {
                    leaving = record(&complained, read, Frame::Errors);
                }
                status = self.child.wait(), if ended.is_none() => {
                    ended = Some(Ended { status: status?, left: 0 });
                    continue;
                }
                () = tokio::time::sleep(SILENCE), if ended.is_some() && quiet => self.close(),
                taken = take(&mut self.to, &self.typed), if quiet && !self.typed.is_empty() => {
                    self.typed.drain(..taken);
                    leaving = Frame::Taken(u32::try_from(taken).unwrap_or(u32::MAX)).encode();
                }
                frame = input.next(), if !self.over => self.obey(frame?)?,
                () = output.closed(), if quiet => return Err(io::ErrorKind::BrokenPipe.into()),
            }
            if let Some(ended) = &mut ended {
                ended.left += leaving.len();
            }
            if self.announced && self.typed.is_empty() && self.terminal.is_none() {
                self.to = None;
            }
        }
    }

    /// Does what a record says.
    fn obey(&mut self, frame: Option<Frame>) -> io::Result<()> {
        match frame {
            Some(Frame::Input(bytes)) if self.typed.len() + bytes.len() <= WINDOW => {
                self.typed.extend(bytes);
            }
            Some(Frame::Input(_)) => {
                return Err(io::Error::other("more is typed than was asked for"));
            }
            Some(Frame::InputEnd) => self.announced = true,
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
            None if self.announced => self.over = true,
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
        Ok(())
    }

    fn is_silent(&self) -> bool {
        self.said.0.is_none() && self.complained.0.is_none()
    }

    /// Nothing that it has left running is heard any more.
    fn close(&mut self) {
        (self.said, self.complained) = (Source::default(), Source::default());
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

/// Gives a terminal its size.
pub(super) fn resize(terminal: impl AsFd, size: Size) -> io::Result<()> {
    let size = Winsize {
        ws_row: size.rows,
        ws_col: size.columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    Ok(tcsetwinsize(terminal, size)?)
}
