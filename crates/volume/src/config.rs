//! What volume is told.

use std::time::Duration;

use chassis::config::{Listens, ServiceConfig, TlsConfig};
use chassis::{Address, Error, Result};
use serde::{Deserialize, Serialize};

/// Configuration of the volume service.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VolumeConfig {
    /// What every service needs to be told.
    pub service: ServiceConfig,
    /// Where the scheduler is found.
    pub scheduler: Address,
    /// The scheduler is asked for ended attempts at least so often, in milliseconds.
    pub release_every_ms: u32,
}

impl Default for VolumeConfig {
    fn default() -> Self {
        Self {
            service: ServiceConfig::default(),
            scheduler: Address::Http("127.0.0.1:7713".to_owned()),
            release_every_ms: 30_000,
        }
    }
}

impl VolumeConfig {
    /// How often the scheduler is asked.
    pub(crate) fn release_every(&self) -> Result<Duration> {
        if self.release_every_ms == 0 {
            return Err(Error::invalid(
                "release_every_ms",
                "is 0; 1 or more is needed",
            ));
        }
        Ok(Duration::from_millis(u64::from(self.release_every_ms)))
    }
}

impl Listens for VolumeConfig {
    fn listen(&self) -> &Address {
        &self.service.listen
    }

    fn tls(&self) -> &TlsConfig {
        &self.service.tls
    }
}
