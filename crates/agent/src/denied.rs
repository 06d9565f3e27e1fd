//! What workloads are kept from besides this host and each other: the control plane and the edges on other hosts, and what the
//! operator names. Names can come to mean other addresses, and edges come and go: both are looked at again and again, and what was
//! denied once stays so while the agent runs.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use chassis::{Address, Error, Result};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::blocking;
use crate::config::AgentConfig;
use crate::runtime::process::network::Networks;

/// Names are asked for again this often.
const AGAIN: Duration = Duration::from_secs(60);

/// Keeps workloads from hosts while the agent runs.
#[derive(Debug)]
pub(crate) struct Denials {
    pub(crate) networks: Arc<Networks>,
    /// The control plane, each as `host:port`.
    pub(crate) services: Vec<String>,
    /// The edges, each as `host:port`.
    pub(crate) edges: watch::Receiver<BTreeSet<String>>,
}

impl Denials {
    /// Looks until `cancel`.
    ///
    /// # Errors
    /// When no thread can be had to look with.
    pub(crate) async fn run(mut self, cancel: CancellationToken) -> Result<()> {
        let mut denied = BTreeSet::new();
        loop {
            let edges = self.edges.borrow_and_update().clone();
            let hosts: Vec<String> = self.services.iter().cloned().chain(edges).collect();
            let networks = self.networks.clone();
            denied = blocking(move || deny_new(&networks, &hosts, denied)).await?;
            tokio::select! {
                () = cancel.cancelled() => return Ok(()),
                Ok(()) = self.edges.changed() => {}
                () = tokio::time::sleep(AGAIN) => {}
            }
        }
    }
}

/// Denies the addresses of `hosts` that are not among `denied`; gives all that are denied then.
fn deny_new(
    networks: &Networks,
    hosts: &[String],
    mut denied: BTreeSet<String>,
) -> BTreeSet<String> {
    for host in hosts {
        let new = addresses(host).map_err(|error| error.to_string());
        let done = new.and_then(|mut new| {
            new.retain(|address| !denied.contains(address));
            networks.deny(&new)?;
            denied.extend(new);
            Ok(())
        });
        if let Err(error) = done {
            tracing::warn!(host, error, "workloads may reach this host");
        }
    }
    denied
}

/// The parts of the control plane that are on the network, each as `host:port`.
pub(crate) fn services(config: &AgentConfig) -> Vec<String> {
    let services = [
        &config.scheduler,
        &config.inventory,
        &config.volume,
        &config.identity,
    ];
    let authority = |service: &Address| match service {
        Address::Http(authority) | Address::Https(authority) => Some(authority.clone()),
        Address::Unix(_) => None,
    };
    let found: BTreeSet<String> = services.into_iter().filter_map(authority).collect();
    found.into_iter().collect()
}

/// Addresses of a host `host:port` that is not this one. Those of this one are out of reach anyway, and so is all of IPv6.
///
/// # Errors
/// When its name cannot be resolved.
pub(crate) fn addresses(host: &str) -> io::Result<Vec<String>> {
    let found = host.to_socket_addrs()?.map(|address| address.ip());
    Ok(found
        .filter(IpAddr::is_ipv4)
        .filter(|address| !address.is_loopback())
        .map(|address| address.to_string())
        .collect())
}

/// Checks what the operator denies: a network that the firewall did not understand would leave all open.
///
/// # Errors
/// [`Error::Invalid`] with the one that is no IPv4 address and no IPv4 network.
pub(crate) fn check(networks: &[String]) -> Result<()> {
    let is_network = |text: &str| {
        let (address, length) = text.split_once('/').unwrap_or((text, "32"));
        let length: Option<u8> = length.parse().ok().filter(|length| *length <= 32);
        address.parse::<Ipv4Addr>().is_ok() && length.is_some()
    };
    match networks.iter().find(|network| !is_network(network)) {
        None => Ok(()),
        Some(wrong) => {
            let problem = format!(
                "{wrong:?} is neither an IPv4 address nor a network such as 192.168.7.0/24"
            );
            Err(Error::invalid("denied_networks", problem))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_elsewhere_are_found_and_unknown_names_told() {
        assert_eq!(addresses("192.0.2.7:7700").unwrap(), ["192.0.2.7"]);
        assert!(addresses("127.0.0.1:7700").unwrap().is_empty());
        assert!(addresses("[2001:db8::7]:7700").unwrap().is_empty());
        // A name that nobody may have (RFC 6761).
        assert!(addresses("quire.invalid:7700").is_err());
    }

    #[test]
    fn a_control_plane_behind_one_door_is_one_host() {
        let door = Address::Https("quire.example:7700".to_owned());
        let config = AgentConfig {
            scheduler: door.clone(),
            inventory: door.clone(),
            volume: door,
            identity: Address::Unix("/run/quire/identity.sock".into()),
            ..AgentConfig::default()
        };
        assert_eq!(services(&config), ["quire.example:7700"]);
    }

    #[test]
    fn only_networks_can_be_denied() {
        let check = |text: &str| check(&[text.to_owned()]);
        for right in ["10.0.0.7", "192.168.7.0/24", "10.0.0.0/8"] {
            assert!(check(right).is_ok(), "{right}");
        }
        for wrong in [
            "",
            "lan",
            "10.0.0.0/33",
            "10.0.0/8",
            "fd00::/8",
            "10.0.0.0/8; accept",
        ] {
            let error = check(wrong).unwrap_err().to_string();
            assert!(error.starts_with("denied_networks: "), "{error}");
        }
    }
}
