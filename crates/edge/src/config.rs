//! What the door is told.

use std::path::PathBuf;
use std::time::Duration;

use chassis::config::{BusConfig, Listens, TlsConfig, redacted};
use chassis::{Address, Error, Result};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

/// What the door is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EdgeConfig {
    /// Where it listens: TCP on loopback, or TLS.
    pub listen: Address,
    /// The certificate that it shows where it listens by `https://`.
    pub tls: TlsConfig,
    /// Notebooks answer under `<id>.<domain>`.
    pub domain: String,
    /// TLS ends in front of the door: browsers come by `https://` although it listens in the clear.
    pub secure: bool,
    /// The event bus, which has the routes.
    pub bus: BusConfig,
    /// Folder in which each agent of this host offers its relay, `<node>.sock`.
    pub relay_dir: PathBuf,
    /// `https://host:port` where agents of other hosts connect, with their node's certificate; absent = they do not.
    pub relay_listen: Option<Address>,
    /// `https://host:port` by which agents reach that; absent = as it is listened on.
    pub relay_address: Option<Address>,
    /// Certificate of the relay, and the authority of nodes and services; absent = `tls`. Browsers may want one of a public
    /// authority at the door, agents trust the cluster's own only.
    pub relay_tls: Option<TlsConfig>,
    /// Where inventory is found, which tells agents of this edge.
    pub inventory: Address,
    /// Where the notebook service is found, which is asked to keep a notebook that somebody has opened.
    pub notebook: Address,
    /// Where identity is found.
    pub identity: Address,
    /// The edge's own key, for its calls to inventory and the notebook service.
    #[serde(serialize_with = "redacted")]
    pub key: SecretString,
    /// How much of everything.
    pub limits: Limits,
}

/// How much of everything. What is refused for one of them is counted in `quire_edge_limits`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Size of a request's head, 8,192 to 1,048,576 bytes.
    pub header_bytes: u32,
    /// Time from a head's first byte (on a new connection: from its opening) to its last.
    pub header_seconds: u64,
    /// Time that a connection may stay open between requests.
    pub idle_seconds: u64,
    /// Time that a WebSocket may stay silent in both directions.
    pub upgraded_idle_seconds: u64,
    /// Connections at once.
    pub connections: u32,
    /// Requests and WebSockets at once to one notebook.
    pub connections_per_notebook: u32,
    /// Time that a notebook has to begin its answer, from the last byte of the request that it was sent.
    pub answer_seconds: u64,
}

impl Default for EdgeConfig {
    fn default() -> Self {
        Self {
            listen: Address::Http("127.0.0.1:7701".to_owned()),
            tls: TlsConfig::default(),
            domain: "localhost".to_owned(),
            secure: false,
            bus: BusConfig::default(),
            relay_dir: PathBuf::from("relays"),
            relay_listen: None,
            relay_address: None,
            relay_tls: None,
            inventory: Address::Http("127.0.0.1:7711".to_owned()),
            notebook: Address::Http("127.0.0.1:7714".to_owned()),
            identity: Address::Http("127.0.0.1:7710".to_owned()),
            key: SecretString::default(),
            limits: Limits::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: 64 << 10,
            header_seconds: 30,
            idle_seconds: 120,
            upgraded_idle_seconds: 24 * 3_600,
            connections: 10_000,
            connections_per_notebook: 512,
            answer_seconds: 600,
        }
    }
}

impl EdgeConfig {
    /// Refuses what cannot work.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the key, its value and what would be right.
    pub fn check(&self) -> Result<()> {
        if let Address::Unix(_) = self.listen {
            let problem = format!(
                "is {}; use http://host:port or https://host:port",
                self.listen
            );
            return Err(Error::invalid("listen", problem));
        }
        let label = |label: &str| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        if !self.domain.split('.').all(label) {
            let problem = format!(
                "{:?} is not a domain such as notebooks.example.org",
                self.domain
            );
            return Err(Error::invalid("domain", problem));
        }
        self.check_relay()?;
        self.limits.check()
    }

    /// Certificates between this edge, agents and services.
    pub(crate) fn relay_tls(&self) -> &TlsConfig {
        self.relay_tls.as_ref().unwrap_or(&self.tls)
    }

    /// Browsers come by `https://`: cookies are marked `Secure`, and notebooks are told so.
    pub(crate) fn is_secure(&self) -> bool {
        self.secure || matches!(self.listen, Address::Https(_))
    }

