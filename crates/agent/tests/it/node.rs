//! A node with its agent, in folders of its own, and what is run on it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent::AgentConfig;
use chassis::Result;
use contracts::agent::v1::Assignment;
use contracts::common::v1::Resources;
use contracts::scheduler::v1::WorkloadSpec;
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use kernel::id::{AttemptId, WorkloadId};
use kernel::time::SystemClock;
use tempfile::TempDir;
use testkit::{eventually, wait_for};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::control::Control;

/// The agent's program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_quire-agent");

/// A node that has joined.
pub(crate) struct Node {
    pub(crate) control: Control,
    pub(crate) config: AgentConfig,
    folder: TempDir,
    agent: Option<Agent>,
}

/// An agent in this process, or in one of its own.
enum Agent {
    Task {
        cancel: CancellationToken,
        task: JoinHandle<Result<()>>,
    },
    Process(Child),
}

impl Node {
    /// A node whose agent runs in this process.
    pub(crate) async fn start() -> Self {
        let mut node = Self::stopped().await;
        node.start_task().await;
        node
    }

    /// A node whose agent does not run yet.
    pub(crate) async fn stopped() -> Self {
        let control = Control::start().await;
        let folder = tempfile::tempdir().unwrap();
        let config = config(&control, folder.path());
        agent::join(&config, "token").await.unwrap();
        Self {
            control,
            config,
            folder,
            agent: None,
        }
    }

    pub(crate) async fn start_task(&mut self) {
        let (cancel, ready) = (CancellationToken::new(), CancellationToken::new());
        let told = ready.clone();
        let running = agent::run(
            self.config.clone(),
            Arc::new(SystemClock),
            cancel.clone(),
            move || told.cancel(),
        );
        let mut task = tokio::spawn(running);
        tokio::select! {
            () = ready.cancelled() => {}
            ended = &mut task => panic!("the agent ended at its start: {ended:?}"),
        }
        self.agent = Some(Agent::Task { cancel, task });
    }

    /// Starts the agent as a program of its own, and waits until it is connected.
    pub(crate) async fn start_process(&mut self) {
        self.start_process_with(Command::new(PROGRAM)).await;
    }

    /// Starts the agent by `command`, which ends in its program.
    pub(crate) async fn start_process_with(&mut self, mut command: Command) {
        let before = self.control.hellos().len();
        let child = command
            .args(["run", "--config"])
            .arg(self.config_file())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        self.agent = Some(Agent::Process(child));
        eventually("the agent's greeting", || async {
            (self.control.hellos().len() > before).then_some(())
        })
        .await;
    }

    /// The configuration as a file.
    pub(crate) fn config_file(&self) -> PathBuf {
        let file = self.folder.path().join("agent.toml");
        fs::write(&file, toml(&self.config)).unwrap();
        file
    }

