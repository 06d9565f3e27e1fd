//! What the gateway needs to be told.

use std::time::Duration;

use chassis::config::{Listens, TlsConfig};
use chassis::{Address, Error, Result};
use serde::{Deserialize, Serialize};

/// Where the gateway listens, and where the services behind it are found.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GatewayConfig {
    /// Where it listens: loopback, a unix socket, or TLS.
    pub listen: Address,
    /// Certificates: what it shows where it listens by `https://`, and which services it trusts.
    pub tls: TlsConfig,
    /// Where identity is found.
    pub identity: Address,
    /// Where inventory is found.
    pub inventory: Address,
    /// Where volume is found.
    pub volume: Address,
    /// Where the scheduler is found; agents' links go there too.
    pub scheduler: Address,
    /// Where notebook is found.
    pub notebook: Address,
    /// Where billing is found.
    pub billing: Address,
    /// Where journal is found.
    pub journal: Address,
    /// Bounds on what callers may ask for.
    pub limits: Limits,
}

/// Bounds on what callers may ask for. What goes beyond is refused; nothing queues without end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Largest body of a REST request, in bytes.
    pub body_bytes: usize,
    /// Largest sum of the headers of a request, in bytes; at least 8,192.
    pub header_bytes: u32,
    /// REST requests worked on at once.
    pub requests: usize,
    /// gRPC calls passed through at once, lasting streams included.
    pub calls: usize,
    /// gRPC calls at once on one connection.
    pub calls_per_connection: u32,
    /// Connections open at once.
    pub connections: usize,
    /// Longest time that a REST request may take, in seconds.
    pub request_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            header_bytes: 32 << 10,
            requests: 1_000,
            calls: 20_000,
            calls_per_connection: 200,
            connections: 20_000,
            request_seconds: 15,
        }
    }
}

impl Limits {
    /// Longest time that a REST request may take.
    pub fn request_time(&self) -> Duration {
        Duration::from_secs(self.request_seconds)
    }

    /// Refuses limits that nothing could pass, and those that the HTTP library cannot hold.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the limit.
    pub fn check(&self) -> Result<()> {
        let zero = [
            ("limits.body_bytes", self.body_bytes == 0),
            ("limits.requests", self.requests == 0),
            ("limits.calls", self.calls == 0),
            (
                "limits.calls_per_connection",
                self.calls_per_connection == 0,
            ),
            ("limits.connections", self.connections == 0),
            ("limits.request_seconds", self.request_seconds == 0),
        ];
        if let Some((name, _)) = zero.into_iter().find(|(_, zero)| *zero) {
            return Err(Error::invalid(
                name,
                "is 0; nothing could pass, use 1 or more",
            ));
        }
        if self.header_bytes < 8_192 {
            let problem = format!("is {}; use 8192 or more", self.header_bytes);
            return Err(Error::invalid("limits.header_bytes", problem));
        }
        Ok(())
    }
}

impl Default for GatewayConfig {
    fn default() -> Self {
        let local = |port: u16| Address::Http(format!("127.0.0.1:{port}"));
        Self {
            listen: local(7700),
            tls: TlsConfig::default(),
            identity: local(7710),
            inventory: local(7711),
            volume: local(7712),
            scheduler: local(7713),
            notebook: local(7714),
            billing: local(7715),
            journal: local(7716),
            limits: Limits::default(),
        }
    }
}

impl Listens for GatewayConfig {
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
    fn limits_that_nothing_could_pass_are_refused() {
        assert!(Limits::default().check().is_ok());
        let wrong = [
            Limits {
                requests: 0,
                ..Limits::default()
            },
            Limits {
                request_seconds: 0,
                ..Limits::default()
            },
            Limits {
                header_bytes: 100,
                ..Limits::default()
            },
        ];
        for limits in wrong {
            let error = limits.check().unwrap_err().to_string();
            assert!(error.starts_with("limits."), "{error}");
        }
    }

    #[test]
    fn an_unknown_key_is_named() {
        let error = serde_json::from_str::<GatewayConfig>("{\"listne\": \"unix:/a\"}").unwrap_err();
        assert!(error.to_string().contains("listne"), "{error}");
    }
}
