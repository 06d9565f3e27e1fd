//! Files of a volume, for people: listed by `find`, packed by `tar`, unpacked by `stage unpack`, removed by `rm`. These run as the volume's
//! owner in a sandbox of their own, without a network, whether a workload runs or not. What they meet there is hostile: nothing of it is
//! read by the agent. What does not fit is refused before it is written.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::extract::{Path as Segments, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use chassis::Error;
use futures::{Stream, StreamExt as _};
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};
use tokio::task::JoinHandle;

use super::errands::Permit;
use super::{Relay, refusal};

/// How much is sent at once.
const CHUNK: usize = 64 << 10;
/// How much of what a program complains is passed on, in bytes.
const COMPLAINT: u64 = 1_000;
/// Longest list of names that is packed, in bytes.
const LONGEST_NAMES: usize = 16 << 20;
/// Longest silence of who sends files.
const STALL: Duration = Duration::from_secs(60);
/// Exit code of the errands for a path that is not there.
const MISSING: i32 = 44;

/// Records `type`, size, time of change in seconds and path below the one that is listed, each ended by NUL.
const LIST: &str = "cd -- \"$1\" 2>/dev/null || { [ -e \"$1\" ] || [ -L \"$1\" ] || exit 44; \
    exec find \"$1\" -printf '%y\\t%s\\t%Ts\\t\\0'; }; \
    exec find . -printf '%y\\t%s\\t%Ts\\t%P\\0'";
/// What tar calls a difference, exit code 1, is a file that changed while it was read: no failure.
const PACK: &str = "cd -- \"$1\" 2>/dev/null || exit 44; \
    tar -c --no-recursion --null -T - || { code=$?; [ $code -eq 1 ] || exit $code; }";
const UNPACK: &str = "exec \"$2\" stage unpack \"$1\"";
const REMOVE: &str = "[ -e \"$1\" ] || [ -L \"$1\" ] || exit 44; exec rm -rf -- \"$1\"";
/// So much is written between two looks whether there is room.
const LOOK: u64 = 64 << 20;
/// Who is refused while sending is listened to for so long, so that the refusal arrives.
const PATIENCE: Duration = Duration::from_secs(5);

/// Which files.
#[derive(Debug, Deserialize)]
pub(super) struct Where {
    /// Below the volume's root.
    #[serde(default)]
    path: String,
    /// How much more the files will take, in bytes, as who sends them has found; absent = as much as comes.
    #[serde(default)]
    grows: Option<u64>,
}

impl Where {
    /// The path from the volume's root, which every errand begins in.
    fn relative(&self) -> Result<String, Error> {
        let parts: Vec<_> = self
            .path
            .split('/')
            .filter(|part| !part.is_empty() && *part != ".")
            .collect();
        if parts.contains(&"..") || self.path.contains('\0') {
            let problem = format!("{:?} leads out of the files", self.path);
            return Err(Error::invalid("path", problem));
        }
        // Never mistaken for an option.
        Ok(format!("./{}", parts.join("/")))
    }
}

/// One program over a volume's files; it ends with this value.
#[derive(Debug)]
struct Errand {
    child: Child,
    output: ChildStdout,
    /// What it complains of, as far as it is passed on; there once it has ended.
    complaint: JoinHandle<Vec<u8>>,
    _permit: Permit,
}

impl Errand {
    /// Begins one, with the way into it.
    fn begin(
        relay: &Relay,
        volume: &str,
        script: &str,
        place: &Where,
    ) -> Result<(Self, ChildStdin), Error> {
        let permit = relay.errands.begin(volume)?;
        let path = place.relative()?;
        let stage = relay.runtime.stage();
        let stage = stage.to_string_lossy();
        let command = ["sh", "-c", script, "files", &path, &stage].map(str::to_owned);
        let mut command = relay.runtime.errand(volume, &command)?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|cause| Error::internal("starting an errand over files", cause))?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(input), Some(output), Some(complaints)) = pipes else {
            return Err(Error::internal("starting an errand over files", "no pipes"));
        };
        let errand = Self {
            child,
            output,
            complaint: tokio::spawn(first_of(complaints)),
            _permit: permit,
        };
        Ok((errand, input))
    }

    /// Waits for its end; what it says where it failed.
    async fn end(&mut self, place: &Where) -> Result<(), Error> {
        let status = self.child.wait().await;
        let status = status.map_err(|cause| Error::internal("an errand over files", cause))?;
        if status.success() {
            return Ok(());
        }
        if status.code() == Some(MISSING) {
            return Err(Error::not_found("file", &place.path));
        }
        let complaint = (&mut self.complaint).await.unwrap_or_default();
        let complaint = String::from_utf8_lossy(&complaint);
        let complaint: Vec<_> = complaint.split_whitespace().collect();
        Err(Error::invalid(
            "path",
            format!("{:?}: {}", place.path, complaint.join(" ")),
        ))
    }

    async fn chunk(&mut self) -> io::Result<Bytes> {
        let mut chunk = vec![0; CHUNK];
        let read = self.output.read(&mut chunk).await?;
        chunk.truncate(read);
        Ok(chunk.into())
    }

    /// Its output as a body, once it has begun; a failure at its end breaks the body off.
    async fn answer(mut self, place: Where, kind: &'static str) -> Response {
        let first = match self.chunk().await {
            Ok(first) => first,
            Err(cause) => return refusal(&Error::internal("reading files", cause)),
        };
        if first.is_empty() {
            return match self.end(&place).await {
                Ok(()) => ([(header::CONTENT_TYPE, kind)], Body::empty()).into_response(),
                Err(error) => refusal(&error),
            };
        }
        let rest = futures::stream::once(async { Ok(first) }).chain(self.rest(place));
        ([(header::CONTENT_TYPE, kind)], Body::from_stream(rest)).into_response()
    }

    fn rest(self, place: Where) -> impl Stream<Item = io::Result<Bytes>> + Send {
        futures::stream::try_unfold(Some((self, place)), |going| async {
            let Some((mut errand, place)) = going else {
                return Ok(None);
            };
            let chunk = errand.chunk().await?;
            if chunk.is_empty() {
                errand.end(&place).await.map_err(io::Error::other)?;
                return Ok(None);
            }
            Ok(Some((chunk, Some((errand, place)))))
        })
    }
}

