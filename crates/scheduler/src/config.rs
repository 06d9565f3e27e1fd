//! What the scheduler is told.

use std::time::Duration;

use chassis::config::{Listens, ServiceConfig, TlsConfig};
use chassis::{Address, Error, Result};
use serde::{Deserialize, Serialize};

/// Configuration of the scheduler.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SchedulerConfig {
    /// What every service needs to be told.
    pub service: ServiceConfig,
    /// Where inventory is found.
    pub inventory: Address,
    /// Where the volume service is found.
    pub volume: Address,
    /// How often the leader renews its lease, in milliseconds; the lease lasts five seconds.
    pub renew_ms: u32,
    /// The queue and the agents are looked at least this often, in milliseconds; nudges come before.
    pub look_ms: u32,
    /// Nodes are compared with inventory, and times minded, this often, in milliseconds; events come before.
    pub compare_ms: u32,
}

impl Default for SchedulerConfig {
    fn default() -> Self {
        Self {
            service: ServiceConfig::default(),
            inventory: Address::Http("127.0.0.1:7711".to_owned()),
            volume: Address::Http("127.0.0.1:7712".to_owned()),
            renew_ms: 1_000,
            look_ms: 1_000,
            compare_ms: 5_000,
        }
    }
}

impl SchedulerConfig {
    /// Checks what types cannot tell.
    pub(crate) fn check(&self) -> Result<()> {
        let periods = [
            ("renew_ms", self.renew_ms),
            ("look_ms", self.look_ms),
            ("compare_ms", self.compare_ms),
        ];
        match periods.into_iter().find(|(_, period)| *period == 0) {
            Some((field, _)) => Err(Error::invalid(field, "is 0; 1 or more is needed")),
            None => Ok(()),
        }
    }

    pub(crate) fn renew(&self) -> Duration {
        Duration::from_millis(self.renew_ms.into())
    }

    pub(crate) fn look(&self) -> Duration {
        Duration::from_millis(self.look_ms.into())
    }

    pub(crate) fn compare(&self) -> Duration {
        Duration::from_millis(self.compare_ms.into())
    }
}

impl Listens for SchedulerConfig {
    fn listen(&self) -> &Address {
        &self.service.listen
    }

    fn tls(&self) -> &TlsConfig {
        &self.service.tls
    }
}
