//! Users of workloads: one a volume, remembered by who owns the volume's folder.

use std::collections::BTreeSet;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::{fs, io};

use crate::attempt::homes;
use crate::files;

/// Gives users to folders.
#[derive(Debug)]
pub(crate) struct Users {
    data_dir: PathBuf,
    first: u32,
    /// Held while a free number is looked for and given, so that no two folders get the same.
    giving: Mutex<()>,
}

impl Users {
    pub(crate) fn new(data_dir: &Path, first: u32) -> Self {
        Self {
            data_dir: data_dir.to_owned(),
            first,
            giving: Mutex::default(),
        }
    }

    /// The user that owns `folder`, which is made and given to a free user when it is not there yet.
    ///
    /// # Errors
    /// Those of the file system.
    pub(crate) fn owner_of(&self, folder: &Path) -> io::Result<u32> {
        let _giving = self
            .giving
            .lock()
            .map_err(|_| io::Error::other("giving a user failed before"))?;
        files::private_folder(folder)?;
        let owner = fs::symlink_metadata(folder)?.uid();
        if owner >= self.first {
            return Ok(owner);
        }
        let taken = self.taken();
        let free = (self.first..u32::MAX).find(|user| !taken.contains(user));
        let user = free.ok_or_else(|| io::Error::other("no user is left"))?;
        chown(folder, Some(user), Some(user))?;
        Ok(user)
    }

    fn taken(&self) -> BTreeSet<u32> {
        let folders = [volumes(&self.data_dir), homes(&self.data_dir)];
        let owner = |path: PathBuf| fs::symlink_metadata(path).ok().map(|folder| folder.uid());
        folders
            .iter()
            .flat_map(|folder| entries(folder))
            .filter_map(owner)
            .collect()
    }
}

/// The folder that holds all volumes of a node.
pub(crate) fn volumes(data_dir: &Path) -> PathBuf {
    data_dir.join("volumes")
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_volume_keeps_a_user_of_its_own() {
        let data = tempfile::tempdir().unwrap();
        if fs::metadata(data.path()).unwrap().uid() != 0 {
            return; // only root may give files away
        }
        let users = Users::new(data.path(), 300_000);
        let (one, two) = (
            volumes(data.path()).join("vo-1"),
            volumes(data.path()).join("vo-2"),
        );
        assert_eq!(users.owner_of(&one).unwrap(), 300_000);
        assert_eq!(users.owner_of(&two).unwrap(), 300_001);
        assert_eq!(
            users.owner_of(&homes(data.path()).join("at-1")).unwrap(),
            300_002
        );
        let later = Users::new(data.path(), 300_000);
        assert_eq!(later.owner_of(&two).unwrap(), 300_001);
        fs::remove_dir(&one).unwrap();
        assert_eq!(
            later.owner_of(&volumes(data.path()).join("vo-3")).unwrap(),
            300_000
        );
    }
}
