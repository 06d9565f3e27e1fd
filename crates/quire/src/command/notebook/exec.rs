//! `quire notebook exec` and `quire notebook shell`: a command inside a notebook, by way of its door.

use std::io::{self, IsTerminal as _, Read as _};
use std::pin::pin;
use std::sync::Arc;

use agent::exec::{Begin, Frame, Frames, Size, Terminal, WINDOW};
use anyhow::{Context as _, Result, bail};
use futures::StreamExt as _;
use reqwest::{Body, Method, Response};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, mpsc};

use super::door::Door;
use super::find;
use crate::api::Api;

/// How much is sent at once.
const CHUNK: usize = 32 << 10;
/// Records that wait to be sent.
pub(super) const WAITING: usize = 16;
/// Numbers of signals, and what shells add to them in an exit code.
const HANGUP: u8 = 1;
const INTERRUPT: u8 = 2;
const TERMINATE: u8 = 15;
const SIGNALLED: u8 = 128;
/// What a program ends with whose reader went away.
const NO_READER: u8 = SIGNALLED + 13;
/// The best shell that there is.
const SHELL: &str = "command -v bash > /dev/null && exec bash; exec sh";

/// The command has ended with this code, which is not 0: it has said itself what was wrong.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("it ended with {0}")]
pub(crate) struct Ended(pub(crate) u8);

/// Runs a command; what it ends with is what this program ends with.
pub(super) async fn exec(api: &Api, id: &str, tty: bool, command: Vec<String>) -> Result<()> {
    if tty && !io::stdin().is_terminal() {
        bail!("--tty: standard input is no terminal; leave it out to pass on what comes");
    }
    run(api, id, tty, command).await
}

/// Runs a shell, with a terminal if this is one.
pub(super) async fn shell(api: &Api, id: &str) -> Result<()> {
    let command = ["sh", "-c", SHELL].map(str::to_owned).to_vec();
    run(api, id, io::stdin().is_terminal(), command).await
}

async fn run(api: &Api, id: &str, tty: bool, command: Vec<String>) -> Result<()> {
    let door = Door::of(api, find::running(api, id).await?)?;
    let begin = Begin {
        command,
        terminal: tty.then(terminal),
    };
    let (records, sending) = mpsc::channel(WAITING);
    records.send(Frame::Begin(begin)).await.ok();
    let sent = futures::stream::unfold(sending, |mut sending| async {
        let frame: Frame = sending.recv().await?;
        Some((Ok::<_, io::Error>(frame.encode()), sending))
    });
    let request = door.ask(Method::POST, "exec", &[]);
    let request = request.body(Body::wrap_stream(sent));
    let what = format!("cannot run it in {}", door.name);
    let answer = door.send(&what, request).await?;

    let _raw = tty.then(Raw::begin).transpose()?;
    if tty {
        tokio::spawn(resize(records.clone()));
    }
    let (mut hangup, mut end) = (
        signal(SignalKind::hangup())?,
        signal(SignalKind::terminate())?,
    );
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (typed, window) = (records.clone(), Arc::new(Semaphore::new(WINDOW)));
    let (taken, runtime) = (window.clone(), Handle::current());
    // A thread of its own, which nobody waits for at the end: reading a terminal cannot be broken off.
    std::thread::spawn(move || type_in(&typed, &window, &runtime));
    let mut passed = pin!(pass_on(answer, &taken));
    let mut interrupts = 0;
    loop {
        let number = tokio::select! {
            passed = &mut passed => return passed.with_context(|| what),
            _ = interrupt.recv() => {
                interrupts += 1;
                INTERRUPT
            }
            // Shells at terminals do not listen to it.
            _ = end.recv() => match tty {
                true => return Err(Ended(SIGNALLED + TERMINATE).into()),
                false => TERMINATE,
            },
            // The connection goes with this program, and the command is hung up on.
            _ = hangup.recv() => return Err(Ended(SIGNALLED + HANGUP).into()),
        };
        if interrupts > 1 {
            return Err(Ended(SIGNALLED + INTERRUPT).into());
        }
        // Where even this does not get through, the next one ends the connection.
        records.try_send(Frame::Signal(number)).ok();
    }
}

/// This terminal, as programs inside are to know theirs.
#[allow(
    clippy::disallowed_methods,
    reason = "what kind of terminal this is is no configuration of the product"
)]
fn terminal() -> Terminal {
    Terminal {
        kind: std::env::var("TERM").unwrap_or_else(|_| "dumb".to_owned()),
        size: size(),
    }
}

fn size() -> Size {
    tcgetwinsize(io::stdin()).map_or(
        Size {
            rows: 24,
            columns: 80,
        },
        |size| Size {
            rows: size.ws_row,
            columns: size.ws_col,
        },
    )
}

async fn resize(records: mpsc::Sender<Frame>) {
    let Ok(mut changes) = signal(SignalKind::window_change()) else {
        return;
    };
    while changes.recv().await.is_some() {
        if records.send(Frame::Resize(size())).await.is_err() {
            return;
        }
    }
}

/// Sends what comes by standard input, as fast as the command takes it, and its end.
pub(super) fn type_in(records: &mpsc::Sender<Frame>, window: &Semaphore, runtime: &Handle) {
    let mut chunk = vec![0; CHUNK];
    let mut input = io::stdin().lock();
    while let Ok(read @ 1..) = input.read(&mut chunk) {
        let bytes = chunk.get(..read).unwrap_or_default().to_vec();
        let many = u32::try_from(read).unwrap_or(u32::MAX);
        match runtime.block_on(window.acquire_many(many)) {
            Ok(permit) => permit.forget(),
            Err(_) => return,
        }
        if records.blocking_send(Frame::Input(bytes)).is_err() {
            return;
        }
    }
    records.blocking_send(Frame::InputEnd).ok();
}

/// Prints what comes back until the command has ended.
async fn pass_on(answer: Response, window: &Semaphore) -> Result<()> {
    let mut chunks = answer.bytes_stream();
    let mut frames = Frames::default();
    while let Some(chunk) = chunks.next().await {
        frames.push(&chunk.map_err(reqwest::Error::without_url)?);
        while let Some(frame) = frames.pop()? {
            match frame {
                Frame::Output(bytes) => print(&mut io::stdout().lock(), &bytes)?,
                Frame::Errors(bytes) => print(&mut io::stderr().lock(), &bytes)?,
                Frame::Taken(bytes) => window.add_permits(bytes as usize),
                Frame::Exit(0) => return Ok(()),
                Frame::Exit(code) => return Err(Ended(code).into()),
                _ => {}
            }
        }
    }
    bail!("the connection ended before the command; the notebook may have been stopped")
}

pub(super) fn print(to: &mut impl io::Write, bytes: &[u8]) -> Result<()> {
    let printed = to.write_all(bytes).and_then(|()| to.flush());
    match printed {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Ended(NO_READER).into()),
        printed => printed.context("writing what it says"),
    }
}

/// This terminal passes on every key as it is, until this value goes.
struct Raw(Termios);

impl Raw {
    fn begin() -> Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
        Ok(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        tcsetattr(io::stdin(), OptionalActions::Drain, &self.0).ok();
    }
}