    /// Kills the agent's program, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        let Some(Agent::Process(mut child)) = self.agent.take() else {
            panic!("the agent is no process")
        };
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Stops the agent in this process; what runs goes on.
    pub(crate) async fn stop(&mut self) {
        let Some(Agent::Task { cancel, task }) = self.agent.take() else {
            panic!("the agent does not run here")
        };
        cancel.cancel();
        task.await.unwrap().unwrap();
        // A program that another test is just starting has the agent's files open until it runs.
        let lock = File::create(self.config.data_dir.join("lock")).unwrap();
        wait_for("the lock", || lock.try_lock().ok());
        lock.unlock().unwrap();
    }

    pub(crate) fn attempt(&self, assignment: &Assignment) -> PathBuf {
        self.config
            .data_dir
            .join("attempts")
            .join(&assignment.attempt_id)
    }

    pub(crate) fn volume(&self, volume: &str) -> PathBuf {
        self.config.data_dir.join("volumes").join(volume)
    }

    /// Asks the relay; gives the status and the body.
    pub(crate) async fn ask(&self, path: &str) -> (u16, String) {
        let socket = self
            .config
            .relay_dir
            .join(format!("{}.sock", self.control.node));
        get(&socket, path, "").await.expect("the relay answers")
    }

    /// The log of an attempt, once it is where it stays.
    pub(crate) async fn log(&self, assignment: &Assignment) -> String {
        let path = format!(
            "/v1/workloads/{}/{}/logs",
            assignment.workload_id, assignment.generation
        );
        eventually("the log", || async {
            let (status, body) = self.ask(&path).await;
            (status == 200).then_some(body)
        })
        .await
    }

    /// What the agent calls itself where several share a machine.
    fn instance(&self) -> String {
        let path = fs::canonicalize(&self.config.data_dir).unwrap();
        chassis::seal::sha256_hex(&path.to_string_lossy())[..8].to_owned()
    }

    /// What this node's agent has laid in the firewall; empty without one.
    pub(crate) fn rules(&self) -> String {
        let table = format!("quire_{}", self.instance());
        let output = Command::new("nft")
            .args(["list", "table", "inet", &table])
            .output();
        output
            .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
            .unwrap_or_default()
    }

    /// Groups, namespaces and rules that this node's agent has made on the machine.
    pub(crate) fn traces(&self, attempt: &str) -> Vec<PathBuf> {
        let instance = self.instance();
        let groups = ["memory", "cpu", "pids", "unified"]
            .map(|name| format!("/sys/fs/cgroup/{name}/quire/{instance}/{attempt}"));
        let mut paths: Vec<PathBuf> = groups.iter().map(PathBuf::from).collect();
        paths.push(format!("/sys/fs/cgroup/quire/{instance}/{attempt}").into());
        paths.push(format!("/run/netns/quire-{instance}-{attempt}").into());
        paths.retain(|path| path.exists());
        paths
    }
}

impl Drop for Node {
    /// Ends what still runs and removes what was made on the machine.
    fn drop(&mut self) {
        match self.agent.take() {
            Some(Agent::Process(mut child)) => {
                child.kill().ok();
                child.wait().ok();
            }
            Some(Agent::Task { task, .. }) => task.abort(),
            None => {}
        }
        let lock = File::create(self.config.data_dir.join("lock")).unwrap();
        wait_for("the agent's end", || lock.try_lock().ok());
        let instance = self.instance();
        for entry in fs::read_dir(self.config.data_dir.join("attempts"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let record = fs::read_to_string(entry.path().join("shim.json")).unwrap_or_default();
            let record: serde_json::Value = serde_json::from_str(&record).unwrap_or_default();
            let Some(shim) = record["pid"]
                .as_u64()
                .filter(|_| !entry.path().join("exit.json").exists())
            else {
                continue;
            };
            let pid = rustix::process::Pid::from_raw(i32::try_from(shim).unwrap()).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
            wait_for("the shim's end", || (!is_alive(shim)).then_some(()));
        }
        let quiet = |program: &str, args: &[&str]| {
            Command::new(program).args(args).output().ok();
        };
        quiet(
            "nft",
            &["delete", "table", "inet", &format!("quire_{instance}")],
        );
        for entry in fs::read_dir("/run/netns").into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(&format!("quire-{instance}-")) {
                quiet("ip", &["netns", "delete", &name]);
            }
        }
        for tree in ["", "memory", "cpu", "pids", "unified"] {
            let parent = Path::new("/sys/fs/cgroup")
                .join(tree)
                .join("quire")
                .join(&instance);
            for group in fs::read_dir(&parent).into_iter().flatten().flatten() {
                wait_for("an empty group", || {
                    (!group.path().is_dir() || fs::remove_dir(group.path()).is_ok()).then_some(())
                });
            }
            fs::remove_dir(&parent).ok();
        }
    }
}

