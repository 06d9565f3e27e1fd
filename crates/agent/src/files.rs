//! Files that are either as before or as wanted, whatever happens in between.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// Writes `content` for the agent's own user only: after a crash the file is the old one or the new one.
///
/// # Errors
/// Those of the file system.
pub(crate) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let (mut file, temporary) = beside(path)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(folder)?.sync_all()
}

/// As [`write`], but only until the machine is booted: for what is of no use after that.
///
/// # Errors
/// Those of the file system.
pub(crate) fn write_for_now(path: &Path, content: &[u8]) -> io::Result<()> {
    let (mut file, temporary) = beside(path)?;
    file.write_all(content)?;
    fs::rename(&temporary, path)
}

/// A new file in the folder of `path`, with the path that it has until it is whole.
fn beside(path: &Path) -> io::Result<(File, PathBuf)> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temporary = path.with_file_name(name);
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)?;
    Ok((file, temporary))
}

/// As [`write`], away from the threads that serve.
///
/// # Errors
/// Those of the file system.
pub(crate) async fn write_async(path: PathBuf, content: Vec<u8>) -> io::Result<()> {
    tokio::task::spawn_blocking(move || write(&path, &content)).await?
}

/// The JSON in a file; `None` when there is no such file.
///
/// # Errors
/// Those of the file system; invalid data when it is no such JSON.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(io::Error::from),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes a folder that only the agent's own user may enter; one that is there is left as it is.
///
/// # Errors
/// Those of the file system.
pub(crate) fn private_folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

/// Makes a folder that other users may pass through, but not list.
///
/// # Errors
/// Those of the file system.
pub(crate) fn passable_folder(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o711)
        .create(path)
}

/// Removes a folder and all in it; one that is not there is fine. Links inside are removed, never followed.
///
/// # Errors
/// Those of the file system.
pub(crate) fn remove_folder(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn content_is_replaced_whole_and_kept_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        write(&path, b"[1]").unwrap();
        write(&path, b"[2]").unwrap();
        assert_eq!(read_json::<Vec<u32>>(&path).unwrap(), Some(vec![2]));
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(read_json::<u32>(&folder.path().join("none")).unwrap(), None);
        fs::write(&path, "{").unwrap();
        assert!(read_json::<u32>(&path).is_err());
        remove_folder(&folder.path().join("none")).unwrap();
    }
}
