//! A private `nats-server` with JetStream.

use std::fs;
use std::process::{Command, Stdio};

use chassis::config::BusConfig;
use tempfile::TempDir;

use crate::{Program, wait_for};

/// A private event bus; it ends with this value.
#[derive(Debug)]
pub struct Nats {
    program: Program,
    folder: TempDir,
    port: u16,
}

impl Nats {
    /// Starts a server on a free port.
    ///
    /// # Panics
    /// When `nats-server` is not installed or does not start.
    #[expect(clippy::expect_used, reason = "a test cannot go on without its server")]
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (program, port) = launch(&folder, -1);
        Self { program, folder, port }
    }

    /// How to reach it.
    pub fn config(&self) -> BusConfig {
        BusConfig { url: format!("nats://127.0.0.1:{}", self.port), ..BusConfig::default() }
    }

    /// Kills it; [`Nats::restart`] starts it again.
    pub fn stop(&mut self) {
        self.program.0.kill().ok();
        self.program.0.wait().ok();
    }

    /// Kills it and starts it again on the same port; `wipe` removes its JetStream folder in between.
    pub fn restart(&mut self, wipe: bool) {
        self.stop();
        if wipe {
            fs::remove_dir_all(self.folder.path().join("jetstream")).ok();
        }
        (self.program, self.port) = launch(&self.folder, i32::from(self.port));
    }
}

fn launch(folder: &TempDir, port: i32) -> (Program, u16) {
    let ports = folder.path().join("ports");
    fs::remove_dir_all(&ports).ok();
    fs::create_dir_all(&ports).ok();
    let program = Program::start(
        Command::new("nats-server")
            .args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "--ports_file_dir"])
            .arg(&ports)
            .arg("-sd")
            .arg(folder.path())
            .stderr(Stdio::null()),
    );
    let port = wait_for("nats-server's ports file", || {
        let entry = fs::read_dir(&ports).ok()?.next()?.ok()?;
        let text = fs::read_to_string(entry.path()).ok()?;
        let after = text.split("nats://127.0.0.1:").nth(1)?;
        after.split('"').next()?.parse().ok()
    });
    (program, port)
}