/// The beginning of what a program complains of. All of it is read: one whose complaints nobody reads would never end.
async fn first_of(mut complaints: ChildStderr) -> Vec<u8> {
    let mut first = Vec::new();
    let mut beginning = (&mut complaints).take(COMPLAINT);
    if beginning.read_to_end(&mut first).await.is_ok() {
        tokio::io::copy(&mut complaints, &mut tokio::io::sink())
            .await
            .ok();
    }
    first
}

/// Lists what is at a path and below it.
pub(super) async fn list(
    State(relay): State<Relay>,
    Segments(volume): Segments<String>,
    Query(place): Query<Where>,
) -> Response {
    match Errand::begin(&relay, &volume, LIST, &place) {
        Ok((errand, _)) => errand.answer(place, "application/octet-stream").await,
        Err(error) => refusal(&error),
    }
}

/// Packs the files below a path whose names, each ended by NUL, are the body.
pub(super) async fn pack(
    State(relay): State<Relay>,
    Segments(volume): Segments<String>,
    Query(place): Query<Where>,
    body: Body,
) -> Response {
    let Ok(names) = axum::body::to_bytes(body, LONGEST_NAMES).await else {
        let problem = format!("is broken off, or has more than {LONGEST_NAMES} bytes of names");
        return refusal(&Error::invalid("body", problem));
    };
    match Errand::begin(&relay, &volume, PACK, &place) {
        Ok((errand, mut input)) => {
            // Beside the reading: the program may write before it has read all names.
            tokio::spawn(async move { input.write_all(&names).await });
            errand.answer(place, "application/x-tar").await
        }
        Err(error) => refusal(&error),
    }
}

/// Unpacks the body below a path, which is made where it is not there.
pub(super) async fn unpack(
    State(relay): State<Relay>,
    Segments(volume): Segments<String>,
    Query(place): Query<Where>,
    body: Body,
) -> Response {
    let mut chunks = body.into_data_stream();
    let done = match relay.space.check(&volume, place.grows.unwrap_or(0)) {
        Ok(()) => write(&relay, &volume, &place, &mut chunks).await,
        Err(full) => Err(full),
    };
    relay.space.touch(&volume);
    match done {
        Ok(()) => StatusCode::OK.into_response(),
        Err(error) => {
            let rest = async { while let Some(Ok(_)) = chunks.next().await {} };
            tokio::time::timeout(PATIENCE, rest).await.ok();
            refusal(&error)
        }
    }
}

/// Has what comes written, as long as there is room.
async fn write(
    relay: &Relay,
    volume: &str,
    place: &Where,
    chunks: &mut BodyDataStream,
) -> Result<(), Error> {
    let (mut errand, mut input) = Errand::begin(relay, volume, UNPACK, place)?;
    let mut unseen = 0;
    loop {
        let chunk = match tokio::time::timeout(STALL, chunks.next()).await {
            Ok(None) => break,
            Ok(Some(Ok(chunk))) => chunk,
            Ok(Some(Err(_))) | Err(_) => {
                let problem = "was broken off; files that came whole until then are there";
                return Err(Error::invalid("body", problem));
            }
        };
        // It ended: its complaint says why.
        if input.write_all(&chunk).await.is_err() {
            break;
        }
        unseen += chunk.len() as u64;
        if place.grows.is_none() {
            relay.space.wrote(volume, chunk.len() as u64);
        }
        if unseen >= LOOK {
            unseen = 0;
            // Who said how much it will be was asked about that before.
            let known = place.grows.is_some();
            relay.space.check_writing(volume, known)?;
        }
    }
    drop(input);
    errand.end(place).await
}

/// Removes what is at a path, with all below it.
pub(super) async fn remove(
    State(relay): State<Relay>,
    Segments(volume): Segments<String>,
    Query(place): Query<Where>,
) -> Response {
    let removed = async {
        if place.relative()? == "./" {
            let problem = "is empty; say what is to be removed";
            return Err(Error::invalid("path", problem));
        }
        let (mut errand, input) = Errand::begin(&relay, &volume, REMOVE, &place)?;
        drop(input);
        errand.end(&place).await
    };
    let removed = removed.await;
    relay.space.touch(&volume);
    match removed {
        Ok(()) => StatusCode::OK.into_response(),
        Err(error) => refusal(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below_the_root() {
        let read = |path: &str| {
            let path = path.to_owned();
            Where { path, grows: None }.relative()
        };
        assert_eq!(read("").unwrap(), "./");
        assert_eq!(read("/a//b/./c/").unwrap(), "./a/b/c");
        assert_eq!(read("-rf").unwrap(), "./-rf");
        assert_eq!(read("..a/b..").unwrap(), "./..a/b..");
        for wrong in ["..", "a/../b", "/..", "a\0b"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
