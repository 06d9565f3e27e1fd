//! Copies a folder and all below it. What lies there is hostile: nothing is reached by its path but by its folder and its name, so that
//! no link leads out; links are copied as links. Content, owners, modes and times are kept; what has no content (devices, sockets,
//! pipes) is left out, and files that were one file under two names become two.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, Dir, FileType, Gid, Mode, OFlags, SeekFrom, Stat, Timespec, Timestamps, Uid,
};
use rustix::{fs, io::Errno};
use tokio_util::sync::CancellationToken;

/// Deepest nesting of folders that is copied: each level holds two open folders.
const DEEPEST: usize = 200;
/// Most bytes between two looks whether the agent is to end.
const STEP: u64 = 64 << 20;
const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);
const PRIVATE: Mode = Mode::RWXU;

/// One copying.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    /// Who owns all of the copy; `None` = who owns what is copied.
    pub(super) owner: Option<u32>,
    pub(super) cancel: &'a CancellationToken,
}

impl Tree<'_> {
    /// Copies what is in `from` into `to`, an empty folder, and waits until it lies on the disk.
    ///
    /// # Errors
    /// Those of the file system; [`io::ErrorKind::Interrupted`] when the agent is to end.
    pub(super) fn copy(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (open(from)?, open(to)?);
        self.folder(&from, &to, 0)?;
        fs::syncfs(&to)?;
        Ok(())
    }

    fn folder(&self, from: &OwnedFd, to: &OwnedFd, depth: usize) -> io::Result<()> {
        if depth > DEEPEST {
            return Err(io::Error::other(format!(
                "folders lie deeper in each other than {DEEPEST}"
            )));
        }
        for name in names(from)? {
            if self.cancel.is_cancelled() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            self.entry(from, to, &name, depth)
                .map_err(|error| named(&name, &error))?;
        }
        self.dress(to.as_fd(), &fs::fstat(from)?)
    }

    fn entry(&self, from: &OwnedFd, to: &OwnedFd, name: &CString, depth: usize) -> io::Result<()> {
        let seen = fs::statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
        match FileType::from_raw_mode(seen.st_mode) {
            FileType::Directory => {
                let inner = fs::openat(from, name, FOLDER, Mode::empty())?;
                fs::mkdirat(to, name, PRIVATE)?;
                let made = fs::openat(to, name, FOLDER, Mode::empty())?;
                self.folder(&inner, &made, depth + 1)
            }
            FileType::RegularFile => self.file(from, to, name),
            FileType::Symlink => {
                let target = fs::readlinkat(from, name, Vec::new())?;
                fs::symlinkat(&target, to, name)?;
                let (user, group) = self.owner_of(&seen);
                fs::chownat(to, name, user, group, AtFlags::SYMLINK_NOFOLLOW)?;
                fs::utimensat(to, name, &times(&seen), AtFlags::SYMLINK_NOFOLLOW)?;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn file(&self, from: &OwnedFd, to: &OwnedFd, name: &CString) -> io::Result<()> {
        // A pipe that has taken the place of the file by now must not make this wait.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let source = fs::openat(from, name, flags, Mode::empty())?;
        let seen = fs::fstat(&source)?;
        if FileType::from_raw_mode(seen.st_mode) != FileType::RegularFile {
            return Ok(());
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let made = fs::openat(to, name, flags, Mode::RUSR | Mode::WUSR)?;
        // Where the file system can, both share their blocks until one is written to.
        if fs::ioctl_ficlone(&made, &source).is_err() {
            self.content(&source, &made, &seen)?;
        }
        self.dress(made.as_fd(), &seen)
    }

    /// Copies what is written of a file; holes stay holes, so that a file longer than the disk harms nobody.
    fn content(&self, source: &OwnedFd, made: &OwnedFd, seen: &Stat) -> io::Result<()> {
        let length = u64::try_from(seen.st_size).unwrap_or(0);
        let mut at = 0;
        while at < length {
            let begins = match fs::seek(source, SeekFrom::Data(at)) {
                Ok(begins) => begins,
                Err(Errno::NXIO) => break,
                Err(error) => return Err(error.into()),
            };
            let ends = fs::seek(source, SeekFrom::Hole(begins))?.min(length);
            at = self.stretch(source, made, begins, ends)?;
        }
        fs::ftruncate(made, length)?;
        Ok(())
    }

    /// Copies from one place of a file to another; where it ended.
    fn stretch(&self, source: &OwnedFd, made: &OwnedFd, from: u64, to: u64) -> io::Result<u64> {
        let (mut read, mut written) = (from, from);
        while read < to {
            if self.cancel.is_cancelled() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let step = usize::try_from((to - read).min(STEP)).unwrap_or(usize::MAX);
            let copied =
                fs::copy_file_range(source, Some(&mut read), made, Some(&mut written), step)?;
            if copied == 0 {
                // It became shorter.
                return Ok(to);
            }
        }
        Ok(read)
    }

    /// Gives a copy the owner, mode and times of what was copied. The owner first: that takes bits of the mode away.
    fn dress(&self, made: BorrowedFd<'_>, seen: &Stat) -> io::Result<()> {
        let (user, group) = self.owner_of(seen);
        fs::fchown(made, user, group)?;
        fs::fchmod(made, Mode::from_raw_mode(seen.st_mode))?;
        fs::futimens(made, &times(seen))?;
        Ok(())
    }

    fn owner_of(&self, seen: &Stat) -> (Option<Uid>, Option<Gid>) {
        let user = self.owner.unwrap_or(seen.st_uid);
        let group = self.owner.unwrap_or(seen.st_gid);
        (Some(Uid::from_raw(user)), Some(Gid::from_raw(group)))
    }
}

/// How long the files below a folder are together, in bytes.
///
/// # Errors
/// Those of the file system.
pub(super) fn length(folder: &Path) -> io::Result<u64> {
    length_below(&open(folder)?, 0)
}

fn length_below(folder: &OwnedFd, depth: usize) -> io::Result<u64> {
    let mut sum = 0_u64;
    for name in names(folder)? {
        let seen = fs::statat(folder, &name, AtFlags::SYMLINK_NOFOLLOW)?;
        let more = match FileType::from_raw_mode(seen.st_mode) {
            FileType::Directory if depth < DEEPEST => {
                let inner = fs::openat(folder, &name, FOLDER, Mode::empty())?;
                length_below(&inner, depth + 1)?
            }
            FileType::RegularFile => u64::try_from(seen.st_size).unwrap_or(0),
            _ => 0,
        };
        sum = sum.saturating_add(more);
    }
    Ok(sum)
}

fn open(path: &Path) -> io::Result<OwnedFd> {
    Ok(fs::open(path, FOLDER, Mode::empty())?)
}

/// What is in a folder. All names at once: a folder that is being read would stay open below every level.
fn names(folder: &OwnedFd) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let name = entry?.file_name().to_owned();
        if name.as_bytes() != b"." && name.as_bytes() != b".." {
            names.push(name);
        }
    }
    Ok(names)
}

fn named(name: &CString, error: &io::Error) -> io::Error {
    let text = match error.kind() {
        io::ErrorKind::StorageFull => format!("no space is left at {name:?}"),
        _ => format!("{name:?}: {error}"),
    };
    io::Error::new(error.kind(), text)
}

fn times(seen: &Stat) -> Timestamps {
    let time = |seconds, nanoseconds| Timespec {
        tv_sec: seconds,
        tv_nsec: nanoseconds,
    };
    Timestamps {
        last_access: time(
            seen.st_atime,
            i64::try_from(seen.st_atime_nsec).unwrap_or(0),
        ),
        last_modification: time(
            seen.st_mtime,
            i64::try_from(seen.st_mtime_nsec).unwrap_or(0),
        ),
    }
}

#[cfg(test)]
mod tests;
