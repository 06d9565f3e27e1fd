//! The split topology: every service, the edge, the gateway and an agent as processes of their own, on PostgreSQL and
//! NATS, and every byte between them by TLS with certificates of one authority.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use chassis::config::TlsConfig;
use secrecy::{ExposeSecret as _, SecretString};
use testkit::{Authority, Lines, Nats, Postgres, free_port};

use crate::collector::Collector;
use crate::installation::{package_cache, program};
use crate::wiring::{Extras, Wiring};

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

/// Time that an agent gets to tidy up.
const LAST_STEPS: Duration = Duration::from_secs(15);

/// Notebooks answer below this domain.
const DOMAIN: &str = "notebooks.test";

/// What a program is: `scheduler` is, and its replica `scheduler#2` too.
pub(crate) fn area(name: &str) -> &str {
    name.split('#').next().unwrap_or(name)
}

/// The running programs.
pub(crate) struct Split {
    pub(crate) folder: PathBuf,
    authority: Authority,
    /// What each program shows that listens.
    certificates: BTreeMap<&'static str, TlsConfig>,
    pub(crate) nats: Nats,
    pub(crate) postgres: Postgres,
    pub(crate) databases: BTreeMap<&'static str, String>,
    /// Where each program listens.
    ports: BTreeMap<&'static str, u16>,
    collector: Collector,
    pub(crate) programs: BTreeMap<String, Child>,
    pub(crate) extras: Extras,
}

impl Split {
    /// Starts all but the agent; gives the first user's key beside.
    pub(crate) fn start(folder: &Path, gateway: u16, edge: u16, wiring: Wiring) -> (Self, String) {
        let authority = Authority::new();
        let postgres = Postgres::start_secure(&authority);
        let mut ports: BTreeMap<_, _> = SERVICES.map(|service| (service, free_port())).into();
        ports.extend([("gateway", gateway), ("edge", edge)]);
        let certificates = ports.keys().map(|&program| {
            let issued = match program {
                "edge" => authority.issue(&["127.0.0.1", &format!("*.{DOMAIN}")]),
                _ => authority.issue(&["127.0.0.1"]),
            };
            (program, issued)
        });
        let mut split = Self {
            folder: folder.to_owned(),
            certificates: certificates.collect(),
            // What mistreats events must be able to read them.
            nats: if wiring.faults.is_some() {
                Nats::guarded()
            } else {
                Nats::start_secure(&authority)
            },
            databases: SERVICES
                .map(|service| (service, postgres.database()))
                .into(),
            postgres,
            authority,
            ports,
            collector: Collector::start(),
            programs: BTreeMap::new(),
            extras: Extras::default(),
        };
        std::fs::create_dir_all(split.run_dir()).unwrap();
        split.wire(wiring);
        let mut identity = split.spawn("identity", Stdio::piped());
        let said = Lines::of(identity.stdout.take().unwrap());
        let key = said.next("the first key").expect("identity ended");
        split.programs.insert("identity".to_owned(), identity);
        for name in SERVICES.into_iter().skip(1).chain(["edge", "gateway"]) {
            split.restart(name);
        }
        split.start_replicas();
        (split, key)
    }

    pub(crate) fn run_dir(&self) -> PathBuf {
        self.folder.join("run")
    }

    /// The authority of all certificates, as a file.
    pub(crate) fn authority(&self) -> PathBuf {
        self.authority.file()
    }

    pub(crate) fn address(&self, program: &str) -> String {
        format!("https://127.0.0.1:{}", self.ports[program])
    }

    /// All ports that something of it listens on.
    pub(crate) fn ports(&self) -> Vec<u16> {
        let others = [self.nats.port(), self.postgres.port()];
        self.ports.values().copied().chain(others).collect()
    }

