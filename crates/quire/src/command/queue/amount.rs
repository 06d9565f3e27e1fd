//! Amounts of GPUs, cores and memory, as people and programs see them.

use contracts::scheduler::v1::{QueueAmount, QueueQuota};
use serde::Serialize;

/// How much of each kind of thing, as programs see it. Fields are only added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Amount {
    pub(super) milli_gpus: i64,
    pub(super) milli_cores: i64,
    pub(super) memory_mib: i64,
}

impl From<QueueAmount> for Amount {
    fn from(wire: QueueAmount) -> Self {
        Self {
            milli_gpus: wire.milli_gpus,
            milli_cores: wire.milli_cores,
            memory_mib: wire.memory_mib,
        }
    }
}

impl Amount {
    pub(super) fn of(wire: Option<QueueAmount>) -> Self {
        wire.unwrap_or_default().into()
    }

    pub(super) fn minus(self, other: Self) -> Self {
        Self {
            milli_gpus: self.milli_gpus - other.milli_gpus,
            milli_cores: self.milli_cores - other.milli_cores,
            memory_mib: self.memory_mib - other.memory_mib,
        }
    }

    /// Such as `8 GPU, 0.5 CPU, 16 GiB`; `-` where there is nothing.
    pub(super) fn text(self) -> String {
        words(
            [self.milli_gpus, self.milli_cores, self.memory_mib]
                .map(|part| (part != 0).then_some(part)),
            "-",
        )
    }
}

/// Those kinds that are there, in words.
fn words(kinds: [Option<i64>; 3], nothing: &str) -> String {
    let units = [("GPU", 1_000.0), ("CPU", 1_000.0), ("GiB", 1_024.0)];
    let parts = kinds.into_iter().zip(units);
    let parts: Vec<_> = parts
        .filter_map(|(part, (unit, of_one))| {
            Some(format!("{} {unit}", rounded(part? as f64 / of_one)))
        })
        .collect();
    if parts.is_empty() {
        return nothing.to_owned();
    }
    parts.join(", ")
}

/// With as many decimals as it has, at most three.
fn rounded(number: f64) -> String {
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

pub(super) fn limit_words(quota: Option<QueueQuota>) -> String {
    let quota = quota.unwrap_or_default();
    words([quota.milli_gpus, quota.milli_cores, quota.memory_mib], "")
}
