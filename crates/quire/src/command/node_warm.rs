//! What waits on a node for notebooks, in `quire node show`.

use contracts::inventory::v1::{WarmPool, WarmPools};
use serde::Serialize;

use crate::print::Row;

/// Finished sandboxes that wait for notebooks.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WarmView {
    most: u32,
    reserved_mib: u32,
    pub(super) pools: Vec<PoolRow>,
}

/// Those of one environment.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PoolRow {
    environment: String,
    environment_digest: String,
    ready: u32,
    wanted: u32,
    memory_mib: u32,
    failures: u32,
}

impl WarmView {
    /// In one line.
    pub(super) fn summary(&self) -> String {
        let (most, reserved) = (self.most, self.reserved_mib);
        if most == 0 {
            return "sandboxes that wait for notebooks: none may".to_owned();
        }
        format!(
            "sandboxes that wait for notebooks: at most {most}, {reserved} MiB are set aside for them"
        )
    }
}

impl From<WarmPools> for WarmView {
    fn from(warm: WarmPools) -> Self {
        Self {
            most: warm.most,
            reserved_mib: warm.reserved_mib,
            pools: warm.pools.into_iter().map(PoolRow::from).collect(),
        }
    }
}

impl From<WarmPool> for PoolRow {
    fn from(pool: WarmPool) -> Self {
        Self {
            environment: pool.environment,
            environment_digest: pool.environment_digest,
            ready: pool.ready,
            wanted: pool.wanted,
            memory_mib: pool.memory_mib,
            failures: pool.failures,
        }
    }
}

impl Row for PoolRow {
    const COLUMNS: &'static [&'static str] =
        &["ENVIRONMENT", "READY", "WANTED", "MEMORY MIB", "FAILURES"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.environment.clone(),
            self.ready.to_string(),
            self.wanted.to_string(),
            self.memory_mib.to_string(),
            self.failures.to_string(),
        ]
    }
}
