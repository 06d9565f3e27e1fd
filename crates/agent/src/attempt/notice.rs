//! That a workload will be told to end: what it is told before that.

use contracts::agent::v1::Notice as Said;
use kernel::time::from_micros;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::moment::Moment;

/// That a workload will be told to end. It runs on until then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Notice {
    /// Why, in words.
    reason: String,
    /// When, in microseconds of this node's calendar.
    stop_at_micros: i64,
}

impl Notice {
    /// What the scheduler has said, as it was heard at `now`.
    pub(super) fn heard(said: &Said, now: &Moment) -> Self {
        Self {
            reason: said.reason.clone(),
            stop_at_micros: now
                .at_micros
                .saturating_add(i64::from(said.stop_in_ms) * 1_000),
        }
    }

    /// When it will be told to end (RFC 3339). In whole seconds, downwards: nobody has less time than is said.
    pub(crate) fn stop_at(&self) -> String {
        let stop_at = from_micros(self.stop_at_micros);
        stop_at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    /// What the workload reads.
    pub(crate) fn content(&self) -> Vec<u8> {
        let content = json!({ "reason": self.reason, "stop_at": self.stop_at() });
        format!("{content}\n").into_bytes()
    }

    /// What this agent reports of the attempt. People are told the scheduler's own words, which begin alike, as long as it is the
    /// scheduler that has it make room (`app/leave.rs` there).
    pub(super) fn text(&self) -> String {
        let what = format!("will be stopped at {}", self.stop_at());
        match self.reason.as_str() {
            "" => what,
            reason => format!("{what}: {reason}"),
        }
    }
}