    fn check_relay(&self) -> Result<()> {
        let Some(listen) = &self.relay_listen else {
            return Ok(());
        };
        for (key, address) in [
            ("relay_listen", Some(listen)),
            ("relay_address", self.relay_address.as_ref()),
        ] {
            if let Some(Address::Http(_) | Address::Unix(_)) = address {
                let problem = "is not https://host:port; agents connect by TLS only";
                return Err(Error::invalid(key, problem));
            }
        }
        let everywhere = |address: &Address| {
            let text = address.to_string();
            text.starts_with("https://0.0.0.0:") || text.starts_with("https://[::]:")
        };
        if everywhere(self.relay_address.as_ref().unwrap_or(listen)) {
            let problem =
                "is needed where relay_listen is all addresses: how do agents reach this machine?";
            return Err(Error::invalid("relay_address", problem));
        }
        Ok(())
    }
}

impl Limits {
    fn check(&self) -> Result<()> {
        let bytes = u64::from(self.header_bytes);
        let day = 24 * 3_600;
        let ranges = [
            ("limits.header_bytes", bytes, 8 << 10, 1 << 20),
            ("limits.header_seconds", self.header_seconds, 1, 3_600),
            ("limits.idle_seconds", self.idle_seconds, 1, day),
            (
                "limits.upgraded_idle_seconds",
                self.upgraded_idle_seconds,
                1,
                30 * day,
            ),
            (
                "limits.connections",
                u64::from(self.connections),
                1,
                1_000_000,
            ),
            (
                "limits.connections_per_notebook",
                u64::from(self.connections_per_notebook),
                1,
                1_000_000,
            ),
            ("limits.answer_seconds", self.answer_seconds, 1, day),
        ];
        for (key, value, least, most) in ranges {
            if !(least..=most).contains(&value) {
                return Err(Error::invalid(
                    key,
                    format!("is {value}; {least} to {most} are allowed"),
                ));
            }
        }
        Ok(())
    }

    pub(crate) fn header_time(&self) -> Duration {
        Duration::from_secs(self.header_seconds)
    }

    pub(crate) fn idle_time(&self) -> Duration {
        Duration::from_secs(self.idle_seconds)
    }

    pub(crate) fn upgraded_idle_time(&self) -> Duration {
        Duration::from_secs(self.upgraded_idle_seconds)
    }

    pub(crate) fn answer_time(&self) -> Duration {
        Duration::from_secs(self.answer_seconds)
    }
}

impl Listens for EdgeConfig {
    fn listen(&self) -> &Address {
        &self.listen
    }

    fn tls(&self) -> &TlsConfig {
        &self.tls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_allowed_and_what_cannot_work_is_named() {
        EdgeConfig::default().check().unwrap();
        let refusal = |change: fn(&mut EdgeConfig)| {
            let mut config = EdgeConfig::default();
            change(&mut config);
            config.check().unwrap_err().to_string()
        };
        let socket = Address::Unix("/run/edge.sock".into());
        let config = EdgeConfig {
            listen: socket,
            ..EdgeConfig::default()
        };
        assert!(
            config
                .check()
                .unwrap_err()
                .to_string()
                .starts_with("listen: is unix:/run")
        );
        assert!(refusal(|config| config.domain = "a..b".to_owned()).starts_with("domain: "));
        assert!(refusal(|config| config.domain = "a.b:1".to_owned()).starts_with("domain: "));
        assert!(
            refusal(|config| config.limits.header_bytes = 10)
                .contains("limits.header_bytes: is 10; 8192")
        );
        assert!(
            refusal(|config| config.limits.idle_seconds = 0).starts_with("limits.idle_seconds")
        );
    }

    #[test]
    fn a_relay_has_tls_and_an_address_that_others_reach() {
        let refusal = |listen: &str, told: Option<&str>| {
            let config = EdgeConfig {
                relay_listen: Some(listen.parse().unwrap()),
                relay_address: told.map(|told| told.parse().unwrap()),
                ..EdgeConfig::default()
            };
            config.check().err().map(|error| error.to_string())
        };
        assert_eq!(refusal("https://10.0.0.1:7702", None), None);
        assert_eq!(
            refusal("https://0.0.0.0:7702", Some("https://edge:7702")),
            None
        );
        let starts = |refused: Option<String>, with| refused.unwrap().starts_with(with);
        assert!(starts(
            refusal("http://127.0.0.1:7702", None),
            "relay_listen: "
        ));
        assert!(starts(
            refusal("https://0.0.0.0:7702", None),
            "relay_address: "
        ));
        assert!(starts(
            refusal("https://10.0.0.1:7702", Some("http://edge:7702")),
            "relay_address: "
        ));
    }

    #[test]
    fn an_unknown_key_is_refused() {
        assert!(serde_json::from_str::<EdgeConfig>(r#"{"limits": {"header_byte": 1}}"#).is_err());
    }
}