fn config(control: &Control, folder: &Path) -> AgentConfig {
    AgentConfig {
        data_dir: folder.join("data"),
        run_dir: folder.join("run"),
        relay_dir: folder.join("relay"),
        scheduler: control.address().clone(),
        inventory: control.address().clone(),
        volume: control.address().clone(),
        identity: control.identity.address().clone(),
        name: "node".to_owned(),
        program: Some(PROGRAM.into()),
        stop_grace_seconds: 2,
        ready_timeout_seconds: 60,
        ..AgentConfig::default()
    }
}

/// JSON's texts, numbers and lists are written as TOML's are.
fn toml(config: &AgentConfig) -> String {
    let serde_json::Value::Object(keys) = serde_json::to_value(config).unwrap() else {
        panic!("a table")
    };
    let set = keys.into_iter().filter(|(_, value)| !value.is_null());
    set.map(|(key, value)| format!("{key} = {value}\n"))
        .collect()
}

pub(crate) fn is_alive(pid: u64) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')')
        .is_some_and(|(_, fields)| !fields.trim_start().starts_with('Z'))
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Says that this machine does not let a test try what it is for. Where `CI` is set that is a failure: what is skipped there is
/// tried nowhere.
pub(crate) fn skip(lack: &str) {
    eprintln!("skipped: {lack}");
    let must_not = std::env::vars_os().any(|(name, _)| name == "CI");
    assert!(!must_not, "this must not be skipped here: {lack}");
}

/// An attempt of a new workload that runs `command` without a server, with half a core and 256 MiB.
pub(crate) fn job(command: &[&str]) -> Assignment {
    let spec = WorkloadSpec {
        kind: "job".to_owned(),
        resources: Some(Resources {
            milli_cores: 1_000,
            memory_mib: 256,
            ..Resources::default()
        }),
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        ..WorkloadSpec::default()
    };
    Assignment {
        attempt_id: AttemptId::generate().to_string(),
        workload_id: WorkloadId::generate().to_string(),
        generation: 1,
        spec: Some(spec),
        ..Assignment::default()
    }
}

/// A shell script as a job.
pub(crate) fn script(text: &str) -> Assignment {
    job(&["sh", "-c", text])
}

/// The specification, to be changed.
pub(crate) fn spec(assignment: &mut Assignment) -> &mut WorkloadSpec {
    assignment.spec.as_mut().unwrap()
}

/// Makes a program of what `content` holds. By another process: a file that this one has open for writing while some other
/// test starts a program could not be run.
pub(crate) fn write_program(path: &Path, content: File) {
    let made = Command::new("sh")
        .args(["-c", "cat > \"$0\" && chmod 755 \"$0\""])
        .arg(path)
        .stdin(content)
        .status();
    assert!(made.unwrap().success());
}

/// A script as a program.
pub(crate) fn write_script(path: &Path, text: &str) {
    let source = path.with_extension("source");
    fs::write(&source, text).unwrap();
    write_program(path, File::open(source).unwrap());
}

/// Waits until the log of an attempt says `text`.
pub(crate) async fn logged(node: &Node, assignment: &Assignment, text: &str) -> String {
    let started = Instant::now();
    loop {
        let path = format!(
            "/v1/workloads/{}/{}/logs",
            assignment.workload_id, assignment.generation
        );
        let (_, log) = node.ask(&path).await;
        if log.contains(text) {
            return log;
        }
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "waited for {text:?} in {log:?}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// One HTTP question over a socket.
pub(crate) async fn get(socket: &Path, path: &str, token: &str) -> Option<(u16, String)> {
    let stream = UnixStream::connect(socket).await.ok()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .ok()?;
    let connection = tokio::spawn(connection);
    let request = http::Request::get(path)
        .header("host", "localhost")
        .header("authorization", format!("token {token}"))
        .body(http_body_util::Empty::<bytes::Bytes>::new())
        .unwrap();
    let response = sender.send_request(request).await.ok()?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.ok()?.to_bytes();
    connection.abort();
    Some((status, String::from_utf8_lossy(&body).into_owned()))
}
