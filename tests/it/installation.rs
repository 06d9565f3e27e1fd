//! A whole Quire of its own for a test: `quire up` on free ports in a temporary folder, and the command line that talks to it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use serde_json::Value;
use tempfile::TempDir;
use testkit::wait_for;

/// A running installation; it ends with this value.
pub(crate) struct Installation {
    folder: TempDir,
    process: Option<Child>,
    pub(crate) gateway: u16,
    pub(crate) edge: u16,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The program under test, built beside the tests.
fn quire() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let folder = tests.ancestors().find(|folder| folder.join("quire").is_file());
    folder.expect("scripts/test builds the programs first").join("quire")
}

/// Packages are fetched once for all tests of this machine, not once an installation.
fn package_cache() -> PathBuf {
    quire().parent().unwrap().join("test-package-cache")
}

impl Installation {
    /// The one that most tests share: it ends with the last test that holds it.
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Installation>> = Mutex::new(Weak::new());
        // A test that failed to start it leaves nothing behind that the next could not try again.
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = shared.upgrade() {
            return running;
        }
        let started = Arc::new(Self::start());
        *shared = Arc::downgrade(&started);
        started
    }

    pub(crate) fn start() -> Self {
        chassis::tls::install_provider();
        let folder = tempfile::Builder::new().prefix("q").tempdir().unwrap();
        let mut installation = Self { folder, process: None, gateway: free_port(), edge: free_port() };
        installation.up();
        installation
    }

    /// Starts the process and waits until somebody can log in.
    pub(crate) fn up(&mut self) {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log_path()).unwrap();
        let child = self
            .command()
            .args(["up", "--gateway", &format!("127.0.0.1:{}", self.gateway)])
            .args(["--edge", &format!("127.0.0.1:{}", self.edge)])
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.process = Some(child);
        wait_for("quire up", || {
            let ended = self.process.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "quire up ended: {}", self.log());
            self.try_quire(&["machine-type", "list"]).status.success().then_some(())
        });
    }

    /// Ends the process at once, as a crash would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("d")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(quire());
        command
            .env("QUIRE_DATA_DIR", self.data_dir())
            .env("QUIRE_PROFILE", self.folder.path().join("profile.toml"))
            .env("UV_CACHE_DIR", package_cache())
            .stdin(Stdio::null());
        command
    }

    /// Runs the command line.
    pub(crate) fn try_quire(&self, arguments: &[&str]) -> Output {
        self.command().args(arguments).output().unwrap()
    }

    /// Runs the command line with another login.
    pub(crate) fn quire_as(&self, profile: &Path, arguments: &[&str]) -> Output {
        self.command().env("QUIRE_PROFILE", profile).args(arguments).output().unwrap()
    }

    /// Runs the command line, which must succeed, and reads its JSON.
    pub(crate) fn quire(&self, arguments: &[&str]) -> Value {
        let output = self.try_quire(&[arguments, &["--output", "json"]].concat());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "quire {arguments:?}: {stderr}\n{}", self.log());
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Runs the command line, which must fail, and gives what it says.
    pub(crate) fn refusal(&self, arguments: &[&str]) -> String {
        let output = self.try_quire(arguments);
        assert!(!output.status.success(), "quire {arguments:?} succeeded");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// A profile below this installation's folder.
    pub(crate) fn profile(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.toml"))
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        if self.process.is_none() {
            self.up();
        }
        // Notebooks outlive the process by design: they are stopped first.
        self.try_quire(&["down"]);
        if let Some(mut process) = self.process.take() {
            process.kill().ok();
            process.wait().ok();
        }
    }
}
