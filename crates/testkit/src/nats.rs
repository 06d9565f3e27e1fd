//! A private `nats-server` with JetStream.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use bus::{Bus, Delivery, Envelope, Password, Route, Routes};
use chassis::config::BusConfig;
use contracts::Event;
use kernel::{Clock as _, time::SystemClock};
use tempfile::TempDir;

use crate::program::Program;
use crate::{Authority, free_port, wait_for};

/// User of tests.
const TEST: &str = "test";
const CONFIGURATION: &str = "nats.conf";

/// A private event bus; it ends with this value.
#[derive(Debug)]
pub struct Nats {
    program: Program,
    folder: TempDir,
    port: u16,
    /// It asks who somebody is.
    guarded: bool,
    /// Who signed its certificate, where it takes TLS only.
    authority: Option<PathBuf>,
}

impl Nats {
    /// Starts a server on a free port that lets everybody do everything.
    ///
    /// # Panics
    /// When `nats-server` is not installed or does not start.
    pub fn start() -> Self {
        Self::configured("")
    }

    /// Starts a server on a free port with more configuration, such as users and what they may do.
    ///
    /// # Panics
    /// When `nats-server` is not installed or does not start.
    pub fn configured(configuration: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join(CONFIGURATION), configuration).expect("a configuration");
        let port = free_port();
        Self {
            program: launch(&folder, port),
            folder,
            port,
            guarded: false,
            authority: None,
        }
    }

    /// Starts a server on a free port that holds every user of the bus to its permissions; tests themselves may do everything.
    ///
    /// # Panics
    /// When `nats-server` is not installed or does not start.
    pub fn guarded() -> Self {
        Self::guarded_with("")
    }

    /// Like [`Nats::guarded`], and it takes TLS only, with a certificate of `authority` for 127.0.0.1.
    ///
    /// # Panics
    /// When `nats-server` is not installed or does not start.
    pub fn start_secure(authority: &Authority) -> Self {
        let tls = authority.issue(&["127.0.0.1"]);
        let file = |path: &Option<PathBuf>| path.clone().expect("a file of the authority");
        let configuration = format!(
            "tls {{ cert_file: {:?}, key_file: {:?} }}\n",
            file(&tls.certificate),
            file(&tls.key)
        );
        let mut server = Self::guarded_with(&configuration);
        server.authority = tls.authority;
        server
    }

    fn guarded_with(configuration: &str) -> Self {
        let users = bus::authorization(|user| Password::Text(password(user)));
        let test = format!("{{ user: {TEST}, password: {} }}\n] }}", password(TEST));
        let users = users.replace("] }\n", &test);
        let mut server = Self::configured(&format!("{configuration}{users}"));
        server.guarded = true;
        server
    }

    /// How tests reach it.
    pub fn config(&self) -> BusConfig {
        self.config_of(TEST)
    }

    /// How a user of the bus reaches it.
    pub fn config_of(&self, user: &str) -> BusConfig {
        let scheme = if self.authority.is_some() {
            "tls"
        } else {
            "nats"
        };
        let mut config = BusConfig {
            url: format!("{scheme}://127.0.0.1:{}", self.port),
            authority: self.authority.clone(),
            ..BusConfig::default()
        };
        if self.guarded {
            config.user = user.to_owned();
            config.password = password(user).into();
        }
        config
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
            let headers = Some(&message.headers);
            let delivery = Delivery::read(message.subject.as_str(), headers, message.payload)
                .expect("an event");
            events.extend(delivery.decode().expect("an event of its type"));
        }
        events
    }

    /// Publishes `event`, which is about the aggregate `about` of no team.
    ///
    /// # Panics
    /// When the bus does not take it.
    pub async fn publish<E: Event>(&self, event: &E, about: &str) {
        self.send([Envelope::new(event, about, None, SystemClock.now())])
            .await;
    }

    /// Publishes `event`, which is about the aggregate `about` of `team`.
    ///
    /// # Panics
    /// When the bus does not take it.
    pub async fn publish_for<E: Event>(&self, event: &E, about: &str, team: &str) {
        self.send([Envelope::new(event, about, Some(team), SystemClock.now())])
            .await;
    }

    /// Publishes envelopes that the test has made, one after the other.
    ///
    /// # Panics
    /// When the bus does not take them.
    pub async fn send(&self, envelopes: impl IntoIterator<Item = Envelope>) {
        let bus = self.connect().await;
        for envelope in envelopes {
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
        self.program = launch(&self.folder, self.port);
    }
}

fn password(user: &str) -> String {
    format!("password-of-{user}")
}

fn launch(folder: &TempDir, port: u16) -> Program {
    let ports = folder.path().join("ports");
    fs::remove_dir_all(&ports).ok();
    fs::create_dir_all(&ports).ok();
    let mut command = Command::new("nats-server");
    command.args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js"]);
    command.arg("--ports_file_dir").arg(&ports);
    command.arg("-sd").arg(folder.path());
    command.arg("-c").arg(folder.path().join(CONFIGURATION));
    let program = Program::start(command);
    // It writes the file once it listens.
    wait_for("nats-server's ports file", || {
        let entry = fs::read_dir(&ports).ok()?.next()?.ok()?;
        let text = fs::read_to_string(entry.path()).ok()?;
        text.contains("://127.0.0.1:").then_some(())
    });
    program
}
