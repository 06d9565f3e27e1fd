//! The split topology wired so that a test can break it: events that come as they should not, two of each program, an agent that
//! can be cut off.

use std::collections::BTreeMap;

use chassis::Address;
use testkit::{Faults, Proxy, free_port};

use crate::split::{SERVICES, Split, area};

/// What is other than in the plain topology.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wiring {
    /// Events reach every program through these faults, in the clear.
    pub(crate) faults: Option<Faults>,
    /// Two of each service, edge and gateway behind one address each.
    pub(crate) replicas: bool,
    /// More settings: program, key, value.
    pub(crate) settings: Vec<(&'static str, &'static str, &'static str)>,
}

/// What a split installation has more.
#[derive(Debug, Default)]
pub(crate) struct Extras {
    /// Between every program and the event bus.
    pub(crate) events: Option<Proxy>,
    /// In front of replicas.
    balancers: Vec<Proxy>,
    /// By program; they come after the plain ones.
    settings: BTreeMap<String, Vec<(String, String)>>,
    replicas: Vec<String>,
}

impl Extras {
    /// What a program is told beyond the plain settings, as `QUIRE_<AREA>_…` variables.
    pub(crate) fn settings(&self, name: &str) -> Vec<(String, String)> {
        let settings = self.settings.get(name).into_iter().flatten();
        let area = area(name).to_uppercase();
        settings
            .map(|(key, value)| (format!("QUIRE_{area}_{key}"), value.clone()))
            .collect()
    }
}

impl Split {
    /// Tells a program more, from its next start on.
    pub(crate) fn set(&mut self, name: &str, key: &str, value: impl Into<String>) {
        let settings = self.extras.settings.entry(name.to_owned()).or_default();
        settings.push((key.to_owned(), value.into()));
    }

    /// Wires what is other than in the plain topology, before anything runs.
    pub(crate) fn wire(&mut self, wiring: Wiring) {
        for (name, key, value) in wiring.settings {
            self.set(name, key, value);
        }
        if let Some(faults) = wiring.faults {
            let proxy = Proxy::nats(self.nats.port(), faults);
            let url = format!("nats://127.0.0.1:{}", proxy.port());
            for service in SERVICES {
                self.set(service, "SERVICE__BUS__URL", &*url);
            }
            self.set("edge", "BUS__URL", url);
            self.extras.events = Some(proxy);
        }
        if wiring.replicas {
            for service in SERVICES {
                self.put_behind(service, "SERVICE__LISTEN");
            }
            self.put_behind("gateway", "LISTEN");
        }
    }

    /// Two replicas of a program behind the address where others look for it.
    fn put_behind(&mut self, name: &str, key: &str) {
        let address = |text: &str| -> Address { text.parse().unwrap() };
        let backs = [(); 2].map(|()| format!("https://127.0.0.1:{}", free_port()));
        let balancer = Proxy::start(
            &address(&self.address(name)),
            backs.iter().map(|back| address(back)).collect(),
        );
        self.extras.balancers.push(balancer);
        let second = format!("{name}#2");
        let [first_back, second_back] = backs;
        self.set(name, key, first_back);
        self.set(&second, key, second_back);
        self.extras.replicas.push(second);
    }

    /// Starts the second of each program, once the first scheduler leads: so a test knows who does.
    pub(crate) fn start_replicas(&mut self) {
        if self.extras.replicas.is_empty() {
            return;
        }
        testkit::wait_for("a leading scheduler", || self.leader_epoch());
        for name in self.extras.replicas.clone() {
            self.restart(&name);
        }
    }

    /// The rows of a statement in the database of a service; `None` while PostgreSQL is away.
    pub(crate) fn query(&self, service: &str, statement: &str) -> Option<Vec<Vec<String>>> {
        self.postgres.query(&self.databases[service], statement)
    }

    /// The epoch of the scheduler's leader; `None` before the first.
    pub(crate) fn leader_epoch(&self) -> Option<u64> {
        let rows = self.query(
            "scheduler",
            "SELECT epoch FROM leases WHERE name = 'leader' AND epoch > 0",
        )?;
        rows.first()?.first()?.parse().ok()
    }

    /// Ends any program at once, those that are not Quire's own included.
    pub(crate) fn crash(&mut self, name: &str) {
        match name {
            "nats" => self.nats.stop(),
            "postgres" => self.postgres.stop(),
            _ => self.kill(name),
        }
    }

    /// Starts what has crashed.
    pub(crate) fn recover(&mut self, name: &str) {
        match name {
            "nats" => self.nats.restart(false),
            "postgres" => self.postgres.restart(),
            _ => self.restart(name),
        }
    }

    /// Starts all that does not run, so that what a failed test leaves behind can be tidied up.
    pub(crate) fn raise_dead(&mut self) {
        self.recover("nats");
        self.recover("postgres");
        let has_joined = self.folder.join("agent/node.json").exists();
        let agent = ["agent"].into_iter().filter(|_| has_joined);
        for name in SERVICES.into_iter().chain(["edge", "gateway"]).chain(agent) {
            if !self.programs.contains_key(name) {
                self.restart(name);
            }
        }
    }

    /// Programs that ended although nobody killed them. They are started again, as whoever runs programs would.
    pub(crate) fn raise_fallen(&mut self) -> Vec<String> {
        let ended = self.programs.iter_mut().filter_map(|(name, child)| {
            let status = child.try_wait().unwrap()?;
            Some((name.clone(), status))
        });
        let ended: Vec<_> = ended.collect();
        let line = |(name, status): &(String, _)| {
            let log = self.log(name);
            let last = log.lines().last().unwrap_or_default();
            format!("{name} ended by itself: {status}: {last}")
        };
        let lines = ended.iter().map(line).collect();
        for (name, _) in &ended {
            self.programs.remove(name);
            self.restart(name);
        }
        lines
    }
}
