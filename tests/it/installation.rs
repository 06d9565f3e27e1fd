//! A whole Quire of its own for a test: `quire up` on free ports in a temporary folder, and the command line that talks to it.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak, mpsc};
use std::time::Duration;

use chassis::tls::Trust;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use testkit::{free_port, wait_for};

use crate::jupyter::Jupyter;
use crate::split::Split;
use crate::wiring::Wiring;

/// No command of a test takes so long: the longest waits for an environment that is built while all cores are busy.
const ENDS_WITHIN: Duration = Duration::from_secs(300);

/// A running installation; it ends with this value.
pub(crate) struct Installation {
    folder: TempDir,
    topology: Topology,
    /// What `quire up` is told besides its ports.
    up_arguments: Vec<String>,
    /// Authorities that its programs and workloads trust, where these are not the machine's.
    trusted: Option<PathBuf>,
    pub(crate) gateway: u16,
    pub(crate) edge: u16,
    pub(crate) relay: u16,
    /// The first user's key, where this has been told.
    pub(crate) key: String,
}

/// How the programs are arranged.
enum Topology {
    /// `quire up`; `None` while it is killed.
    OneProcess(Option<Child>),
    Split(Box<Split>),
}

/// A program under test, built beside the tests.
pub(crate) fn program(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let folder = tests.ancestors().find(|folder| folder.join(name).is_file());
    folder
        .expect("scripts/test builds the programs first")
        .join(name)
}

/// Packages are fetched once for all tests of this machine, not once an installation.
pub(crate) fn package_cache() -> PathBuf {
    program("quire")
        .parent()
        .unwrap()
        .join("test-package-cache")
}

/// Runs a command to its end, which must come.
pub(crate) fn output_of(command: &mut Command) -> Output {
    ended(command).unwrap_or_else(|problem| panic!("{problem}"))
}

