//! The agent's side of shims: starting them, finding them again, and waiting for their end.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::Deserialize;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::process::Command;

use crate::attempt::Folder;
use crate::files;
use crate::moment;
use crate::runtime::{Ending, Exit, Status};
use crate::shim::start_ticks;

/// A shim that has not said a word after this time is not there.
const FIRST_WORD: Duration = Duration::from_secs(10);
/// Pause between looks for its first word.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Pause between looks at a shim that cannot be watched.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How much of a log's end goes into a reason.
const TAIL_BYTES: u64 = 2_048;
const TAIL_LINES: usize = 5;

/// What a shim wrote down at the start.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct ShimRecord {
    pid: u32,
    start_ticks: u64,
    /// The process that it is the parent of.
    pub(super) child: u32,
    started_ms: u64,
    boot_id: String,
}

impl ShimRecord {
    /// The process that the shim is the parent of, while both live.
    pub(super) fn living_child(&self) -> Option<Pid> {
        handle(self)?;
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child)).ok()?;
        let parent: u32 = stat
            .rsplit_once(')')?
            .1
            .split_whitespace()
            .nth(1)?
            .parse()
            .ok()?;
        Pid::from_raw(i32::try_from(self.child).ok()?).filter(|_| parent == self.pid)
    }
}

/// The record of the shim that was started for the attempt, whether it lives or not.
pub(super) fn record(folder: &Folder) -> Option<ShimRecord> {
    files::read_json(&folder.shim()).ok().flatten()
}

fn exit(folder: &Folder) -> Option<Exit> {
    files::read_json(&folder.exit()).ok().flatten()
}

/// Starts a shim and waits for its first word.
///
/// # Errors
/// Why there is none, in words.
pub(super) async fn start(
    folder: &Folder,
    program: &Path,
    args: Vec<OsString>,
) -> Result<(), String> {
    if record(folder).is_none() && !folder.has_shim() {
        let mut child = Command::new(program)
            .arg("shim")
            .args(args)
            // Nothing of the agent's own variables is anybody's business, but where its tools are found.
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| name == "PATH"))
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{} cannot be run: {error}", program.display()))?;
        // Reaped when it ends, if this agent still lives then; its end is seen by other means.
        tokio::task::spawn(async move { child.wait().await.ok() });
    }
    let started = Instant::now();
    while record(folder).is_none() && exit(folder).is_none() {
        if started.elapsed() > FIRST_WORD {
            return Err("the shim did not start".to_owned());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// What there is of the attempt's workload.
pub(super) fn status(folder: &Folder) -> Status {
    match (exit(folder), record(folder)) {
        (Some(_), _) => Status::Over,
        (None, None) if folder.has_shim() => Status::Alive {
            started_ms: moment::up_ms(),
        },
        (None, None) => Status::Absent,
        (None, Some(record)) if handle(&record).is_some() => Status::Alive {
            started_ms: taken_ms(folder).unwrap_or(record.started_ms),
        },
        (None, Some(_)) => Status::Over,
    }
}

/// When the attempt took its sandbox over: what waited before that is not its.
fn taken_ms(folder: &Folder) -> Option<u64> {
    std::fs::read_to_string(folder.taken_ms())
        .ok()?
        .parse()
        .ok()
}

/// Waits until the attempt's shim is gone, and says what it left.
pub(super) async fn ended(folder: &Folder) -> Ending {
    while record(folder).is_none() && exit(folder).is_none() && folder.has_shim() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    while let Some(pidfd) = record(folder).and_then(|record| handle(&record)) {
        // Fails only where no more files can be watched: then looking now and then has to do.
        match watch(pidfd) {
            Ok(pidfd) => drop(pidfd.readable().await),
            Err(_) => tokio::time::sleep(LOOK_AGAIN).await,
        }
        if exit(folder).is_some() {
            break;
        }
    }
    let rebooted = record(folder).is_some_and(|record| record.boot_id != moment::boot_id());
    match exit(folder) {
        Some(_) if !has_begun(folder) => Ending::NotBegun,
        Some(exit) => Ending::Exited(exit),
        None if rebooted => Ending::Rebooted,
        None => Ending::ShimLost,
    }
}

#[expect(
    deprecated,
    reason = "the new way is unsafe; an owned file cannot be closed by others, which is what that is about"
)]
fn watch(pidfd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(pidfd, Interest::READABLE)
}

/// `stage drop` empties the variables when all is made; until then what fails is not the workload's doing.
pub(super) fn has_begun(folder: &Folder) -> bool {
    folder.env().metadata().is_ok_and(|file| file.len() == 0)
}

/// A handle of the living shim. The number alone may have gone to another process since.
fn handle(record: &ShimRecord) -> Option<OwnedFd> {
    let same_boot = record.boot_id == moment::boot_id();
    let pid = Pid::from_raw(i32::try_from(record.pid).ok()?).filter(|_| same_boot)?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    (start_ticks(record.pid) == Some(record.start_ticks)).then_some(pidfd)
}

/// The last lines of a log, on one line.
pub(crate) fn log_tail(folder: &Folder) -> String {
    last_lines(&read_end(&folder.log()).unwrap_or_default())
}

/// As a terminal would show them: what is written over is not seen, as programs do that tell how far they are.
fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .map(|line| {
            line.trim_end()
                .rsplit('\r')
                .next()
                .unwrap_or_default()
                .trim()
        })
        .filter(|line| !line.is_empty())
        .collect();
    let first = lines.len().saturating_sub(TAIL_LINES);
    lines.get(first..).unwrap_or_default().join(" | ")
}

fn read_end(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_log_is_what_a_terminal_would_show() {
        let said = "Receiving:  50%\rReceiving: 100%, done.\r\n\nfatal: no such branch\n";
        assert_eq!(
            last_lines(said),
            "Receiving: 100%, done. | fatal: no such branch"
        );
        assert_eq!(last_lines(""), "");
    }
}
