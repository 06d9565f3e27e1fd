//! What a program says, line by line, without waiting for ever for a line that does not come.

use std::io::{BufRead as _, BufReader, Read};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};

use super::PATIENCE;

/// Lines of a program's output; read by a thread of its own that ends with the output or with this value.
#[derive(Debug)]
pub struct Lines(Receiver<String>);

impl Lines {
    /// The lines of `output`.
    pub fn of(output: impl Read + Send + 'static) -> Self {
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self(receiver)
    }

    /// The next line; `None` once the output has ended.
    ///
    /// # Panics
    /// When nothing comes within half a minute.
    #[must_use]
    pub fn next(&self, what: &str) -> Option<String> {
        match self.0.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("waited {PATIENCE:?} for {what}"),
        }
    }
}
