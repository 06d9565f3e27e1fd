//! What volume is told.

use std::collections::BTreeMap;
use std::time::Duration;

use chassis::config::{Listens, ServiceConfig, TlsConfig};
use chassis::{Address, Error, Result};
use kernel::id::TeamId;
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
    /// How much the files of a new volume may take, in GiB; 0 = as much as there is.
    pub quota_gib: u32,
    /// The same for single teams, by identifier.
    pub team_quota_gib: BTreeMap<String, u32>,
    /// Up to this quota admins resize their volumes themselves, in GiB; operators are not bound.
    pub largest_quota_gib: u32,
}

impl Default for VolumeConfig {
    fn default() -> Self {
        Self {
            service: ServiceConfig::default(),
            scheduler: Address::Http("127.0.0.1:7713".to_owned()),
            release_every_ms: 30_000,
            quota_gib: 20,
            team_quota_gib: BTreeMap::new(),
            largest_quota_gib: 1_024,
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

    /// Which quotas there are.
    pub(crate) fn quotas(&self) -> Result<Quotas> {
        let team = |(id, gib): (&String, &u32)| {
            let wrong = |_| {
                let problem = format!("{id:?} is not the identifier of a team, such as te-…");
                Error::invalid("team_quota_gib", problem)
            };
            Ok((id.parse().map_err(wrong)?, bytes(*gib)))
        };
        Ok(Quotas {
            of_all: bytes(self.quota_gib),
            of_teams: self
                .team_quota_gib
                .iter()
                .map(team)
                .collect::<Result<_>>()?,
            largest: bytes(self.largest_quota_gib),
        })
    }
}

fn bytes(gib: u32) -> u64 {
    u64::from(gib) << 30
}

/// Quotas as they are configured, in bytes.
#[derive(Debug)]
pub(crate) struct Quotas {
    of_all: u64,
    of_teams: BTreeMap<TeamId, u64>,
    /// The largest that an admin sets.
    pub(crate) largest: u64,
}

impl Quotas {
    /// That of a new volume of a team; 0 = none.
    pub(crate) fn of(&self, team: TeamId) -> u64 {
        self.of_teams.get(&team).copied().unwrap_or(self.of_all)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_team_may_have_a_quota_of_its_own() {
        let (one, other) = (TeamId::generate(), TeamId::generate());
        let mut config = VolumeConfig {
            team_quota_gib: [(one.to_string(), 50)].into(),
            ..VolumeConfig::default()
        };
        let quotas = config.quotas().unwrap();
        assert_eq!((quotas.of(one), quotas.of(other)), (50 << 30, 20 << 30));
        config.team_quota_gib.insert("us".to_owned(), 1);
        let refused = config.quotas().unwrap_err().to_string();
        assert!(refused.contains("\"us\""), "{refused}");
    }
}
