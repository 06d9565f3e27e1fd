//! What goes to and fro while a command runs inside a workload: records of a kind, a length and bytes, in both directions of one
//! connection.
//!
//! A record is one byte that says what it is, four bytes with the length of what follows (big endian), and that. The first
//! record to the workload is [`Frame::Begin`].

use serde::{Deserialize, Serialize};

/// Bytes of input that may be on their way without [`Frame::Taken`] for them: so records about the command are never held up
/// behind what it does not read.
pub const WINDOW: usize = 256 << 10;
/// Longest content of a record, in bytes.
pub const LONGEST: usize = 1 << 20;
/// Bytes of a record before its content.
const HEAD: usize = 5;

/// What is to be run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begin {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// With a terminal of this kind; `None` = with three streams.
    pub terminal: Option<Terminal>,
}

/// The terminal that a command gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terminal {
    /// What programs know it as, such as "xterm-256color" (`TERM`).
    pub kind: String,
    /// Its size.
    pub size: Size,
}

/// Size of a terminal, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Lines.
    pub rows: u16,
    /// Characters in a line.
    pub columns: u16,
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// From the agent, before all others: variables `NAME=value`, each ended by NUL.
    Variables(Vec<u8>),
    /// What to run.
    Begin(Begin),
    /// For the command's standard input.
    Input(Vec<u8>),
    /// Its standard input ends.
    InputEnd,
    /// The terminal has another size.
    Resize(Size),
    /// The command has taken so many more bytes of its input.
    Taken(u32),
    /// A signal for the command, by its number: 2 interrupts, 15 asks it to end.
    Signal(u8),
    /// From the command's standard output, or its terminal.
    Output(Vec<u8>),
    /// From its standard error.
    Errors(Vec<u8>),
    /// It has ended with this code: 128 and the signal's number when a signal ended it. The last record.
    Exit(u8),
}

/// Bytes that are no record.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// No record is of this kind.
    #[error("no record is of kind {0}")]
    Kind(u8),
    /// It is too long.
    #[error("a record of {0} bytes is longer than {LONGEST}")]
    Length(usize),
    /// What it holds cannot be read.
    #[error("a record's content: {0}")]
    Content(String),
}

impl Frame {
    /// As it is sent.
    pub fn encode(&self) -> Vec<u8> {
        let (kind, content) = match self {
            Self::Variables(bytes) => (0, bytes.clone()),
            // A list of texts and numbers is always JSON.
            Self::Begin(begin) => (1, serde_json::to_vec(begin).unwrap_or_default()),
            Self::Input(bytes) => (2, bytes.clone()),
            Self::InputEnd => (3, Vec::new()),
            Self::Resize(size) => {
                let bytes = [size.rows.to_be_bytes(), size.columns.to_be_bytes()].concat();
                (4, bytes)
            }
            Self::Output(bytes) => (5, bytes.clone()),
            Self::Errors(bytes) => (6, bytes.clone()),
            Self::Exit(code) => (7, vec![*code]),
            Self::Signal(number) => (8, vec![*number]),
            Self::Taken(bytes) => (9, bytes.to_be_bytes().to_vec()),
        };
        let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
        [&[kind][..], &length.to_be_bytes(), &content].concat()
    }

    fn decode(kind: u8, content: &[u8]) -> Result<Self, FrameError> {
        let wrong = |problem: &str| FrameError::Content(problem.to_owned());
        Ok(match kind {
            0 => Self::Variables(content.to_owned()),
            1 => {
                let begin = serde_json::from_slice(content);
                Self::Begin(begin.map_err(|error| FrameError::Content(error.to_string()))?)
            }
            2 => Self::Input(content.to_owned()),
            3 => Self::InputEnd,
            4 => match content {
                [a, b, c, d] => Self::Resize(Size {
                    rows: u16::from_be_bytes([*a, *b]),
                    columns: u16::from_be_bytes([*c, *d]),
                }),
                _ => return Err(wrong("a size has four bytes")),
            },
            5 => Self::Output(content.to_owned()),
            6 => Self::Errors(content.to_owned()),
            7 => match content {
                [code] => Self::Exit(*code),
                _ => return Err(wrong("an exit code has one byte")),
            },
            8 => match content {
                [number] => Self::Signal(*number),
                _ => return Err(wrong("a signal has one byte")),
            },
            9 => match content.try_into() {
                Ok(bytes) => Self::Taken(u32::from_be_bytes(bytes)),
                Err(_) => return Err(wrong("a number has four bytes")),
            },
            other => return Err(FrameError::Kind(other)),
        })
    }
}

/// Records out of bytes that come in pieces.
#[derive(Clone, Debug, Default)]
pub struct Frames {
    bytes: Vec<u8>,
}

impl Frames {
    /// Takes more bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next record; `None` until all of it has come.
    ///
    /// # Errors
    /// [`FrameError`] when what came is none; nothing can be read after that.
    pub fn pop(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some([kind, length @ ..]) = self.bytes.first_chunk::<HEAD>() else {
            return Ok(None);
        };
        let (kind, length) = (*kind, u32::from_be_bytes(*length) as usize);
        if length > LONGEST {
            return Err(FrameError::Length(length));
        }
        let Some(content) = self.bytes.get(HEAD..HEAD + length) else {
            return Ok(None);
        };
        let frame = Frame::decode(kind, content)?;
        self.bytes.drain(..HEAD + length);
        Ok(Some(frame))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames() -> impl Strategy<Value = Frame> {
        let bytes = || prop::collection::vec(any::<u8>(), 0..100);
        let size = (any::<u16>(), any::<u16>()).prop_map(|(rows, columns)| Size { rows, columns });
        let terminal = prop::option::of((".*", size.clone()))
            .prop_map(|terminal| terminal.map(|(kind, size)| Terminal { kind, size }));
        let begin = (prop::collection::vec(".*", 0..4), terminal)
            .prop_map(|(command, terminal)| Begin { command, terminal });
        prop_oneof![
            bytes().prop_map(Frame::Variables),
            begin.prop_map(Frame::Begin),
            bytes().prop_map(Frame::Input),
            Just(Frame::InputEnd),
            size.prop_map(Frame::Resize),
            bytes().prop_map(Frame::Output),
            bytes().prop_map(Frame::Errors),
            any::<u8>().prop_map(Frame::Exit),
            any::<u8>().prop_map(Frame::Signal),
            any::<u32>().prop_map(Frame::Taken),
        ]
    }

    proptest! {
        /// However the bytes are cut on their way.
        #[test]
        fn what_is_sent_arrives(sent in prop::collection::vec(frames(), 0..8), piece in 1_usize..64) {
            let bytes: Vec<u8> = sent.iter().flat_map(Frame::encode).collect();
            let (mut reading, mut arrived) = (Frames::default(), Vec::new());
            for piece in bytes.chunks(piece) {
                reading.push(piece);
                while let Some(frame) = reading.pop().unwrap() {
                    arrived.push(frame);
                }
            }
            prop_assert_eq!(arrived, sent);
        }

        #[test]
        fn anything_else_is_refused_or_waited_for(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut reading = Frames::default();
            reading.push(&bytes);
            while let Ok(Some(_)) = reading.pop() {}
        }
    }

    #[test]
    fn a_length_is_not_believed() {
        let mut reading = Frames::default();
        reading.push(&[2, 0xff, 0xff, 0xff, 0xff]);
        let error = reading.pop().unwrap_err().to_string();
        assert!(error.contains("longer than 1048576"), "{error}");
        let mut reading = Frames::default();
        reading.push(&[99, 0, 0, 0, 0]);
        assert!(reading.pop().is_err());
    }
}
