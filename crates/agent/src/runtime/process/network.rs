//! A network of its own for each workload: a network namespace with one link to the host, over which it reaches what the
//! firewall lets it reach. Every name carries the agent's instance, so that several agents can share a machine.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use super::firewall::Firewall;
use super::tool;

/// Where namespaces are found by name.
const NAMESPACES: &str = "/run/netns";
/// Agents of one machine choose addresses one after the other.
const CHOOSING: &str = "/run/lock/quire-network.lock";
/// Networks of four addresses in one of 16 bits.
const LINKS: u32 = 1 << 14;

/// Makes and removes the networks of one agent's workloads.
#[derive(Debug)]
pub(crate) struct Networks {
    instance: String,
    base: Ipv4Addr,
    range: String,
    uplinks: Vec<String>,
}

impl Networks {
    /// Lays the firewall for the agent `instance`, whose workloads get addresses of `range`, and opens the way out.
    ///
    /// # Errors
    /// What is missing, in words.
    pub(crate) fn lay(
        instance: &str,
        range: &str,
        resolvers: &[IpAddr],
        denied: &[String],
    ) -> Result<Self, String> {
        let base = base_of(range)?;
        fs::create_dir_all("/run/lock").map_err(|error| format!("/run/lock: {error}"))?;
        let networks = Self {
            instance: instance.to_owned(),
            base,
            range: range.to_owned(),
            uplinks: default_routes()?,
        };
        let interfaces = networks.interfaces();
        let firewall = Firewall {
            table: &networks.table(),
            interfaces: &interfaces,
            network: range,
            resolvers,
            denied,
        };
        tool::run("nft", &["-f", "-"], &firewall.rules())?;
        for uplink in &networks.uplinks {
            forward(uplink)?;
        }
        // Whether namespaces and links can be made is known only by making one.
        networks.create("trial")?;
        networks.remove("trial")?;
        Ok(networks)
    }

    /// Says so when there is no way out of this host.
    pub(crate) fn unreachable_world(&self) -> Option<String> {
        let lack = "egress: this host has no default route for IPv4, so workloads reach nothing";
        self.uplinks.is_empty().then(|| lack.to_owned())
    }

    /// Keeps workloads from more addresses, those that run among them.
    ///
    /// # Errors
    /// In words.
    pub(crate) fn deny(&self, addresses: &[String]) -> Result<(), String> {
        if addresses.is_empty() {
            return Ok(());
        }
        let (table, addresses) = (self.table(), addresses.join(", "));
        let element = format!("add element inet {table} denied {{ {addresses} }}\n");
        tool::run("nft", &["-f", "-"], &element).map(drop)
    }

    /// Takes the firewall away again.
    ///
    /// # Errors
    /// In words.
    pub(crate) fn leave(&self) -> Result<(), String> {
        tool::run("nft", &["delete", "table", "inet", &self.table()], "").map(drop)
    }

    /// Name of the agent's table in the firewall.
    fn table(&self) -> String {
        format!("quire_{}", self.instance)
    }

    fn interfaces(&self) -> String {
        format!("qv{}", self.instance.get(..5).unwrap_or(&self.instance))
    }

    fn namespace(&self, attempt: &str) -> String {
        format!("quire-{}-{attempt}", self.instance)
    }

    /// Makes the network of an attempt, anew when there is one, and says where it is found.
    ///
    /// # Errors
    /// In words.
    pub(crate) fn create(&self, attempt: &str) -> Result<PathBuf, String> {
        self.remove(attempt)?;
        let lock = File::create(CHOOSING).map_err(|error| format!("{CHOOSING}: {error}"))?;
        lock.lock()
            .map_err(|error| format!("{CHOOSING}: {error}"))?;
        let index = self.free_link()?;
        let made = self.link(&self.namespace(attempt), index);
        drop(lock);
        match made {
            Ok(()) => Ok(Path::new(NAMESPACES).join(self.namespace(attempt))),
            Err(error) => {
                self.remove(attempt).ok();
                Err(error)
            }
        }
    }

    fn link(&self, namespace: &str, index: u32) -> Result<(), String> {
        let interface = format!("{}{index:x}", self.interfaces());
        let (host, guest) = (self.address(index, 1), self.address(index, 2));
        let mtu = self.mtu();
        let outside = format!(
            "netns add {namespace}\n\
             link add {interface} mtu {mtu} type veth peer name eth0 mtu {mtu} netns {namespace}\n\
             address add {host}/30 dev {interface}\n\
             link set {interface} addrgenmode none up\n"
        );
        // Without an address of IPv6 there is no way around the firewall's rules for IPv4.
        let inside = format!(
            "link set lo up\n\
             address add {guest}/30 dev eth0\n\
             link set eth0 addrgenmode none up\n\
             route add default via {host}\n"
        );
        tool::run("ip", &["-batch", "-"], &outside)?;
        tool::run("ip", &["-n", namespace, "-batch", "-"], &inside)?;
        forward(&interface)
    }

