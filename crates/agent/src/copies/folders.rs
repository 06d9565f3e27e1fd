//! The folders of copies: beside each other in the folder of all volumes, so that a rename is all that it takes. A copy grows in
//! `NAME.part`; one that is to take the place of files waits whole in `KEPT.VOLUME`. Whatever is killed when: a name without a full
//! stop is whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use super::tree::{self, Tree};
use crate::files;

/// Ending of what grows.
const PART: &str = "part";

/// Files to copy, by the names of their folders.
#[derive(Clone, Debug)]
pub(super) struct Work {
    pub(super) from: String,
    pub(super) to: String,
    /// What lies at `to` gets this name; empty = nothing lies there.
    pub(super) keep: String,
}

/// The folder of all volumes.
#[derive(Clone, Debug)]
pub(super) struct Folders(pub(super) PathBuf);

impl Folders {
    /// Finishes what was exchanged when an agent died, and removes what was not whole.
    ///
    /// # Errors
    /// Those of the file system.
    pub(super) fn sweep(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.0)? {
            let name = entry?.file_name();
            let Some((kept, rest)) = name.to_str().and_then(|name| name.split_once('.')) else {
                continue;
            };
            match rest {
                PART => files::remove_folder(&self.0.join(&name))?,
                volume => self.settle(kept, volume)?,
            }
        }
        Ok(())
    }

    /// Copies; `own` makes the folder of a volume that begins with this, and gives it a user. Done before, it changes nothing. How
    /// long the files of what was made, or kept, are together, in bytes.
    ///
    /// # Errors
    /// Those of the file system; [`io::ErrorKind::Interrupted`] when the agent is to end.
    pub(super) fn copy(
        &self,
        work: &Work,
        own: impl FnOnce(&Path) -> io::Result<Option<u32>>,
        cancel: &CancellationToken,
    ) -> io::Result<u64> {
        let made = if work.keep.is_empty() {
            &work.to
        } else {
            self.settle(&work.keep, &work.to)?;
            &work.keep
        };
        let made = self.0.join(made);
        if !made.exists() {
            self.copy_whole(work, &made, own, cancel)?;
        }
        tree::length(&made)
    }

    fn copy_whole(
        &self,
        work: &Work,
        made: &Path,
        own: impl FnOnce(&Path) -> io::Result<Option<u32>>,
        cancel: &CancellationToken,
    ) -> io::Result<()> {
        let (from, part) = (self.0.join(&work.from), made.with_extension(PART));
        if !from.exists() {
            let why = format!("{} has no files on this node yet", work.from);
            return Err(io::Error::new(io::ErrorKind::NotFound, why));
        }
        files::remove_folder(&part)?;
        let copied = own(&part).and_then(|owner| Tree { owner, cancel }.copy(&from, &part));
        if let Err(error) = copied {
            files::remove_folder(&part)?;
            return Err(error);
        }
        if work.keep.is_empty() {
            fs::rename(&part, made)?;
            return self.sync();
        }
        fs::rename(&part, self.waiting(&work.keep, &work.to))?;
        self.sync()?;
        fs::rename(self.0.join(&work.to), made)?;
        self.settle(&work.keep, &work.to)
    }

    /// Puts what waits in the place of what was kept; where nothing was kept yet, all is as before.
    fn settle(&self, kept: &str, volume: &str) -> io::Result<()> {
        let waiting = self.waiting(kept, volume);
        if !waiting.exists() {
            return Ok(());
        }
        if !self.0.join(kept).exists() {
            return files::remove_folder(&waiting);
        }
        fs::rename(&waiting, self.0.join(volume))?;
        self.sync()
    }

    fn waiting(&self, kept: &str, volume: &str) -> PathBuf {
        self.0.join(format!("{kept}.{volume}"))
    }

    /// Names are on the disk as well.
    fn sync(&self) -> io::Result<()> {
        fs::File::open(&self.0)?.sync_all()
    }
}

#[cfg(test)]
mod tests;
