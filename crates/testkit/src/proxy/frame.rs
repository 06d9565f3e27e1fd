//! What a `nats-server` says, cut into frames.

use std::io;

use bytes::{Buf as _, Bytes, BytesMut};

/// Longest first line of a frame: the server's own description is a few hundred bytes.
const LONGEST_LINE: usize = 64 << 10;
/// Deliveries of JetStream are told by where their confirmation goes.
const CONFIRMED_TO: &[u8] = b"$JS.ACK.";

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) bytes: Bytes,
    /// It delivers a message of a stream.
    pub(super) delivery: bool,
}

/// Takes the first whole frame out of `buffer`; `None` while it is not there yet.
///
/// # Errors
/// When this is not what a `nats-server` says.
pub(super) fn next_frame(buffer: &mut BytesMut) -> io::Result<Option<Frame>> {
    let Some(end) = buffer.windows(2).position(|pair| pair == b"\r\n") else {
        return match buffer.len() > LONGEST_LINE {
            true => Err(malformed("a line without an end")),
            false => Ok(None),
        };
    };
    let line = buffer.get(..end).unwrap_or_default();
    let (payload, delivery) = read_line(line)?;
    let length = end + 2 + payload.map_or(0, |payload| payload + 2);
    if buffer.len() < length {
        return Ok(None);
    }
    let bytes = buffer.copy_to_bytes(length);
    Ok(Some(Frame { bytes, delivery }))
}

/// The length of the payload that follows a line, `None` where none does, and whether it is a delivery.
fn read_line(line: &[u8]) -> io::Result<(Option<usize>, bool)> {
    let mut words = line
        .split(|byte| *byte == b' ')
        .filter(|word| !word.is_empty());
    // `MSG subject sid [reply] length`, `HMSG subject sid [reply] headers length`.
    let with_reply = match words.next().map(<[u8]>::to_ascii_uppercase).as_deref() {
        Some(b"MSG") => 4,
        Some(b"HMSG") => 5,
        _ => return Ok((None, false)),
    };
    let words: Vec<&[u8]> = words.collect();
    let length = words
        .last()
        .and_then(|word| std::str::from_utf8(word).ok()?.parse().ok());
    let length = length.ok_or_else(|| malformed("a message without a length"))?;
    let reply = words.get(2).filter(|_| words.len() == with_reply);
    let delivery = reply.is_some_and(|reply| reply.starts_with(CONFIRMED_TO));
    Ok((Some(length), delivery))
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("NATS: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that a server may say, deliveries among it.
    const SAID: &[(&[u8], bool)] = &[
        (b"INFO {\"version\":\"2.9.10\"}\r\n", false),
        (b"+OK\r\n", false),
        (b"PING\r\n", false),
        (b"MSG a.b 1 5\r\nhello\r\n", false),
        (b"MSG a.b 1 _INBOX.x 0\r\n\r\n", false),
        (b"MSG in 2 $JS.ACK.s.c.1.2.3.4.5 7\r\n\r\nMSG \r\r\n", true),
        (b"HMSG in 3 12 12\r\nNATS/1.0\r\n\r\n\r\n", false),
        (
            b"HMSG in 3 $JS.ACK.s.c.1.2.3.4.5 12 14\r\nNATS/1.0\r\n\r\nhi\r\n",
            true,
        ),
        (b"-ERR 'no'\r\n", false),
        (b"PONG\r\n", false),
    ];

    #[test]
    fn frames_come_out_whole_however_they_come_in() {
        let all: Vec<u8> = SAID.iter().flat_map(|(bytes, _)| bytes.to_vec()).collect();
        for step in [1, 2, 3, 7, all.len()] {
            let mut buffer = BytesMut::new();
            let mut frames = Vec::new();
            for chunk in all.chunks(step) {
                buffer.extend_from_slice(chunk);
                while let Some(frame) = next_frame(&mut buffer).unwrap() {
                    frames.push(frame);
                }
            }
            assert!(buffer.is_empty());
            let expected: Vec<Frame> = SAID
                .iter()
                .map(|(bytes, delivery)| Frame {
                    bytes: Bytes::from_static(bytes),
                    delivery: *delivery,
                })
                .collect();
            assert_eq!(frames, expected, "in steps of {step}");
        }
    }

    #[test]
    fn what_is_not_nats_is_refused() {
        let next = |text: &[u8]| next_frame(&mut BytesMut::from(text));
        assert!(next(b"MSG a 1 many\r\n").is_err());
        assert!(next(&[b'x'; LONGEST_LINE + 1]).is_err());
        assert_eq!(next(b"").unwrap(), None);
    }
}
