//! Why a notebook is in the state that it is in.

use chassis::auth::User;
use chassis::{Error, Result};
use contracts::from_wire_time;
use contracts::notebook::v1::ExplainNotebookResponse;
use contracts::scheduler::v1::{ExplainWorkloadRequest, PlacementVerdict};
use kernel::time::from_micros;
use prost_types::Timestamp;

use super::observe::waiting;
use super::{App, view};
use crate::domain::state::{State, Wanted};
use crate::store::entity::Model;

/// Said when there is nothing newer than the row.
const AWAY: &str = "the scheduler does not answer now; this is what was known last";

impl App {
    /// The dominant reason and what stands in the way, from the scheduler where it knows more.
    pub(crate) async fn explain(
        &self,
        user: &User,
        wanted: &str,
    ) -> Result<ExplainNotebookResponse> {
        let row = self.find(user, wanted).await?;
        let mut answer = ExplainNotebookResponse {
            notebook: Some(self.with_token(&row)?),
            summary: row.reason.clone(),
            details: Vec::from_iter(Some(row.files_note.clone()).filter(|note| !note.is_empty())),
        };
        if row.workload_id.is_empty() || view::state(&row).is_rest() {
            return Ok(answer);
        }
        let request = ExplainWorkloadRequest {
            id: row.workload_id.clone(),
        };
        let asked = self.scheduler.clone().explain_workload(request).await;
        let explained = match asked.map_err(Error::from) {
            Ok(explained) => explained.into_inner(),
            Err(error) if error.code().is_retryable() => {
                answer.details.push(AWAY.to_owned());
                return Ok(answer);
            }
            Err(error) => return Err(error),
        };
        answer.summary = match &explained.workload {
            Some(workload) => waiting(workload, &explained.summary),
            None => explained.summary,
        };
        if view::state(&row) == State::Running && view::wanted(&row) == Wanted::Running {
            self.explain_use(&row, &mut answer).await;
        }
        if explained.queue_position > 0 {
            answer
                .details
                .push(format!("number {} in the queue", explained.queue_position));
        }
        answer
            .details
            .extend(explained.obstacles.into_iter().map(|obstacle| {
                let plural = if obstacle.nodes == 1 { "node" } else { "nodes" };
                format!(
                    "{} rules out {} {plural}: {}",
                    obstacle.what, obstacle.nodes, obstacle.detail
                )
            }));
        let change = explained.smallest_change.map(|change| change.summary);
        answer.details.extend(change);
        answer.details.extend(explained.latest_start.map(latest));
        answer.details.extend(explained.verdict.map(chosen));
        Ok(answer)
    }

    /// When it will be stopped for being idle, and what shows that it is used.
    async fn explain_use(&self, row: &Model, answer: &mut ExplainNotebookResponse) {
        if let Some(stops_at) = row.stops_at {
            // The earlier stop may be another: that it makes room for others.
            let told = Some(row.reason.clone()).filter(|reason| !reason.is_empty());
            answer.details.extend(told);
            answer.summary = format!(
                "will stop at {} because {}",
                from_micros(stops_at).format("%H:%M UTC"),
                row.stops_because
            );
        }
        if let Some(kept) = row.kept_until {
            let until = from_micros(kept).format("%Y-%m-%d %H:%M UTC");
            answer.details.push(format!("kept alive until {until}"));
        }
        let signs = self.signs(row).await;
        answer.details.extend(
            signs
                .into_iter()
                .map(|sign| format!("{}: {}", sign.name, sign.detail)),
        );
    }
}

fn latest(at: Timestamp) -> String {
    let at = from_wire_time("latest_start", at).map_or_else(
        |_| "an unknown time".to_owned(),
        |at| at.format("%Y-%m-%d %H:%M UTC").to_string(),
    );
    format!(
        "starts at {at} at the latest, if nothing goes before it: what is in its way must have ended by then"
    )
}

/// How the place was chosen, in words.
fn chosen(verdict: PlacementVerdict) -> String {
    let removed = verdict.removed.iter();
    let removed: Vec<String> = removed
        .map(|obstacle| format!("{} by {}", obstacle.nodes, obstacle.what))
        .collect();
    let removed = match removed.is_empty() {
        true => String::new(),
        false => format!(", ruled out: {}", removed.join(", ")),
    };
    let best = verdict.best.iter();
    let best: Vec<String> = best
        .map(|node| format!("{} ({})", node.name, node.score))
        .collect();
    format!(
        "its place was chosen by policy {}: nodes that fitted: {}{removed}; the best, with their scores: {}",
        verdict.policy,
        verdict.fit,
        best.join(", ")
    )
}
