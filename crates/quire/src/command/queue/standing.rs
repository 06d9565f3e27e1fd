//! A queue and how it stands.

use contracts::scheduler::v1::QueueStatus;
use serde::Serialize;

use super::amount::{Amount, limit_words};
use super::teams::Teams;
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
    /// Its name and what it takes in, for people.
    #[serde(skip)]
    shown: [String; 2],
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

impl QueueRow {
    pub(super) fn new(status: QueueStatus, teams: &Teams) -> Self {
        let shown = shown(&status, teams);
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
            shown,
        }
    }
}

fn shown(status: &QueueStatus, teams: &Teams) -> [String; 2] {
    let queue = status.queue.clone().unwrap_or_default();
    let takes_in = if !status.implicit {
        match queue.project_id.as_str() {
            "" => teams.name_of(&queue.team_id).to_owned(),
            project => project.to_owned(),
        }
    } else if queue.parent.is_empty() {
        match queue.name.strip_prefix("team ") {
            Some(team) => teams.name_of(team).to_owned(),
            None => "free work".to_owned(),
        }
    } else {
        format!("the rest of {}", queue.parent)
    };
    [teams.queue(&queue.name), takes_in]
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
        let [name, takes_in] = self.shown.clone();
        vec![
            name,
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
