//! The private event bus: a `nats-server` that starts and ends with this process, each service with a user that may publish
//! its own subjects only.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use chassis::config::BusConfig;
use rustix::process::{Pid, Signal};
use secrecy::{ExposeSecret, SecretString};

use super::secrets::Secrets;
use crate::profile::write_private;

/// Longest time that it may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// The running server.
#[derive(Debug)]
pub(super) struct Nats {
    child: Child,
    port: u16,
    pid_file: PathBuf,
}

/// Subjects that a service may publish: its own events, what JetStream needs, and answers.
fn may_publish(service: &str) -> Vec<String> {
    let mut subjects: Vec<String> = ["$JS.API.>", "$JS.ACK.>", "_INBOX.>", "quire.dead.>"]
        .map(str::to_owned)
        .to_vec();
    subjects.push(format!("quire.{service}.v1.>"));
    subjects.push(format!("quire.live.{service}.>"));
    if service == "notebook" {
        subjects.push("$KV.routes.>".to_owned());
    }
    subjects
}

fn configuration(folder: &Path, port: u16, secrets: &Secrets) -> String {
    let users: Vec<String> = secrets
        .bus_passwords
        .iter()
        .map(|(name, password)| {
            let subjects: Vec<_> = may_publish(name)
                .into_iter()
                .map(|subject| format!("\"{subject}\""))
                .collect();
            format!(
                "{{ user: \"{name}\", password: \"{}\", permissions: {{ publish: [{}] }} }}",
                password.expose_secret(),
                subjects.join(", ")
            )
        })
        .collect();
    format!(
        "listen: \"127.0.0.1:{port}\"\nserver_name: \"quire\"\njetstream: {{ store_dir: \"{}\" }}\nauthorization: {{ users: [\n  {}\n] }}\n",
        folder.join("jetstream").display(),
        users.join(",\n  ")
    )
}

/// Ends a server that an earlier process of this data folder left behind.
fn end_left_behind(pid_file: &Path, config: &Path) -> Result<()> {
    let Ok(text) = fs::read_to_string(pid_file) else {
        return Ok(());
    };
    let Some(pid) = text.trim().parse().ok().and_then(Pid::from_raw) else {
        return Ok(());
    };
    let is_ours = || {
        let line = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(&config.display().to_string())
    };
    if !is_ours() {
        return Ok(());
    }
    rustix::process::kill_process(pid, Signal::TERM).ok();
    let started = Instant::now();
    while is_ours() {
        if started.elapsed() > PATIENCE {
            bail!(
                "a nats-server of an earlier start (process {}) does not end",
                pid.as_raw_nonzero()
            );
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

impl Nats {
    /// Starts the server on a free port of the loopback interface.
    pub(super) fn start(data_dir: &Path, secrets: &Secrets) -> Result<Self> {
        let folder = data_dir.join("nats");
        fs::create_dir_all(&folder)?;
        let (config, pid_file) = (folder.join("nats.conf"), folder.join("nats.pid"));
        end_left_behind(&pid_file, &config)?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        write_private(&config, &configuration(&folder, port, secrets))?;
        let log = fs::File::create(folder.join("nats.log"))?;
        let child = Command::new("nats-server")
            .arg("-c")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("starting nats-server; \"quire doctor\" tells how to install it")?;
        write_private(&pid_file, &child.id().to_string())?;
        let mut server = Self {
            child,
            port,
            pid_file,
        };
        server.wait_until_it_listens()?;
        Ok(server)
    }

    fn wait_until_it_listens(&mut self) -> Result<()> {
        let started = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "nats-server ended at once ({status}); its log lies beside its configuration"
                );
            }
            if started.elapsed() > PATIENCE {
                bail!("nats-server does not listen after {PATIENCE:?}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// How `service` reaches it.
    pub(super) fn config_for(&self, service: &str, secrets: &Secrets) -> BusConfig {
        BusConfig {
            url: format!("nats://127.0.0.1:{}", self.port),
            user: service.to_owned(),
            password: secrets
                .bus_passwords
                .get(service)
                .cloned()
                .unwrap_or_else(SecretString::default),
        }
    }

    /// Ends it.
    pub(super) fn stop(mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            rustix::process::kill_process(pid, Signal::TERM).ok();
        }
        self.child.wait().ok();
        fs::remove_file(&self.pid_file).ok();
    }
}
