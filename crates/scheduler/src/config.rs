//! What the scheduler is told.

use std::time::Duration;

use chassis::config::{Listens, ServiceConfig, TlsConfig};
use chassis::{Address, Error, Result};
use serde::{Deserialize, Serialize};

use crate::domain::engine::Policy;
use crate::domain::queue::Rules;

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
    /// How long before its stop a workload is told that it makes room for another, in milliseconds.
    pub preemption_notice_ms: u32,
    /// Who has run for less is not stopped for others, but for free work, in milliseconds.
    pub min_run_ms: u32,
    /// Who needs several GPUs at once and has waited for longer gets nodes set aside, in milliseconds.
    pub patience_ms: u32,
    /// Who still runs on such nodes so much later, and may be stopped, is stopped, in milliseconds.
    pub drain_ms: u32,
    /// After so long, what a queue has used counts half, in milliseconds.
    pub half_life_ms: u32,
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
            preemption_notice_ms: 30_000,
            min_run_ms: 300_000,
            patience_ms: 600_000,
            drain_ms: 600_000,
            half_life_ms: 24 * 3_600_000,
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
            ("half_life_ms", self.half_life_ms),
        ];
        match periods.into_iter().find(|(_, period)| *period == 0) {
            Some((field, _)) => Err(Error::invalid(field, "is 0; 1 or more is needed")),
            None => self
                .placement_policy
                .parse()
                .map_err(|problem: String| Error::invalid("placement_policy", problem)),
        }
    }

    /// By what queues are served.
    pub(crate) fn rules(&self) -> Rules {
        Rules {
            half_life_ms: self.half_life_ms.into(),
            min_run_ms: self.min_run_ms.into(),
            patience_ms: self.patience_ms.into(),
            drain_ms: self.drain_ms.into(),
            with_notice: true,
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