    /// Removes the network of an attempt; one that is not there is fine.
    ///
    /// # Errors
    /// In words.
    pub(crate) fn remove(&self, attempt: &str) -> Result<(), String> {
        let namespace = self.namespace(attempt);
        if !Path::new(NAMESPACES).join(&namespace).exists() {
            return Ok(());
        }
        tool::run("ip", &["netns", "delete", &namespace], "").map(drop)
    }

    /// Where the network of an attempt is found; `None` when it has none.
    pub(crate) fn of(&self, attempt: &str) -> Option<PathBuf> {
        let found = Path::new(NAMESPACES).join(self.namespace(attempt));
        found.exists().then_some(found)
    }

    /// The attempts that have a network.
    pub(crate) fn names(&self) -> Vec<String> {
        let prefix = self.namespace("");
        let entries = fs::read_dir(NAMESPACES).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| {
                entry
                    .file_name()
                    .into_string()
                    .ok()?
                    .strip_prefix(&prefix)
                    .map(str::to_owned)
            })
            .collect()
    }

    /// A link that no agent of this machine uses.
    fn free_link(&self) -> Result<u32, String> {
        let text = tool::run("ip", &["-4", "-o", "address", "show"], "")?;
        let addresses = text.lines().filter_map(|line| {
            line.split_whitespace()
                .nth(3)?
                .split('/')
                .next()?
                .parse()
                .ok()
        });
        let used: BTreeSet<u32> = addresses
            .filter_map(|address| self.index_of(address))
            .collect();
        (0..LINKS)
            .find(|index| !used.contains(index))
            .ok_or_else(|| format!("all addresses of {} are used", self.range))
    }

    fn address(&self, index: u32, host: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.base.to_bits() + index * 4 + host)
    }

    fn index_of(&self, address: Ipv4Addr) -> Option<u32> {
        let offset = address.to_bits().checked_sub(self.base.to_bits())?;
        (offset < LINKS * 4).then_some(offset / 4)
    }

    /// Largest packet that leaves this host whole.
    fn mtu(&self) -> u32 {
        let sizes = self.uplinks.iter().filter_map(|uplink| {
            fs::read_to_string(format!("/sys/class/net/{uplink}/mtu"))
                .ok()?
                .trim()
                .parse()
                .ok()
        });
        sizes.min().unwrap_or(1_500)
    }
}

/// Start of a network of 16 bits.
fn base_of(range: &str) -> Result<Ipv4Addr, String> {
    let wrong =
        || format!("workload_network: {range:?} is not a network of 16 bits such as 10.231.0.0/16");
    let base: Ipv4Addr = range
        .strip_suffix("/16")
        .ok_or_else(wrong)?
        .parse()
        .map_err(|_| wrong())?;
    let aligned = base.to_bits().trailing_zeros() >= 16;
    if aligned && base.is_private() {
        Ok(base)
    } else {
        Err(wrong())
    }
}

/// The interfaces over which this host reaches the world.
fn default_routes() -> Result<Vec<String>, String> {
    let text = tool::run("ip", &["-4", "route", "show", "default"], "")?;
    let words: Vec<&str> = text.split_whitespace().collect();
    let found: BTreeSet<String> = words
        .windows(2)
        .filter_map(|pair| matches!(pair, ["dev", _]).then(|| pair.last())?)
        .map(ToString::to_string)
        .collect();
    Ok(found.into_iter().collect())
}

/// Lets packets that come in by `interface` go on to others.
fn forward(interface: &str) -> Result<(), String> {
    let path = format!("/proc/sys/net/ipv4/conf/{interface}/forwarding");
    if fs::read_to_string(&path).is_ok_and(|value| value.trim() == "1") {
        return Ok(());
    }
    fs::write(&path, "1").map_err(|error| format!("{path}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lie_in_their_network() {
        let networks = Networks {
            instance: "0123456789".to_owned(),
            base: base_of("10.231.0.0/16").unwrap(),
            range: "10.231.0.0/16".to_owned(),
            uplinks: Vec::new(),
        };
        assert_eq!(networks.address(1, 2), Ipv4Addr::new(10, 231, 0, 6));
        assert_eq!(
            networks.index_of(networks.address(LINKS - 1, 1)),
            Some(LINKS - 1)
        );
        assert_eq!(networks.index_of(Ipv4Addr::new(10, 232, 0, 0)), None);
        assert_eq!(networks.index_of(Ipv4Addr::new(10, 230, 0, 0)), None);
        let longest = format!("{}{:x}", networks.interfaces(), LINKS - 1);
        assert!(longest.len() <= 15, "{longest}");
        for wrong in [
            "10.231.0.0",
            "10.231.1.0/16",
            "8.8.0.0/16",
            "10.0.0.0/8",
            "x/16",
        ] {
            assert!(base_of(wrong).is_err(), "{wrong}");
        }
    }
}
