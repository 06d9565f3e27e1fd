//! Why a notebook is in the state that it is in.

use chassis::Result;
use contracts::notebook::v1::ExplainNotebookResponse;
use contracts::scheduler::v1::ExplainWorkloadRequest;
use kernel::id::TeamId;

use super::{App, view};

impl App {
    /// The dominant reason and what stands in the way, from the scheduler where it knows more.
    pub(crate) async fn explain(
        &self,
        team: TeamId,
        wanted: &str,
    ) -> Result<ExplainNotebookResponse> {
        let row = self.find(team, wanted).await?;
        let mut answer = ExplainNotebookResponse {
            notebook: Some(self.with_token(&row)?),
            summary: row.reason.clone(),
            details: Vec::new(),
        };
        if row.workload_id.is_empty() || view::state(&row).is_rest() {
            return Ok(answer);
        }
        let request = ExplainWorkloadRequest {
            id: row.workload_id,
        };
        let explained = self
            .scheduler
            .clone()
            .explain_workload(request)
            .await?
            .into_inner();
        answer.summary = explained.summary;
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
        Ok(answer)
    }
}
