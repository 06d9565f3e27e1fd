//! How much of the disk the files below a folder take. What lies there is hostile: nothing is reached by its path but by its folder and
//! its name, so that no link leads out, and who looks takes little of the machine however much lies there.

use std::collections::HashSet;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{self, AtFlags, Dir, FileType, Mode, OFlags};
use tokio_util::sync::CancellationToken;

/// Deepest nesting of folders that is looked into: each level holds an open one. What lies deeper is not counted.
const DEEPEST: usize = 500;
/// So many names are looked at without a pause.
const STEP: u32 = 2_000;
/// Most files with several names that are told apart; each further name counts as a file of its own.
const MOST_LINKED: usize = 1 << 20;
const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// How a walk treats those who need the machine meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Somebody waits for what is found.
    AtOnce,
    /// Pauses are four times as long as what came before them: a fifth of one processor at most.
    Gentle,
}

/// Bytes of the disk that a folder and all below it take. What goes away meanwhile is not counted, nor is what cannot be looked into.
///
/// # Errors
/// Those of the file system for the folder itself; [`io::ErrorKind::Interrupted`] when the agent is to end.
pub(crate) fn held(folder: &Path, pace: Pace, cancel: &CancellationToken) -> io::Result<u64> {
    let mut walk = Walk {
        pace,
        cancel,
        linked: HashSet::new(),
        names: 0,
        since: Instant::now(),
        bytes: 0,
    };
    let root = fs::open(folder, FOLDER, Mode::empty())?;
    let own = fs::fstat(&root)?;
    walk.count(&own);
    walk.folder(root, 0)?;
    Ok(walk.bytes)
}

struct Walk<'a> {
    pace: Pace,
    cancel: &'a CancellationToken,
    /// Files with several names that were counted.
    linked: HashSet<u64>,
    names: u32,
    /// The last pause.
    since: Instant,
    bytes: u64,
}

impl Walk<'_> {
    fn folder(&mut self, folder: OwnedFd, depth: usize) -> io::Result<()> {
        let Ok(mut entries) = Dir::new(folder) else {
            return Ok(());
        };
        while let Some(Ok(entry)) = entries.read() {
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            self.pause()?;
            let Ok(folder) = entries.fd() else { continue };
            let Ok(seen) = fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) else {
                continue;
            };
            self.count(&seen);
            let is_folder = FileType::from_raw_mode(seen.st_mode) == FileType::Directory;
            if is_folder
                && depth < DEEPEST
                && let Ok(inner) = fs::openat(folder, name, FOLDER, Mode::empty())
            {
                self.folder(inner, depth + 1)?;
            }
        }
        Ok(())
    }

    fn count(&mut self, seen: &fs::Stat) {
        let is_file = FileType::from_raw_mode(seen.st_mode) == FileType::RegularFile;
        if is_file
            && seen.st_nlink > 1
            && self.linked.len() < MOST_LINKED
            && !self.linked.insert(seen.st_ino)
        {
            return;
        }
        let blocks = u64::try_from(seen.st_blocks).unwrap_or(0);
        self.bytes = self.bytes.saturating_add(blocks.saturating_mul(512));
    }

    fn pause(&mut self) -> io::Result<()> {
        self.names += 1;
        if !self.names.is_multiple_of(STEP) {
            return Ok(());
        }
        if self.cancel.is_cancelled() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if self.pace == Pace::Gentle {
            // Not for anything to happen: so that others get the disk and the processor meanwhile.
            std::thread::sleep((self.since.elapsed() * 4).min(Duration::from_secs(1)));
            self.since = Instant::now();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs as std_fs;

    use super::*;

    fn of(folder: &Path) -> u64 {
        held(folder, Pace::AtOnce, &CancellationToken::new()).unwrap()
    }

    #[test]
    fn files_are_counted_once_and_links_lead_nowhere() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("one");
        std_fs::create_dir_all(folder.join("deep/er")).unwrap();
        assert!(of(&folder) < 1 << 16);
        std_fs::write(folder.join("deep/er/file"), vec![1; 1 << 20]).unwrap();
        std_fs::hard_link(folder.join("deep/er/file"), folder.join("again")).unwrap();
        std::os::unix::fs::symlink("/usr", folder.join("link")).unwrap();
        let sparse = std_fs::File::create(folder.join("sparse")).unwrap();
        sparse.set_len(1 << 40).unwrap();
        let found = of(&folder);
        assert!(
            ((1 << 20)..(1 << 20) + (1 << 17)).contains(&found),
            "{found}"
        );
        let link = root.path().join("link");
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        assert!(held(&link, Pace::AtOnce, &CancellationToken::new()).is_err());
    }

    #[test]
    fn an_agent_that_ends_does_not_wait_for_it() {
        let root = tempfile::tempdir().unwrap();
        for name in 0..=STEP {
            std_fs::write(root.path().join(name.to_string()), "").unwrap();
        }
        let cancel = CancellationToken::new();
        held(root.path(), Pace::Gentle, &cancel).unwrap();
        cancel.cancel();
        let error = held(root.path(), Pace::Gentle, &cancel).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Interrupted);
    }
}
