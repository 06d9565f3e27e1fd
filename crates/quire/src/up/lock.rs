//! One process per data folder.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::fs::FlockOperation;
use rustix::process::Pid;

/// Longer than anybody takes to look whether the lock is held.
const LOOKS: Duration = Duration::from_millis(200);

/// The lock on a data folder, for as long as this value lives.
#[derive(Debug)]
pub(super) struct Lock(#[allow(dead_code, reason = "held open, not read")] File);

fn open(data_dir: &Path) -> Result<File> {
    let path = data_dir.join("lock");
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .with_context(|| format!("opening {}", path.display()))
}

fn pid_in(file: &mut File) -> Option<Pid> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    Pid::from_raw(text.trim().parse().ok()?)
}

/// Locks `data_dir` for this process.
pub(super) fn take(data_dir: &Path) -> Result<Lock> {
    let mut file = open(data_dir)?;
    let started = Instant::now();
    // Who only looks holds it for a moment.
    while rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        if started.elapsed() < LOOKS {
            std::thread::sleep(Duration::from_millis(5));
            continue;
        }
        let holder = pid_in(&mut file).map_or_else(String::new, |pid| {
            format!(" (process {})", pid.as_raw_nonzero())
        });
        bail!(
            "a Quire runs already on {}{holder}; \"quire down\" stops it",
            data_dir.display()
        );
    }
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "{}", std::process::id())?;
    Ok(Lock(file))
}

/// The process that holds the lock on `data_dir`; `None` when nobody does.
pub(crate) fn running(data_dir: &Path) -> Result<Option<Pid>> {
    if !fs::exists(data_dir.join("lock"))? {
        return Ok(None);
    }
    let mut file = open(data_dir)?;
    // Shared: others who look are not mistaken for the holder.
    if rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared).is_ok() {
        return Ok(None);
    }
    Ok(pid_in(&mut file))
}
