//! What inventory is told.

use std::time::Duration;

use chassis::config::{Listens, ServiceConfig, TlsConfig};
use chassis::{Address, Error, Result};
use serde::{Deserialize, Serialize};

/// Configuration of the inventory service.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InventoryConfig {
    /// What every service needs to be told.
    pub service: ServiceConfig,
    /// How often each node is asked to say that it lives, in milliseconds.
    pub heartbeat_ms: u32,
    /// A node that was not heard for so long is silent, in milliseconds; at least two heartbeats.
    pub silence_timeout_ms: u32,
    /// Program that resolves the packages of environments.
    pub uv: String,
    /// Longest time that resolving one environment may take, in seconds.
    pub resolve_seconds: u32,
}

impl Default for InventoryConfig {
    fn default() -> Self {
        Self {
            service: ServiceConfig::default(),
            heartbeat_ms: 2_000,
            silence_timeout_ms: 8_000,
            uv: "uv".to_owned(),
            resolve_seconds: 180,
        }
    }
}

impl InventoryConfig {
    /// Checks what only all fields together can tell.
    pub(crate) fn check(&self) -> Result<()> {
        let (heartbeat, timeout) = (self.heartbeat_ms, self.silence_timeout_ms);
        if heartbeat == 0 {
            return Err(Error::invalid("heartbeat_ms", "is 0; 1 or more is needed"));
        }
        if timeout / 2 < heartbeat {
            let problem =
                format!("is {timeout}; at least two heartbeats of {heartbeat} ms are needed");
            return Err(Error::invalid("silence_timeout_ms", problem));
        }
        Ok(())
    }

    pub(crate) fn silence_timeout(&self) -> Duration {
        Duration::from_millis(u64::from(self.silence_timeout_ms))
    }

    pub(crate) fn heartbeat(&self) -> Duration {
        Duration::from_millis(u64::from(self.heartbeat_ms))
    }
}

impl Listens for InventoryConfig {
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
    fn a_timeout_leaves_room_for_two_heartbeats() {
        let config = |heartbeat_ms, silence_timeout_ms| InventoryConfig {
            heartbeat_ms,
            silence_timeout_ms,
            ..InventoryConfig::default()
        };
        assert!(InventoryConfig::default().check().is_ok());
        assert!(config(100, 200).check().is_ok());
        assert!(config(0, 200).check().is_err());
        let error = config(100, 199).check().unwrap_err().to_string();
        assert!(error.contains("silence_timeout_ms: is 199"), "{error}");
    }
}
