//! Where the API and the notebooks answer: on loopback in the clear, or for others with TLS.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use anyhow::{Context, Result};
use chassis::Address;
use chassis::authority::check_host;

use crate::cli::UpArgs;

/// Domain of notebooks where none is given: names below it are this machine (RFC 6761). Clients accept no wildcard directly below
/// `localhost`, so with TLS it has one label more.
const DOMAIN: &str = "localhost";
const DOMAIN_WITH_TLS: &str = "quire.localhost";
/// An address that is nobody's (RFC 5737); nothing is sent there.
const ELSEWHERE: &str = "192.0.2.1:9";

/// The doors of one installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Doors {
    /// They speak TLS.
    pub(super) secure: bool,
    /// Where the API listens.
    pub(super) gateway: SocketAddr,
    /// Where the edge listens.
    pub(super) edge: SocketAddr,
    /// Where agents of other machines connect to the edge, when anybody else does.
    relay: Option<SocketAddr>,
    /// Domain below which every notebook has a host of its own.
    pub(super) domain: String,
    /// Name or address by which others reach this machine.
    host: String,
    /// All names that the certificate is for.
    pub(super) names: Vec<String>,
}

impl Doors {
    /// As the command line says.
    ///
    /// # Errors
    /// For a domain or host that cannot be in a certificate.
    pub(super) fn of(args: &UpArgs) -> Result<Self> {
        let Some(listen) = args.listen else {
            return Ok(Self {
                secure: false,
                gateway: args.gateway,
                edge: args.edge,
                relay: None,
                domain: args.domain.clone().unwrap_or_else(|| DOMAIN.to_owned()),
                host: args.gateway.ip().to_string(),
                names: Vec::new(),
            });
        };
        Self::with_tls(args, listen, &host_name(), outward())
    }

    fn with_tls(
        args: &UpArgs,
        listen: IpAddr,
        host_name: &str,
        outward: Option<IpAddr>,
    ) -> Result<Self> {
        let domain = args.domain.as_deref().unwrap_or(DOMAIN_WITH_TLS);
        check_host(&format!("*.{domain}")).context("reading --domain")?;
        for host in &args.hosts {
            check_host(host).context("reading --host")?;
        }
        // What a machine calls itself need not be a name that others can use.
        let host_name = Some(host_name.to_owned()).filter(|name| check_host(name).is_ok());
        let address = if listen.is_unspecified() {
            outward
        } else {
            Some(listen)
        };
        let address = address.map(|address| address.to_string());
        let known = args
            .hosts
            .first()
            .or(address.as_ref())
            .or(host_name.as_ref());
        let host = known.map_or_else(|| DOMAIN.to_owned(), Clone::clone);
        let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1", domain]
            .map(str::to_owned)
            .to_vec();
        names.push(format!("*.{domain}"));
        names.extend(
            host_name
                .into_iter()
                .chain(address)
                .chain(args.hosts.iter().cloned()),
        );
        names.sort();
        names.dedup();
        Ok(Self {
            secure: true,
            gateway: SocketAddr::new(listen, args.gateway.port()),
            edge: SocketAddr::new(listen, args.edge.port()),
            relay: Some(SocketAddr::new(listen, args.relay.port())),
            domain: domain.to_owned(),
            host,
            names,
        })
    }

    fn address(&self, authority: String) -> Address {
        if self.secure {
            Address::Https(authority)
        } else {
            Address::Http(authority)
        }
    }

    /// Where the API listens.
    pub(super) fn gateway_listener(&self) -> Address {
        self.address(self.gateway.to_string())
    }

    /// Where the edge listens.
    pub(super) fn edge_listener(&self) -> Address {
        self.address(self.edge.to_string())
    }

    /// How this machine reaches the API.
    pub(super) fn local_gateway(&self) -> Address {
        self.address(local(self.gateway).to_string())
    }

    /// How this machine reaches the edge.
    pub(super) fn local_edge(&self) -> Address {
        self.address(local(self.edge).to_string())
    }

    /// All addresses that are listened on, each with the option that names another one.
    pub(super) fn listeners(&self) -> Vec<(&'static str, SocketAddr)> {
        [("--gateway", self.gateway), ("--edge", self.edge)]
            .into_iter()
            .chain(self.relay.map(|relay| ("--relay", relay)))
            .collect()
    }

