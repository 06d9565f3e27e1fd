//! Where a workload's web server is reached. The workload makes the socket in a folder of its own, and could put a link to any
//! other socket of the host there; whoever connects would follow it with the rights of the host. So the socket itself, looked
//! at without following links, gets a second name in a folder that the workload cannot write to, and only that name is told.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, fstat, linkat, open};

use crate::attempt::Folder;

/// The safe name of the attempt's socket; `None` when there is no socket.
pub(super) fn link(folder: &Folder) -> Option<PathBuf> {
    let (made, safe) = (folder.run().join("http.sock"), folder.socket());
    let seen = fs::symlink_metadata(&made)
        .ok()
        .filter(|file| file.file_type().is_socket())?;
    let same = fs::symlink_metadata(safe)
        .is_ok_and(|file| file.ino() == seen.ino() && file.dev() == seen.dev());
    if !same && let Err(error) = name_again(&made, safe) {
        tracing::warn!(path = %made.display(), %error, "a workload's socket cannot be used");
        return None;
    }
    Some(safe.to_owned())
}

fn name_again(made: &Path, safe: &Path) -> io::Result<()> {
    let socket = open(
        made,
        OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    if FileType::from_raw_mode(fstat(&socket)?.st_mode) != FileType::Socket {
        return Err(io::Error::other("it is not a socket"));
    }
    match fs::remove_file(safe) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    use std::os::fd::AsRawFd as _;
    // The way by which the kernel names an open file, whatever its first name leads to by now.
    let opened = format!("/proc/self/fd/{}", socket.as_raw_fd());
    linkat(CWD, opened, CWD, safe, AtFlags::SYMLINK_FOLLOW)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    #[test]
    fn a_socket_is_reached_and_a_link_to_one_is_not() {
        let data = tempfile::tempdir().unwrap();
        let folder = Folder::new(data.path(), data.path(), "at-1");
        fs::create_dir(folder.run()).unwrap();
        assert_eq!(link(&folder), None);

        let precious = data.path().join("precious.sock");
        let _host = UnixListener::bind(&precious).unwrap();
        let made = folder.run().join("http.sock");
        symlink(&precious, &made).unwrap();
        assert_eq!(link(&folder), None);

        fs::remove_file(&made).unwrap();
        let server = UnixListener::bind(&made).unwrap();
        let safe = link(&folder).unwrap();
        UnixStream::connect(&safe).unwrap();
        server.accept().unwrap();

        drop(server);
        fs::remove_file(&made).unwrap();
        let server = UnixListener::bind(&made).unwrap();
        assert_eq!(link(&folder), Some(safe.clone()));
        UnixStream::connect(&safe).unwrap();
        server.accept().unwrap();
    }
}
