//! A queue and how it stands.

use contracts::scheduler::v1::QueueStatus;
use serde::Serialize;

use super::amount::{Amount, limit_words};
use crate::print::Row;

/// A queue as programs see it. Fields are only added.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct QueueRow {
    name: String,
    /// Null: directly below the whole cluster.
    parent: Option<String>,
    team_id: Option<String>,
    project_id: Option<String>,
    /// Nobody wrote it down.
    implicit: bool,
    deserved: Amount,
    limit: Limit,
    weight: u32,
    held: Amount,
    wanted: Amount,
    /// Workloads that wait.
    waiting: u64,
    share: Amount,
}

/// Null = no limit.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Limit {
    milli_gpus: Option<i64>,
    milli_cores: Option<i64>,
    memory_mib: Option<i64>,
    #[serde(skip)]
    text: String,
}

impl From<QueueStatus> for QueueRow {
    fn from(status: QueueStatus) -> Self {
        let queue = status.queue.unwrap_or_default();
        let named = |text: String| (!text.is_empty()).then_some(text);
        let limit = queue.limit.unwrap_or_default();
        Self {
            name: queue.name,
            parent: named(queue.parent),
            team_id: named(queue.team_id),
            project_id: named(queue.project_id),
            implicit: status.implicit,
            deserved: Amount::of(status.deserved),
            limit: Limit {
                milli_gpus: limit.milli_gpus,
                milli_cores: limit.milli_cores,
                memory_mib: limit.memory_mib,
                text: limit_words(queue.limit),
            },
            weight: queue.over_quota_weight.unwrap_or(1),
            held: Amount::of(status.held),
            wanted: Amount::of(status.wanted),
            waiting: status.waiting,
            share: Amount::of(status.share),
        }
    }
}

impl Row for QueueRow {
    const COLUMNS: &'static [&'static str] = &[
        "QUEUE",
        "PARENT",
        "TAKES IN",
        "DESERVES",
        "LIMIT",
        "WEIGHT",
        "HOLDS",
        "WAITING",
        "WANTS",
        "FAIR SHARE",
    ];

    fn cells(&self) -> Vec<String> {
        let takes_in = match (&self.team_id, &self.project_id) {
            (Some(id), _) | (None, Some(id)) => id.clone(),
            (None, None) if self.implicit => "(of itself)".to_owned(),
            (None, None) => String::new(),
        };
        vec![
            self.name.clone(),
            self.parent.clone().unwrap_or_default(),
            takes_in,
            self.deserved.text(),
            self.limit.text.clone(),
            self.weight.to_string(),
            self.held.text(),
            self.waiting.to_string(),
            self.wanted.text(),
            self.share.text(),
        ]
    }
}
