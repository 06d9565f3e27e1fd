//! The split topology: every service, the edge, the gateway and an agent as processes of their own, on PostgreSQL and NATS.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use secrecy::{ExposeSecret as _, SecretString};
use testkit::{Nats, Postgres};

use crate::collector::Collector;
use crate::installation::{package_cache, program};

/// 32 bytes as URL-safe base 64: the test's own master key.
const MASTER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
/// Services with a database and a key, in the order in which they are started.
pub(crate) const SERVICES: [&str; 7] = [
    "identity",
    "inventory",
    "volume",
    "scheduler",
    "billing",
    "notebook",
    "journal",
];

/// The running programs.
pub(crate) struct Split {
    folder: PathBuf,
    nats: Nats,
    databases: BTreeMap<&'static str, String>,
    gateway: u16,
    edge: u16,
    collector: Collector,
    programs: BTreeMap<String, Child>,
}

impl Split {
    /// Starts all but the agent; gives the first user's key beside.
    pub(crate) fn start(folder: &Path, gateway: u16, edge: u16) -> (Self, String) {
        let databases = SERVICES.map(|service| (service, Postgres::shared().database()));
        let mut split = Self {
            folder: folder.to_owned(),
            nats: Nats::guarded(),
            databases: databases.into(),
            gateway,
            edge,
            collector: Collector::start(),
            programs: BTreeMap::new(),
        };
        std::fs::create_dir_all(split.run_dir()).unwrap();
        let mut identity = split.spawn("identity", Stdio::piped());
        let mut key = String::new();
        BufReader::new(identity.stdout.take().unwrap())
            .read_line(&mut key)
            .unwrap();
        split.programs.insert("identity".to_owned(), identity);
        for name in SERVICES.into_iter().skip(1).chain(["edge", "gateway"]) {
            split.restart(name);
        }
        (split, key.trim().to_owned())
    }

    fn run_dir(&self) -> PathBuf {
        self.folder.join("run")
    }

    fn socket(&self, service: &str) -> String {
        format!("unix:{}/{service}.sock", self.run_dir().display())
    }

    /// What a program is told, as `QUIRE_<AREA>_…` variables.
    fn settings(&self, area: &str) -> Vec<(String, String)> {
        let mut settings: Vec<(String, String)> = Vec::new();
        let mut set = |key: &str, value: String| {
            settings.push((format!("QUIRE_{}_{key}", area.to_uppercase()), value));
        };
        if let Some(database) = self.databases.get(area) {
            set("SERVICE__LISTEN", self.socket(area));
            set("SERVICE__DATABASE", database.clone());
            set("SERVICE__IDENTITY", self.socket("identity"));
            set("SERVICE__KEY", format!("qs_test_{area}"));
            let bus = self.nats.config_of(area);
            set("SERVICE__BUS__URL", bus.url);
            set("SERVICE__BUS__USER", bus.user);
            set("SERVICE__BUS__PASSWORD", password(&bus.password));
        }
        match area {
            "identity" => {
                set("MASTER_KEY", MASTER_KEY.to_owned());
                for service in SERVICES {
                    set(
                        &format!("SERVICE_KEYS__{}", service.to_uppercase()),
                        format!("qs_test_{service}"),
                    );
                }
            }
            "scheduler" => {
                set("INVENTORY", self.socket("inventory"));
                set("VOLUME", self.socket("volume"));
            }
            "volume" | "billing" => set("SCHEDULER", self.socket("scheduler")),
            "notebook" => {
                set("MASTER_KEY", MASTER_KEY.to_owned());
                for service in ["inventory", "volume", "scheduler"] {
                    set(&service.to_uppercase(), self.socket(service));
                }
                set("EDGE", format!("http://localhost:{}", self.edge));
                set("EDGE_PROBE", format!("127.0.0.1:{}", self.edge));
            }
            "edge" => {
                set("LISTEN", format!("http://127.0.0.1:{}", self.edge));
                set("RELAY_DIR", self.run_dir().display().to_string());
                let bus = self.nats.config_of("edge");
                set("BUS__URL", bus.url);
                set("BUS__USER", bus.user);
                set("BUS__PASSWORD", password(&bus.password));
            }
            "gateway" => {
                set("LISTEN", format!("http://127.0.0.1:{}", self.gateway));
                for service in SERVICES {
                    set(&service.to_uppercase(), self.socket(service));
                }
            }
            "agent" => {
                set("DATA_DIR", self.folder.join("agent").display().to_string());
                set("RUN_DIR", self.run_dir().display().to_string());
                set("RELAY_DIR", self.run_dir().display().to_string());
                set("CPU_OVERCOMMIT", "4".to_owned());
                // One address is enough: the gateway passes every call on.
                for service in ["identity", "inventory", "volume", "scheduler"] {
                    set(
                        &service.to_uppercase(),
                        format!("http://127.0.0.1:{}", self.gateway),
                    );
                }
            }
            _ => {}
        }
        settings
    }

    fn command(&self, name: &str) -> Command {
        let log = self.folder.join(format!("{name}.log"));
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .unwrap();
        let mut command = Command::new(program(&format!("quire-{name}")));
        command
            .envs(self.settings(name))
            .env("QUIRE_TELEMETRY_OTLP", self.collector.address())
            .env("OTEL_METRIC_EXPORT_INTERVAL", "500")
            .env("UV_CACHE_DIR", package_cache())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        command
    }

    fn spawn(&self, name: &str, stdout: Stdio) -> Child {
        let verb = if name == "agent" { "run" } else { "serve" };
        self.command(name).arg(verb).stdout(stdout).spawn().unwrap()
    }

    /// Joins this machine as a node and starts its agent.
    pub(crate) fn start_agent(&mut self, token: &str) {
        let joined = self
            .command("agent")
            .arg("join")
            .env("QUIRE_JOIN_TOKEN", token)
            .status()
            .unwrap();
        assert!(joined.success(), "{}", self.log("agent"));
        self.restart("agent");
    }

    /// Starts a program that does not run.
    pub(crate) fn restart(&mut self, name: &str) {
        let child = self.spawn(name, Stdio::null());
        let before = self.programs.insert(name.to_owned(), child);
        assert!(before.is_none(), "{name} runs already");
    }

    /// Ends a program at once, as a crash would.
    pub(crate) fn kill(&mut self, name: &str) {
        if let Some(mut child) = self.programs.remove(name) {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// What the programs' traces are sent to.
    pub(crate) fn collector(&self) -> &Collector {
        &self.collector
    }

    /// Whether a program says that it serves.
    pub(crate) fn is_healthy(&self, name: &str) -> bool {
        let asked = self.command(name).arg("health").status();
        asked.unwrap().success()
    }

    fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join(format!("{name}.log"))).unwrap_or_default()
    }

    /// The logs of all programs that have not been killed, for a test that fails.
    pub(crate) fn logs(&self) -> String {
        self.programs
            .keys()
            .map(|name| format!("--- {name}\n{}", self.log(name)))
            .collect()
    }
}

fn password(secret: &SecretString) -> String {
    secret.expose_secret().to_owned()
}

impl Drop for Split {
    fn drop(&mut self) {
        for child in self.programs.values_mut() {
            child.kill().ok();
            child.wait().ok();
        }
    }
}
