//! Users of workloads: one a volume, remembered by who owns the volume's folder.

use std::collections::BTreeSet;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::{fs, io};

use crate::attempt::homes;
use crate::files;

/// Gives users to folders.
#[derive(Debug)]
pub(crate) struct Users {
    first: u32,
    /// Numbers that are given, and those of folders that are gone since this agent started.
    taken: Mutex<BTreeSet<u32>>,
}

impl Users {
    /// Users from the number `first` on, less those that own folders below `data_dir`.
    pub(crate) fn new(data_dir: &Path, first: u32) -> Self {
        let folders = [volumes(data_dir), homes(data_dir)];
        let owner = |path: PathBuf| fs::symlink_metadata(path).ok().map(|folder| folder.uid());
        let taken = folders
            .iter()
            .flat_map(|folder| entries(folder))
            .filter_map(owner)
            .collect();
        Self {
            first,
            taken: Mutex::new(taken),
        }
    }

    /// The user that owns `folder`, which is made and given to a free user when it is not there yet.
    ///
    /// # Errors
    /// Those of the file system.
    pub(crate) fn owner_of(&self, folder: &Path) -> io::Result<u32> {
        // Two that ask for a new folder at once, a workload and an errand over its files, get the same user.
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        files::private_folder(folder)?;
        let owner = fs::symlink_metadata(folder)?.uid();
        if owner >= self.first {
            return Ok(owner);
        }
        let user = (self.first..u32::MAX)
            .find(|user| !taken.contains(user))
            .ok_or_else(|| io::Error::other("no user is left"))?;
        taken.insert(user);
        chown(folder, Some(user), Some(user))?;
        Ok(user)
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
        assert_eq!(users.owner_of(&two).unwrap(), 300_001);
        fs::remove_dir(&one).unwrap();
        let later = Users::new(data.path(), 300_000);
        assert_eq!(later.owner_of(&two).unwrap(), 300_001);
        assert_eq!(
            later.owner_of(&volumes(data.path()).join("vo-3")).unwrap(),
            300_000
        );
        assert_eq!(
            later.owner_of(&volumes(data.path()).join("vo-4")).unwrap(),
            300_003
        );
    }

    #[test]
    fn who_asks_for_a_new_folder_at_once_gets_the_same_user() {
        let data = tempfile::tempdir().unwrap();
        if fs::metadata(data.path()).unwrap().uid() != 0 {
            return; // only root may give files away
        }
        let users = Users::new(data.path(), 300_000);
        for number in 0..50 {
            let folder = volumes(data.path()).join(number.to_string());
            let owners: BTreeSet<_> = std::thread::scope(|scope| {
                let ask = || scope.spawn(|| users.owner_of(&folder).unwrap());
                let asking: Vec<_> = (0..4).map(|_| ask()).collect();
                asking.into_iter().map(|one| one.join().unwrap()).collect()
            });
            let owner = fs::metadata(&folder).unwrap().uid();
            assert_eq!(owners, BTreeSet::from([owner]));
        }
    }
}