    /// Where agents of other machines connect to the edge.
    pub(super) fn relay_listener(&self) -> Option<Address> {
        Some(self.address(self.relay?.to_string()))
    }

    /// How agents of other machines reach that.
    pub(super) fn relay(&self) -> Option<Address> {
        Some(self.reached(self.relay?.port()))
    }

    /// How people reach the API.
    pub(super) fn api(&self) -> Address {
        self.reached(self.gateway.port())
    }

    /// How others reach a port of this machine.
    fn reached(&self, port: u16) -> Address {
        match self.host.parse::<Ipv6Addr>() {
            Ok(address) => self.address(format!("[{address}]:{port}")),
            Err(_) => self.address(format!("{}:{port}", self.host)),
        }
    }

    /// How people reach notebooks, each below it.
    pub(super) fn notebooks(&self) -> Address {
        self.address(format!("{}:{}", self.domain, self.edge.port()))
    }
}

/// What listens everywhere, listens on loopback too.
fn local(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listener.port())
}

fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

/// The address by which this machine would reach others; to connect a datagram socket sends nothing.
fn outward() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(ELSEWHERE).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn args(typed: &[&str]) -> UpArgs {
        let cli = Cli::try_parse_from([&["quire", "up"], typed].concat()).unwrap();
        match cli.command {
            Command::Up(args) => args,
            other => panic!("{other:?}"),
        }
    }

    fn tls(typed: &[&str], listen: &str) -> Result<Doors> {
        let outward = "192.168.1.5".parse().ok();
        Doors::with_tls(&args(typed), listen.parse().unwrap(), "box", outward)
    }

    #[test]
    fn loopback_stays_in_the_clear() {
        let doors = Doors::of(&args(&[])).unwrap();
        assert_eq!(
            doors.gateway_listener().to_string(),
            "http://127.0.0.1:7700"
        );
        assert_eq!(doors.api().to_string(), "http://127.0.0.1:7700");
        assert_eq!(doors.notebooks().to_string(), "http://localhost:7701");
        assert_eq!((doors.relay_listener(), doors.relay()), (None, None));
        assert!(doors.names.is_empty());
    }

    #[test]
    fn others_come_by_tls() {
        let doors = tls(&["--domain", "quire.lan"], "0.0.0.0").unwrap();
        assert_eq!(doors.gateway_listener().to_string(), "https://0.0.0.0:7700");
        assert_eq!(doors.local_edge().to_string(), "https://127.0.0.1:7701");
        assert_eq!(doors.api().to_string(), "https://192.168.1.5:7700");
        assert_eq!(doors.notebooks().to_string(), "https://quire.lan:7701");
        let relay = doors.relay_listener().unwrap().to_string();
        assert_eq!(relay, "https://0.0.0.0:7702");
        let relay = doors.relay().unwrap().to_string();
        assert_eq!(relay, "https://192.168.1.5:7702");
        for name in [
            "localhost",
            "127.0.0.1",
            "quire.lan",
            "*.quire.lan",
            "box",
            "192.168.1.5",
        ] {
            assert!(doors.names.contains(&name.to_owned()), "{name}");
        }

        let named = tls(&["--listen", "::", "--host", "quire.example.org"], "::").unwrap();
        assert_eq!(named.api().to_string(), "https://quire.example.org:7700");
        assert_eq!(named.local_gateway().to_string(), "https://[::1]:7700");
        let six = tls(&[], "fd00::1").unwrap();
        assert_eq!(six.api().to_string(), "https://[fd00::1]:7700");
    }

    #[test]
    fn what_no_certificate_can_name_is_refused() {
        let error = format!("{:#}", tls(&["--domain", "lan"], "0.0.0.0").unwrap_err());
        assert!(
            error.contains("--domain") && error.contains("two labels"),
            "{error}"
        );
        let typed = ["--listen", "0.0.0.0", "--host", "a b"];
        assert!(format!("{:#}", tls(&typed, "0.0.0.0").unwrap_err()).contains("--host"));
    }
}
