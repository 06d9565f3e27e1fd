//! The private event bus: a `nats-server` that starts and ends with this process, each service with a user that may do there
//! what `bus::permissions` says, and no more.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bus::Password;
use chassis::config::BusConfig;
use rustix::process::{Pid, Signal};
use secrecy::ExposeSecret;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use super::secrets::Secrets;
use crate::profile::write_private;

/// Longest time that it may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause before a server that died is started again.
const RESTART: Duration = Duration::from_millis(200);

/// The running server.
#[derive(Debug)]
pub(super) struct Nats {
    child: Child,
    port: u16,
    /// Its configuration, log, pid file and store.
    folder: PathBuf,
}

/// The users of Quire's services, as a server's configuration has them.
fn users(secrets: &Secrets) -> String {
    bus::authorization(|user| {
        let password = secrets.bus_passwords.get(user);
        Password::Text(password.map_or_else(String::new, |known| known.expose_secret().to_owned()))
    })
}

fn configuration(folder: &Path, port: u16, secrets: &Secrets) -> String {
    format!(
        "listen: \"127.0.0.1:{port}\"\nserver_name: \"quire\"\njetstream: {{ store_dir: \"{}\" }}\n{}",
        folder.join("jetstream").display(),
        users(secrets),
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

/// How the running server is reached.
#[derive(Debug)]
pub(super) struct Bus {
    url: String,
    /// File with the authority of its certificate.
    authority: Option<PathBuf>,
}

impl Bus {
    /// A server that somebody else runs, once it takes the users of Quire's services. Writes these down for whoever configures it.
    pub(super) async fn of_others(
        url: String,
        authority: Option<PathBuf>,
        data_dir: &Path,
        secrets: &Secrets,
    ) -> Result<Self> {
        let file = data_dir.join("nats").join("users.conf");
        fs::create_dir_all(data_dir.join("nats"))?;
        write_private(&file, &users(secrets))?;
        let bus = Self { url, authority };
        let service = "identity";
        let config = bus.config_for(service, secrets);
        tokio::time::timeout(PATIENCE, bus::Bus::connect(&config, service))
            .await
            .context("--nats: the server does not answer")?
            .with_context(|| {
                format!(
                    "--nats: Quire cannot use this server\n  it needs JetStream, and in its configuration the users in {}",
                    file.display()
                )
            })?;
        Ok(bus)
    }

    /// How `service` reaches it.
    pub(super) fn config_for(&self, service: &str, secrets: &Secrets) -> BusConfig {
        BusConfig {
            url: self.url.clone(),
            authority: self.authority.clone(),
            user: service.to_owned(),
            password: secrets
                .bus_passwords
                .get(service)
                .cloned()
                .unwrap_or_default(),
        }
    }
}

impl Nats {
    /// Starts the server on a free port of the loopback interface.
    pub(super) async fn start(data_dir: &Path, secrets: &Secrets) -> Result<Self> {
        let folder = data_dir.join("nats");
        fs::create_dir_all(&folder)?;
        end_left_behind(&folder.join("nats.pid"), &folder.join("nats.conf"))?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        write_private(
            &folder.join("nats.conf"),
            &configuration(&folder, port, secrets),
        )?;
        let child = spawn(&folder)?;
        let mut server = Self {
            child,
            port,
            folder,
        };
        server.wait_until_it_listens().await?;
        Ok(server)
    }

    /// How it is reached.
    pub(super) fn bus(&self) -> Bus {
        Bus {
            url: format!("nats://127.0.0.1:{}", self.port),
            authority: None,
        }
    }

    /// Keeps it running until `end`, then ends it. One that dies is started again with all that it had stored.
    pub(super) async fn keep(mut self, end: CancellationToken) {
        loop {
            tokio::select! {
                () = end.cancelled() => return self.stop().await,
                status = self.child.wait() => {
                    tracing::error!(?status, "nats-server died; starting it again");
                }
            }
            tokio::time::sleep(RESTART).await;
            match spawn(&self.folder) {
                Ok(child) => self.child = child,
                Err(error) => tracing::error!(error = format!("{error:#}"), "starting nats-server"),
            }
        }
    }

    async fn wait_until_it_listens(&mut self) -> Result<()> {
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "nats-server ended at once ({status}); its log lies beside its configuration"
                );
            }
            if started.elapsed() > PATIENCE {
                bail!("nats-server does not listen after {PATIENCE:?}");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    async fn stop(mut self) {
        let pid = self
            .child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        if let Some(pid) = pid {
            rustix::process::kill_process(pid, Signal::TERM).ok();
        }
        self.child.wait().await.ok();
        fs::remove_file(self.folder.join("nats.pid")).ok();
    }
}

fn spawn(folder: &Path) -> Result<Child> {
    let log = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("nats.log"))?;
    let child = Command::new("nats-server")
        .arg("-c")
        .arg(folder.join("nats.conf"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .context("starting nats-server; \"quire doctor\" tells how to install it")?;
    if let Some(id) = child.id() {
        write_private(&folder.join("nats.pid"), &id.to_string())?;
    }
    Ok(child)
}
