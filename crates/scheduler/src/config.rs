//! What the scheduler is told.

use std::time::Duration;

use chassis::config::{Listens, ServiceConfig, TlsConfig};
use chassis::{Address, Error, Result};
use serde::{Deserialize, Serialize};

use crate::domain::engine::Policy;

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
    /// How often the leader renews its lease, in milliseconds; the lease lasts four seconds.
    pub renew_ms: u32,
    /// The queue and the agents are looked at least this often, in milliseconds; nudges come before.
    pub look_ms: u32,
    /// Nodes are compared with inventory, and times minded, this often, in milliseconds; events come before.
    pub compare_ms: u32,
    /// How nodes are chosen among those that fit: `default`, `fgd`, `best-fit`, `dot-product`, `gpu-packing`, `gpu-clustering` or
    /// `random`.
    pub placement_policy: String,
}

impl Default for SchedulerConfig {
    fn default() -> Self {
        Self {
            service: ServiceConfig::default(),
            inventory: Address::Http("127.0.0.1:7711".to_owned()),
            volume: Address::Http("127.0.0.1:7712".to_owned()),
            renew_ms: 500,
            look_ms: 1_000,
            compare_ms: 5_000,
            placement_policy: Policy::Default.name().to_owned(),
        }
    }
}

impl SchedulerConfig {
    /// Checks what types cannot tell; gives the placement policy.
    pub(crate) fn check(&self) -> Result<Policy> {
        let periods = [
            ("renew_ms", self.renew_ms),
            ("look_ms", self.look_ms),
            ("compare_ms", self.compare_ms),
        ];
        match periods.into_iter().find(|(_, period)| *period == 0) {
            Some((field, _)) => Err(Error::invalid(field, "is 0; 1 or more is needed")),
            None => self
                .placement_policy
                .parse()
                .map_err(|problem: String| Error::invalid("placement_policy", problem)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_policy_is_named_with_what_there_is() {
        let config = SchedulerConfig {
            placement_policy: "bestfit".to_owned(),
            ..SchedulerConfig::default()
        };
        let refused = config.check().unwrap_err().to_string();
        assert!(refused.contains("placement_policy"), "{refused}");
        assert!(refused.contains("\"bestfit\""), "{refused}");
        assert!(refused.contains("best-fit, dot-product"), "{refused}");
        for policy in Policy::ALL {
            let config = SchedulerConfig {
                placement_policy: policy.to_string(),
                ..SchedulerConfig::default()
            };
            assert_eq!(config.check().unwrap(), policy);
        }
    }
}
