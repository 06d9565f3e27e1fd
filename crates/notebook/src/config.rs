//! What the notebook service is told.

use std::time::Duration;

use chassis::config::{Listens, ServiceConfig, TlsConfig, redacted};
use chassis::{Address, Error, Result};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

/// Configuration of the notebook service.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NotebookConfig {
    /// What every service needs to be told.
    pub service: ServiceConfig,
    /// Where inventory is found.
    pub inventory: Address,
    /// Where the volume service is found.
    pub volume: Address,
    /// Where the scheduler is found.
    pub scheduler: Address,
    /// Where billing is found: prices decide which machine type is cheapest.
    pub billing: Address,
    /// Where people reach the edge: notebooks answer at `scheme://ID.host:port/`.
    pub edge: Address,
    /// Seals the notebooks' tokens at rest: 32 bytes as URL-safe base 64.
    #[serde(serialize_with = "redacted")]
    pub master_key: SecretString,
    /// Where this service reaches the edge to look at idle notebooks, by `http://` on loopback or `https://`. The edge's
    /// certificate has to name this host, too.
    pub edge_probe: Address,
    /// Notebooks that are not as wanted are looked at this often, in milliseconds; changes wake the loop before.
    pub mend_ms: u32,
    /// The scheduler is asked about all that move or run this often, in milliseconds; its events come before.
    pub look_ms: u32,
    /// Routes are compared with the rows this often, in milliseconds.
    pub routes_ms: u32,
    /// Idle notebooks are looked for this often, in milliseconds: so much later than due may a warning, and with it a stop, come.
    pub idle_ms: u32,
}

impl Default for NotebookConfig {
    fn default() -> Self {
        Self {
            service: ServiceConfig::default(),
            inventory: Address::Http("127.0.0.1:7711".to_owned()),
            volume: Address::Http("127.0.0.1:7712".to_owned()),
            scheduler: Address::Http("127.0.0.1:7713".to_owned()),
            billing: Address::Http("127.0.0.1:7715".to_owned()),
            edge: Address::Http("localhost:7701".to_owned()),
            master_key: SecretString::default(),
            edge_probe: Address::Http("127.0.0.1:7701".to_owned()),
            mend_ms: 1_000,
            look_ms: 5_000,
            routes_ms: 15_000,
            idle_ms: 10_000,
        }
    }
}

/// How often each loop runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Periods {
    pub(crate) mend: Duration,
    pub(crate) look: Duration,
    pub(crate) routes: Duration,
    pub(crate) idle: Duration,
}

impl NotebookConfig {
    /// Checks what types cannot tell: notebooks' tokens go to the probed edge.
    pub(crate) fn check(&self) -> Result<()> {
        let problem = match &self.edge_probe {
            Address::Unix(_) => Err(format!("is {}; use http:// or https://", self.edge_probe)),
            tcp => tcp.check_caller(),
        };
        problem.map_err(|problem| Error::invalid("edge_probe", problem))
    }

    /// How often each loop runs; none may run without a pause.
    pub(crate) fn periods(&self) -> Result<Periods> {
        let period = |field: &str, ms: u32| match ms {
            0 => Err(Error::invalid(field, "is 0; 1 or more is needed")),
            ms => Ok(Duration::from_millis(ms.into())),
        };
        Ok(Periods {
            mend: period("mend_ms", self.mend_ms)?,
            look: period("look_ms", self.look_ms)?,
            routes: period("routes_ms", self.routes_ms)?,
            idle: period("idle_ms", self.idle_ms)?,
        })
    }
}

impl Listens for NotebookConfig {
    fn listen(&self) -> &Address {
        &self.service.listen
    }

    fn tls(&self) -> &TlsConfig {
        &self.service.tls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_go_to_no_edge_in_the_clear() {
        let check = |probe: &str| {
            let config = NotebookConfig {
                edge_probe: probe.parse().unwrap(),
                ..NotebookConfig::default()
            };
            config.check()
        };
        for fine in ["http://127.0.0.1:7701", "https://edge.lan"] {
            check(fine).unwrap();
        }
        for wrong in ["http://edge.lan:7701", "unix:/run/edge.sock"] {
            let refusal = check(wrong).unwrap_err().to_string();
            assert!(refusal.starts_with("edge_probe: "), "{refusal}");
        }
    }
}
