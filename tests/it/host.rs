//! Other hosts on this machine: a network namespace each, on one switch with this machine, from which a test can unplug them. As
//! with a real cable, whatever is sent meanwhile is lost without an answer.

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A switch with this machine on it; it and its hosts end with this value.
#[derive(Debug)]
pub(crate) struct Switch {
    /// The third number of all addresses on it, `10.234.N.0/24`.
    number: u8,
}

/// A host on a switch.
#[derive(Debug)]
pub(crate) struct Host<'a> {
    switch: &'a Switch,
    /// The last number of its address.
    number: u8,
}

fn try_run(program: &str, arguments: &str) -> bool {
    let mut command = Command::new(program);
    command.args(arguments.split(' ')).stderr(Stdio::null());
    command.status().unwrap().success()
}

fn run(program: &str, arguments: &str) {
    assert!(try_run(program, arguments), "{program} {arguments}");
}

impl Switch {
    /// One that no other test uses, over which hosts also reach what this machine reaches.
    pub(crate) fn new() -> Self {
        let free = |number: &u8| try_run("ip", &format!("link add qtest{number} type bridge"));
        let number = (0..=u8::MAX)
            .find(free)
            .expect("networks can be made as root");
        let switch = Self { number };
        let (bridge, address) = (switch.bridge(), switch.address());
        run("ip", &format!("address add {address}/24 dev {bridge}"));
        run("ip", &format!("link set {bridge} up"));
        switch.lay_rules();
        for entry in std::fs::read_dir("/proc/sys/net/ipv4/conf").unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if name == bridge || !["all", "default"].contains(&&*name) && name.starts_with('e') {
                std::fs::write(entry.path().join("forwarding"), "1").unwrap();
            }
        }
        switch
    }

    fn bridge(&self) -> String {
        format!("qtest{}", self.number)
    }

    /// This machine, as the hosts reach it.
    pub(crate) fn address(&self) -> Ipv4Addr {
        self.of(1)
    }

    fn of(&self, number: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 234, self.number, number)
    }

    /// What is unplugged is neither heard nor reached; whoever is plugged in goes out under this machine's address.
    fn lay_rules(&self) {
        let bridge = self.bridge();
        let network = self.of(0);
        let lost = "ip saddr @unplugged drop; ip daddr @unplugged drop;";
        let rules = format!(
            "table ip {bridge} {{\n\
             set unplugged {{ type ipv4_addr; }}\n\
             chain in {{ type filter hook prerouting priority -300; {lost} }}\n\
             chain out {{ type filter hook output priority -300; {lost} }}\n\
             chain away {{ type nat hook postrouting priority 100; ip saddr {network}/24 oifname != \"{bridge}\" masquerade; }}\n\
             }}\n"
        );
        let mut nft = Command::new("nft");
        let mut nft = nft.args(["-f", "-"]).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = nft.stdin.take().unwrap();
        stdin.write_all(rules.as_bytes()).unwrap();
        drop(stdin);
        assert!(nft.wait().unwrap().success(), "{rules}");
    }

    /// Plugs in one host more, the first with number 2.
    pub(crate) fn host(&self, number: u8) -> Host<'_> {
        let host = Host {
            switch: self,
            number,
        };
        let (name, bridge) = (host.name(), self.bridge());
        let (inside, here) = (self.of(number), self.address());
        run("ip", &format!("netns add {name}"));
        run(
            "ip",
            &format!("link add {name} master {bridge} type veth peer name eth0 netns {name}"),
        );
        run("ip", &format!("link set {name} up"));
        run("ip", &format!("-n {name} link set lo up"));
        run("ip", &format!("-n {name} address add {inside}/24 dev eth0"));
        run("ip", &format!("-n {name} link set eth0 up"));
        run("ip", &format!("-n {name} route add default via {here}"));
        host
    }
}

impl Host<'_> {
    fn name(&self) -> String {
        format!("{}-{}", self.switch.bridge(), self.number)
    }

    /// Its address.
    pub(crate) fn address(&self) -> Ipv4Addr {
        self.switch.of(self.number)
    }

    /// What enters the host's network and then runs the command.
    pub(crate) fn door(&self) -> Command {
        let mut command = Command::new("nsenter");
        let network = PathBuf::from("/run/netns").join(self.name());
        command
            .arg(format!("--net={}", network.display()))
            .arg("--");
        command
    }

    /// Pulls its cable.
    pub(crate) fn unplug(&self) {
        self.change("add");
    }

    /// Plugs it in again.
    pub(crate) fn plug_in(&self) {
        self.change("delete");
    }

    fn change(&self, verb: &str) {
        let (table, address) = (self.switch.bridge(), self.address());
        run(
            "nft",
            &format!("{verb} element ip {table} unplugged {{ {address} }}"),
        );
    }
}

impl Drop for Host<'_> {
    fn drop(&mut self) {
        let name = self.name();
        // The cable first: the namespace may live on for a while.
        try_run("ip", &format!("link delete {name}"));
        try_run("ip", &format!("netns delete {name}"));
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        let bridge = self.bridge();
        try_run("nft", &format!("delete table ip {bridge}"));
        try_run("ip", &format!("link delete {bridge}"));
    }
}
