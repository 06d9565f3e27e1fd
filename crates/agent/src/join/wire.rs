//! The records of a command, by standard input and output.

use std::io;
use std::os::fd::AsFd as _;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::unix::pipe::{Receiver, Sender};

use crate::exec::{Frame, Frames};

/// How much is read at once.
const CHUNK: usize = 32 << 10;

/// Records from standard input.
#[derive(Debug)]
pub(super) struct Input {
    pipe: Receiver,
    frames: Frames,
}

impl Input {
    pub(super) fn open() -> io::Result<Self> {
        let input = io::stdin().as_fd().try_clone_to_owned()?;
        Ok(Self {
            pipe: Receiver::from_owned_fd(input)?,
            frames: Frames::default(),
        })
    }

    /// The next record; `None` at the end. May be asked again when it was given up in between.
    pub(super) async fn next(&mut self) -> io::Result<Option<Frame>> {
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
pub(super) struct Output(Sender);

impl Output {
    pub(super) fn open() -> io::Result<Self> {
        let output = io::stdout().as_fd().try_clone_to_owned()?;
        Sender::from_owned_fd(output).map(Self)
    }

    pub(super) async fn send(&mut self, frame: &Frame) -> io::Result<()> {
        self.0.write_all(&frame.encode()).await
    }

    /// Sends as much of what is left to send as goes now, once some of it can be.
    pub(super) async fn go_on(&self, left: &[u8]) -> io::Result<usize> {
        loop {
            self.0.writable().await?;
            match self.0.try_write(left) {
                Err(full) if full.kind() == io::ErrorKind::WouldBlock => {}
                sent => return sent,
            }
        }
    }

    /// Waits until nobody reads any more.
    pub(super) async fn closed(&self) {
        self.0.ready(Interest::ERROR).await.ok();
    }
}
