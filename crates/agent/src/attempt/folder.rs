//! The folder of one attempt: all that is known of it, for whichever agent process looks.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use contracts::agent::v1::Assignment;
use prost::Message as _;

use crate::files;

/// Where the files of one attempt lie.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    root: PathBuf,
    home: PathBuf,
    run: PathBuf,
    socket: PathBuf,
}

impl Folder {
    /// The folder of the attempt `id` below the data folder, and its place for sockets below the run folder.
    pub(crate) fn new(data_dir: &Path, run_dir: &Path, id: &str) -> Self {
        Self {
            root: attempts(data_dir).join(id),
            home: homes(data_dir).join(id),
            run: run_dir.join(id),
            socket: run_dir.join(format!("{id}.sock")),
        }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// What the workload writes its own socket into.
    pub(crate) fn run(&self) -> &Path {
        &self.run
    }

    /// Another name of the workload's socket, in a folder that the workload cannot write to.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.root.join("state.json")
    }

    pub(crate) fn shim(&self) -> PathBuf {
        self.root.join("shim.json")
    }

    pub(crate) fn exit(&self) -> PathBuf {
        self.root.join("exit.json")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    pub(crate) fn token(&self) -> PathBuf {
        self.root.join("token")
    }

    /// Variables of the workload; empty once the workload has taken them.
    pub(crate) fn env(&self) -> PathBuf {
        self.root.join("env")
    }

    /// Files that stand in for the host's in the workload's `/etc`.
    pub(crate) fn etc(&self) -> PathBuf {
        self.root.join("etc")
    }

    /// Home of a workload without a volume.
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// Whether a shim holds the attempt now.
    pub(crate) fn has_shim(&self) -> bool {
        File::open(self.root.join("lock")).is_ok_and(|lock| lock.try_lock_shared().is_err())
    }

    /// Keeps what is to run.
    ///
    /// # Errors
    /// Those of the file system.
    pub(crate) fn keep_assignment(&self, assignment: &Assignment) -> io::Result<()> {
        files::private_folder(&self.root)?;
        files::write(&self.root.join("assignment"), &assignment.encode_to_vec())
    }

    /// What is to run; `None` when nothing usable was kept.
    ///
    /// # Errors
    /// Those of the file system.
    pub(crate) fn assignment(&self) -> io::Result<Option<Assignment>> {
        match fs::read(self.root.join("assignment")) {
            Ok(bytes) => Ok(Assignment::decode(bytes.as_slice()).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes what lies below the run folder.
    ///
    /// # Errors
    /// Those of the file system.
    pub(crate) fn remove_sockets(&self) -> io::Result<()> {
        match fs::remove_file(&self.socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        files::remove_folder(&self.run)
    }
}

/// The folder that holds the folders of all attempts.
pub(crate) fn attempts(data_dir: &Path) -> PathBuf {
    data_dir.join("attempts")
}

/// The folder that holds the homes of attempts without a volume.
pub(crate) fn homes(data_dir: &Path) -> PathBuf {
    data_dir.join("homes")
}
