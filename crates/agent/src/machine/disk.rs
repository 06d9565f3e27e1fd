//! The disk that workloads can have of this machine: what is free, and what they hold already. The scheduler takes off what it has
//! promised, so that this must not shrink when a workload writes what it was promised; nor is it worth a word each time that a
//! file comes or goes.

use std::path::PathBuf;
use std::time::Duration;

use chassis::Result;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::blocking;
use crate::space::walk;

/// Pause between looks, which touch every file of every workload.
const LOOK_EVERY: Duration = Duration::from_secs(600);
/// Only a change by this part of what was told is told.
const STEP: u32 = 20;

/// Looks at the disk now and then.
#[derive(Debug)]
pub(crate) struct Disk {
    /// Where workloads write: their volumes and homes, on one file system.
    folders: Vec<PathBuf>,
    told: watch::Sender<Option<u32>>,
}

impl Disk {
    /// For workloads that write to `folders`; what was found comes from the receiver, in GiB, `None` before the first look.
    pub(crate) fn new(folders: Vec<PathBuf>) -> (Self, watch::Receiver<Option<u32>>) {
        let (told, found) = watch::channel(None);
        (Self { folders, told }, found)
    }

    /// Looks until `cancel`.
    ///
    /// # Errors
    /// When no thread can be had to look with.
    pub(crate) async fn run(self, cancel: CancellationToken) -> Result<()> {
        loop {
            let folders = self.folders.clone();
            let stop = cancel.clone();
            let found = blocking(move || gib(&folders, &stop)).await?;
            self.told.send_if_modified(|told| {
                let next = Some(next(*told, found));
                std::mem::replace(told, next) != next
            });
            tokio::select! {
                () = cancel.cancelled() => return Ok(()),
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }
}

/// What is told after `told` when `found` was found.
fn next(told: Option<u32>, found: u32) -> u32 {
    match told {
        Some(told) if told.abs_diff(found) <= told / STEP => told,
        Some(_) | None => found,
    }
}

fn gib(folders: &[PathBuf], cancel: &CancellationToken) -> u32 {
    let free = folders
        .first()
        .and_then(|folder| rustix::fs::statvfs(folder).ok())
        .map_or(0, |disk| disk.f_bavail.saturating_mul(disk.f_frsize));
    let held_by = |folder: &PathBuf| walk::held(folder, walk::Pace::AtOnce, cancel).unwrap_or(0);
    let held: u64 = folders.iter().map(held_by).sum();
    u32::try_from(free.saturating_add(held) >> 30).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_workloads_hold_is_theirs_already() {
        let root = tempfile::tempdir().unwrap();
        let none = root.path().join("none");
        assert!(gib(&[root.path().to_owned(), none], &CancellationToken::new()) > 0);
    }

    #[test]
    fn small_changes_are_not_told() {
        assert_eq!(next(None, 7), 7);
        for (found, told) in [(105, 100), (95, 100), (106, 106), (94, 94), (0, 0)] {
            assert_eq!(next(Some(100), found), told, "{found}");
        }
        assert_eq!(next(Some(0), 1), 1);
        assert_eq!(next(Some(9), 8), 8, "little is told exactly");
    }
}