/// Runs a command to its end; what it said where that does not come.
fn ended(command: &mut Command) -> Result<Output, String> {
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = Pid::from_child(&child);
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    if let Ok(output) = receiver.recv_timeout(ENDS_WITHIN) {
        return Ok(output.unwrap());
    }
    kill_process(pid, Signal::KILL).unwrap();
    let output = receiver.recv().unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!(
        "{command:?} did not end within {ENDS_WITHIN:?}: {said}"
    ))
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

    fn new() -> Self {
        chassis::tls::install_provider();
        let folder = tempfile::Builder::new().prefix("q").tempdir().unwrap();
        Self {
            folder,
            topology: Topology::OneProcess(None),
            up_arguments: Vec::new(),
            trusted: None,
            gateway: free_port(),
            edge: free_port(),
            relay: free_port(),
            key: String::new(),
        }
    }

    /// All services in one process, on SQLite.
    pub(crate) fn start() -> Self {
        let mut installation = Self::new();
        installation.up();
        installation
    }

    /// All services in one process that answers others, too: with TLS, here on loopback.
    pub(crate) fn start_with_tls() -> Self {
        let mut installation = Self::new();
        installation.up_arguments = ["--listen", "127.0.0.1"].map(str::to_owned).to_vec();
        installation.up();
        installation
    }

    /// The same, whose programs and workloads trust the authorities in this file.
    pub(crate) fn start_trusting(authorities: &Path) -> Self {
        let mut installation = Self::new();
        installation.trusted = Some(authorities.to_owned());
        installation.up();
        installation
    }

    /// The same for nodes on other hosts, which reach this one at `address`.
    pub(crate) fn start_for_hosts(address: Ipv4Addr) -> Self {
        let mut installation = Self::new();
        let arguments = ["--listen", "0.0.0.0", "--host", &address.to_string()];
        installation.up_arguments = arguments.map(str::to_owned).to_vec();
        installation.up();
        installation
    }

    /// Every service as a process of its own, on PostgreSQL and NATS, all of them over TLS.
    pub(crate) fn start_split() -> Self {
        Self::start_wired(Wiring::default())
    }

    /// The same, wired in another way.
    pub(crate) fn start_wired(wiring: Wiring) -> Self {
        let mut installation = Self::new();
        let (split, key) = Split::start(
            installation.folder.path(),
            installation.gateway,
            installation.edge,
            wiring,
        );
        installation.key = key.clone();
        installation.topology = Topology::Split(Box::new(split));
        let profile = installation.profile("profile");
        wait_for("a first login", || {
            let login = installation.login(&profile, &key);
            login.status.success().then_some(())
        });
        installation.start_agent("agent");
        installation.wait_for_node();
        installation
    }

    /// Joins this machine as a node of a split installation and starts its agent under this name.
    pub(crate) fn start_agent(&mut self, name: &str) {
        let token = wait_for("a join token", || {
            let output = self.try_quire(&["node", "join-token", "--output", "json"]);
            let token: Value = serde_json::from_slice(&output.stdout).ok()?;
            Some(token["token"].as_str()?.to_owned())
        });
        self.split().start_agent(name, &token);
    }

    /// The programs of a split installation.
    pub(crate) fn split(&mut self) -> &mut Split {
        match &mut self.topology {
            Topology::Split(split) => split,
            Topology::OneProcess(_) => panic!("all services are in one process"),
        }
    }

    /// Starts the one process and waits until it can host something.
    pub(crate) fn up(&mut self) {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log_path())
            .unwrap();
        let child = self
            .command()
            .args(["up", "--gateway", &format!("127.0.0.1:{}", self.gateway)])
            .args(["--edge", &format!("127.0.0.1:{}", self.edge)])
            .args(["--relay", &format!("127.0.0.1:{}", self.relay)])
            .args(&self.up_arguments)
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.topology = Topology::OneProcess(Some(child));
        self.wait_for_node();
    }

    /// Where the gateway answers.
    pub(crate) fn server(&self) -> String {
        let scheme = match &self.topology {
            Topology::OneProcess(_) => "http",
            Topology::Split(_) => "https",
        };
        format!("{scheme}://127.0.0.1:{}", self.gateway)
    }

    /// Whom its users trust.
    pub(crate) fn trust(&self) -> Trust {
        match &self.topology {
            Topology::OneProcess(_) => Trust::public(),
            Topology::Split(split) => Trust::from_file(Some(&split.authority())).unwrap(),
        }
    }

    /// Logs in with `key`.
    pub(crate) fn login(&self, profile: &Path, key: &str) -> Output {
        let mut arguments = vec!["login".to_owned(), "--api-key".to_owned(), key.to_owned()];
        arguments.extend(["--server".to_owned(), self.server()]);
        if let Topology::Split(split) = &self.topology {
            let file = split.authority();
            arguments.extend(["--authority".to_owned(), file.display().to_string()]);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.quire_as(profile, &arguments)
    }

    /// A notebook, from the JSON of `quire notebook`, as its user reaches it.
    pub(crate) fn jupyter(&self, notebook: &Value) -> Jupyter {
        Jupyter::new(notebook, &self.trust())
    }

    fn wait_for_node(&mut self) {
        wait_for("a node that can host something", || {
            if let Topology::OneProcess(Some(process)) = &mut self.topology {
                let ended = process.try_wait().unwrap();
                assert!(ended.is_none(), "quire up ended: {}", self.log());
            }
            let output = self.try_quire(&["machine-type", "list", "--output", "json"]);
            let types: Value = serde_json::from_slice(&output.stdout).ok()?;
            types
                .as_array()?
                .iter()
                .any(|machine| machine["available"] == true)
                .then_some(())
        });
    }

    /// Ends the one process at once, as a crash would.
    pub(crate) fn kill(&mut self) {
        if let Topology::OneProcess(process) = &mut self.topology
            && let Some(mut process) = process.take()
        {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    pub(crate) fn log(&self) -> String {
        match &self.topology {
            Topology::OneProcess(_) => std::fs::read_to_string(self.log_path()).unwrap_or_default(),
            Topology::Split(split) => split.logs(),
        }
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("d")
    }

    /// The command line on this installation, not run yet.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(program("quire"));
        command
            .env("QUIRE_DATA_DIR", self.data_dir())
            .env("QUIRE_PROFILE", self.folder.path().join("profile.toml"))
            .env("UV_CACHE_DIR", package_cache())
            .stdin(Stdio::null());
        if let Some(authorities) = &self.trusted {
            command.env("SSL_CERT_FILE", authorities);
        }
        command
    }

    /// Runs the command line.
    pub(crate) fn try_quire(&self, arguments: &[&str]) -> Output {
        output_of(self.command().args(arguments))
    }

    /// Starts the command line, whose output can be read.
    pub(crate) fn spawn_quire(&self, arguments: &[&str]) -> Child {
        let mut command = self.command();
        command.args(arguments).stdout(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Runs the command line with another login.
    pub(crate) fn quire_as(&self, profile: &Path, arguments: &[&str]) -> Output {
        let mut command = self.command();
        output_of(command.env("QUIRE_PROFILE", profile).args(arguments))
    }

    /// The profile of the owner of a new team, who is no operator.
    pub(crate) fn other_team(&self, name: &str) -> PathBuf {
        let owner = format!("reader@{name}.example");
        let team = self.quire(&["team", "create", name, "--owner", &owner]);
        let profile = self.profile(name);
        let server = format!("http://127.0.0.1:{}", self.gateway);
        let key = team["key"].as_str().unwrap();
        let login = self.quire_as(&profile, &["login", "--server", &server, "--api-key", key]);
        assert!(login.status.success());
        profile
    }

    /// Runs the command line, which must succeed, and reads its JSON.
    pub(crate) fn quire(&self, arguments: &[&str]) -> Value {
        let output = self.try_quire(&[arguments, &["--output", "json"]].concat());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "quire {arguments:?}: {stderr}\n{}",
            self.log()
        );
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
        // Notebooks outlive the programs by design: they are stopped first. Whoever does that may be dead in a test that failed.
        if let Topology::Split(split) = &mut self.topology
            && std::thread::panicking()
        {
            split.raise_dead();
        }
        // A panic here, beside that of a test that failed, would end all tests.
        let tried = |arguments: &[&str]| {
            ended(self.command().args(arguments)).map_or_else(
                |problem| {
                    eprintln!("{problem}");
                    Vec::new()
                },
                |output| output.stdout,
            )
        };
        let listed = tried(&["notebook", "list", "--output", "json"]);
        let notebooks: Value = serde_json::from_slice(&listed).unwrap_or_default();
        for notebook in notebooks.as_array().into_iter().flatten() {
            let id = notebook["id"].as_str().unwrap_or_default();
            tried(&["notebook", "stop", id]);
        }
        tried(&["down"]);
        self.kill();
    }
}
