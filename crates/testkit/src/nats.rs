//! A private `nats-server` with JetStream.

use std::fs;
use std::process::Command;

use bus::{Bus, Delivery, Envelope, Route, Routes};
use chassis::config::BusConfig;
use contracts::Event;
use kernel::{Clock as _, time::SystemClock};
use tempfile::TempDir;

use crate::program::Program;
use crate::wait_for;

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
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (program, port) = launch(&folder, -1);
        Self {
            program,
            folder,
            port,
        }
    }

    /// How to reach it.
    pub fn config(&self) -> BusConfig {
        BusConfig {
            url: format!("nats://127.0.0.1:{}", self.port),
            ..BusConfig::default()
        }
    }

    /// Events of one type, oldest first.
    ///
    /// # Panics
    /// When the bus does not answer, or holds something else under the type's name.
    pub async fn events<E: Event>(&self) -> Vec<E> {
        let bus = self.connect().await;
        let mut stream = bus
            .jetstream()
            .get_stream(bus::stream_name(E::AREA))
            .await
            .expect("a stream");
        let state = stream.info().await.expect("a stream's state").state.clone();
        let mut events = Vec::new();
        for sequence in state.first_sequence.max(1)..=state.last_sequence {
            let message = stream.get_raw_message(sequence).await.expect("a message");
            let delivery =
                Delivery::read(Some(&message.headers), message.payload).expect("an event");
            events.extend(delivery.decode().expect("an event of its type"));
        }
        events
    }

    /// Publishes `event`, which is about the aggregate `about`.
    ///
    /// # Panics
    /// When the bus does not take it.
    pub async fn publish<E: Event>(&self, event: &E, about: &str) {
        let bus = self.connect().await;
        let envelope = Envelope::new(event, about, None, SystemClock.now());
        let sent = bus.jetstream().publish_with_headers(
            envelope.subject.clone(),
            envelope.headers(),
            envelope.payload.into(),
        );
        sent.await
            .expect("a publication")
            .await
            .expect("its confirmation");
    }

    /// All routes; `None` while the server cannot say.
    pub async fn routes(&self) -> Option<Vec<Route>> {
        let bus = Bus::connect(&self.config(), "test").await.ok()?;
        Routes::open(&bus).await.ok()?.all().await.ok()
    }

    async fn connect(&self) -> Bus {
        Bus::connect(&self.config(), "test")
            .await
            .expect("the event bus")
    }

    /// The port that it listens on, also after a restart.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills it; [`Nats::restart`] starts it again.
    pub fn stop(&mut self) {
        self.program.kill();
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
    let mut command = Command::new("nats-server");
    command.args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js"]);
    command.arg("--ports_file_dir").arg(&ports);
    command.arg("-sd").arg(folder.path());
    let program = Program::start(command);
    let port = wait_for("nats-server's ports file", || {
        let entry = fs::read_dir(&ports).ok()?.next()?.ok()?;
        let text = fs::read_to_string(entry.path()).ok()?;
        let after = text.split("nats://127.0.0.1:").nth(1)?;
        after.split('"').next()?.parse().ok()
    });
    (program, port)
}