    /// What a program is told, as `QUIRE_<AREA>_…` variables.
    fn settings(&self, area: &str) -> Vec<(String, String)> {
        let mut settings: Vec<(String, String)> = Vec::new();
        let mut set = |key: &str, value: String| {
            settings.push((format!("QUIRE_{}_{key}", area.to_uppercase()), value));
        };
        if let Some(database) = self.databases.get(area) {
            set("SERVICE__DATABASE", database.clone());
            set("SERVICE__IDENTITY", self.address("identity"));
            set("SERVICE__KEY", format!("qs_test_{area}"));
        }
        let own = if self.databases.contains_key(area) {
            "SERVICE__"
        } else {
            ""
        };
        if let Some(tls) = self.certificates.get(area) {
            set(&format!("{own}LISTEN"), self.address(area));
            set(&format!("{own}TLS__AUTHORITY"), path(&tls.authority));
            set(&format!("{own}TLS__CERTIFICATE"), path(&tls.certificate));
            set(&format!("{own}TLS__KEY"), path(&tls.key));
        }
        if area != "gateway" && area != "agent" {
            let bus = self.nats.config_of(area);
            set(&format!("{own}BUS__URL"), bus.url);
            set(&format!("{own}BUS__USER"), bus.user);
            set(&format!("{own}BUS__PASSWORD"), password(&bus.password));
            if bus.authority.is_some() {
                set(&format!("{own}BUS__AUTHORITY"), path(&bus.authority));
            }
        }
        match area {
            "identity" => {
                set("MASTER_KEY", MASTER_KEY.to_owned());
                for service in SERVICES.into_iter().chain(["edge"]) {
                    set(
                        &format!("SERVICE_KEYS__{}", service.to_uppercase()),
                        format!("qs_test_{service}"),
                    );
                }
            }
            "scheduler" => {
                set("INVENTORY", self.address("inventory"));
                set("VOLUME", self.address("volume"));
            }
            "volume" | "billing" => set("SCHEDULER", self.address("scheduler")),
            "notebook" => {
                set("MASTER_KEY", MASTER_KEY.to_owned());
                for service in ["inventory", "volume", "scheduler", "billing"] {
                    set(&service.to_uppercase(), self.address(service));
                }
                set("EDGE", format!("https://{DOMAIN}:{}", self.ports["edge"]));
                set("EDGE_PROBE", self.address("edge"));
            }
            "edge" => {
                set("DOMAIN", DOMAIN.to_owned());
                set("RELAY_DIR", self.run_dir().display().to_string());
                set("IDENTITY", self.address("identity"));
                set("NOTEBOOK", self.address("notebook"));
                set("KEY", "qs_test_edge".to_owned());
            }
            "gateway" => {
                for service in SERVICES {
                    set(&service.to_uppercase(), self.address(service));
                }
            }
            "agent" => {
                set("DATA_DIR", self.folder.join("agent").display().to_string());
                set("RUN_DIR", self.run_dir().display().to_string());
                set("RELAY_DIR", self.run_dir().display().to_string());
                set("CPU_OVERCOMMIT", "4".to_owned());
                set("AUTHORITY", path(&Some(self.authority())));
                // One address is enough: the gateway passes every call on.
                for service in ["identity", "inventory", "volume", "scheduler"] {
                    set(&service.to_uppercase(), self.address("gateway"));
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
        let area = area(name);
        let mut command = Command::new(program(&format!("quire-{area}")));
        command
            .envs(self.settings(area))
            .envs(self.extras.settings(name))
            .env("QUIRE_TELEMETRY_OTLP", self.collector.address())
            .env("OTEL_METRIC_EXPORT_INTERVAL", "500")
            .env("UV_CACHE_DIR", package_cache())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        command
    }

    fn spawn(&self, name: &str, stdout: Stdio) -> Child {
        let verb = if area(name) == "agent" {
            "run"
        } else {
            "serve"
        };
        self.command(name).arg(verb).stdout(stdout).spawn().unwrap()
    }

    /// Joins this machine as a node and starts its agent.
    pub(crate) fn start_agent(&mut self, name: &str, token: &str) {
        let joined = self
            .command(name)
            .arg("join")
            .env("QUIRE_JOIN_TOKEN", token)
            .status()
            .unwrap();
        assert!(joined.success(), "{}", self.log(name));
        self.restart(name);
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

    pub(crate) fn log(&self, name: &str) -> String {
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

fn path(file: &Option<PathBuf>) -> String {
    file.as_ref().unwrap().display().to_string()
}

impl Drop for Split {
    fn drop(&mut self) {
        // An agent that is asked to end takes its networks and rules off this machine; one that is killed leaves them.
        let agents = |name: &&String| area(name) == "agent";
        for name in self.programs.keys().filter(agents) {
            let pid = self.programs[name].id().to_string();
            Command::new("kill").arg(pid).status().ok();
        }
        let asked = Instant::now();
        for (name, child) in &mut self.programs {
            let ended = |child: &mut Child| !matches!(child.try_wait(), Ok(None));
            while agents(&name) && !ended(child) && asked.elapsed() < LAST_STEPS {
                std::thread::sleep(Duration::from_millis(20));
            }
            child.kill().ok();
            child.wait().ok();
        }
    }
}
