//! Which packets of workloads go where, as text for nftables. Workloads reach what lies outside; they reach neither this host,
//! nor each other, nor what is denied; and nobody reaches them.

use std::net::{IpAddr, Ipv4Addr};

/// What is never reached: this network, loopback, link-local (where clouds keep credentials), multicast, reserved.
const NEVER: &[&str] = &[
    "0.0.0.0/8",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "224.0.0.0/4",
    "240.0.0.0/4",
];

/// One agent's rules.
#[derive(Debug)]
pub(crate) struct Firewall<'a> {
    /// Name of the table.
    pub(crate) table: &'a str,
    /// What the names of this agent's interfaces begin with.
    pub(crate) interfaces: &'a str,
    /// Addresses of all workloads of this machine.
    pub(crate) network: &'a str,
    /// Name servers; port 53 of them is reached even where the rest is denied.
    pub(crate) resolvers: &'a [IpAddr],
    /// More addresses and networks that are not reached.
    pub(crate) denied: &'a [String],
}

impl Firewall<'_> {
    /// Text that replaces the table, all at once.
    pub(crate) fn rules(&self) -> String {
        let Self {
            table,
            interfaces,
            network,
            ..
        } = self;
        let denied: Vec<&str> = [*network]
            .into_iter()
            .chain(NEVER.iter().copied())
            .chain(self.denied.iter().map(String::as_str))
            .collect();
        let names = self.name_service();
        format!(
            r#"table inet {table}
delete table inet {table}
table inet {table} {{
  set denied {{
    type ipv4_addr
    flags interval
    auto-merge
    elements = {{ {denied} }}
  }}
  chain input {{
    type filter hook input priority filter - 5
    iifname "{interfaces}*" jump inside
  }}
  chain forward {{
    type filter hook forward priority filter - 5
    iifname "{interfaces}*" jump outward
    oifname "{interfaces}*" jump inward
  }}
  chain inside {{
{names}    drop
  }}
  chain outward {{
    meta nfproto ipv6 drop
    ip saddr != {network} drop
{names}    ip daddr @denied drop
  }}
  chain inward {{
    ct state established,related accept
    drop
  }}
  chain leave {{
    type nat hook postrouting priority srcnat
    ip saddr {network} oifname != "{interfaces}*" masquerade
  }}
}}
"#,
            denied = denied.join(", "),
        )
    }

    fn name_service(&self) -> String {
        let servers: Vec<String> = self
            .resolvers
            .iter()
            .filter_map(reachable)
            .map(|server| server.to_string())
            .collect();
        if servers.is_empty() {
            return String::new();
        }
        let servers = servers.join(", ");
        format!(
            "    ip daddr {{ {servers} }} udp dport 53 accept\n    ip daddr {{ {servers} }} tcp dport 53 accept\n"
        )
    }
}

/// A name server that workloads can reach: one of IPv4 that is not on the host's loopback.
pub(crate) fn reachable(server: &IpAddr) -> Option<Ipv4Addr> {
    match server {
        IpAddr::V4(server) if !server.is_loopback() => Some(*server),
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_are_asked_of_what_is_denied() {
        let resolvers: Vec<IpAddr> = ["169.254.169.253", "127.0.0.53", "fd00::1"]
            .map(|ip| ip.parse().unwrap())
            .to_vec();
        let denied = ["192.168.7.0/24".to_owned()];
        let firewall = Firewall {
            table: "quire_ab",
            interfaces: "qvab",
            network: "10.231.0.0/16",
            resolvers: &resolvers,
            denied: &denied,
        };
        let rules = firewall.rules();
        assert!(
            rules.starts_with("table inet quire_ab\ndelete table inet quire_ab\n"),
            "{rules}"
        );
        assert!(
            rules.contains("10.231.0.0/16, 0.0.0.0/8") && rules.contains("192.168.7.0/24"),
            "{rules}"
        );
        let names = rules
            .find("ip daddr { 169.254.169.253 } udp dport 53 accept")
            .unwrap();
        assert!(names < rules.find("@denied drop").unwrap());
        let none = Firewall {
            resolvers: &resolvers[1..],
            ..firewall
        };
        assert!(!none.rules().contains("dport 53"));
    }
}
