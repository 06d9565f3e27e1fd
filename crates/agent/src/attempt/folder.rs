//! The folder of one attempt: all that is known of it, for whichever agent process looks.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use contracts::agent::v1::Assignment;
use prost::Message as _;

use crate::files;

/// What a sandbox is called outside, kept in the folder of its shim once an attempt has taken it over.
const NAME: &str = "name";

/// Where the files of one attempt lie, or of one sandbox that waits for an attempt.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    id: String,
    root: PathBuf,
    home: PathBuf,
    run: PathBuf,
    socket: PathBuf,
}

impl Folder {
    /// The folder of the attempt `id` below the data folder, and its place for sockets below the run folder.
    pub(crate) fn new(data_dir: &Path, run_dir: &Path, id: &str) -> Self {
        Self::below(&attempts(data_dir), data_dir, run_dir, id)
    }

    /// The folder of the sandbox `id` that waits for an attempt.
    pub(crate) fn of_waiting(data_dir: &Path, run_dir: &Path, id: &str) -> Self {
        Self::below(&waiting(data_dir), data_dir, run_dir, id)
    }

    fn below(parent: &Path, data_dir: &Path, run_dir: &Path, id: &str) -> Self {
        Self {
            id: id.to_owned(),
            root: parent.join(id),
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

    /// The folder that the attempt's shim works in: this one, or that of the sandbox which it took over.
    pub(crate) fn sandbox(&self) -> PathBuf {
        let taken = self.taken();
        if taken.is_dir() {
            taken
        } else {
            self.root.clone()
        }
    }

    /// Where the folder of a waiting sandbox goes when this attempt takes it over. That it is there says so.
    pub(crate) fn taken(&self) -> PathBuf {
        self.root.join("sandbox")
    }

    /// What the sandbox's limits and network are called on the machine.
    pub(crate) fn sandbox_name(&self) -> String {
        fs::read_to_string(self.taken().join(NAME)).unwrap_or_else(|_| self.id.clone())
    }

    /// Writes the name down, in the folder that will move.
    ///
    /// # Errors
    /// Those of the file system.
    pub(crate) fn keep_sandbox_name(&self) -> io::Result<()> {
        files::write(&self.root.join(NAME), self.id.as_bytes())
    }

    pub(crate) fn shim(&self) -> PathBuf {
        self.sandbox().join("shim.json")
    }

    pub(crate) fn exit(&self) -> PathBuf {
        self.sandbox().join("exit.json")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.sandbox().join("log")
    }

    /// When the attempt took its sandbox over, in milliseconds of the boot.
    pub(crate) fn taken_ms(&self) -> PathBuf {
        self.root.join("taken_ms")
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
        File::open(self.sandbox().join("lock")).is_ok_and(|lock| lock.try_lock_shared().is_err())
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

/// The folder that holds the folders of sandboxes that wait for an attempt.
pub(crate) fn waiting(data_dir: &Path) -> PathBuf {
    data_dir.join("sandboxes")
}

/// The folder that holds the homes of attempts without a volume.
pub(crate) fn homes(data_dir: &Path) -> PathBuf {
    data_dir.join("homes")
}
