//! Why a notebook is in the state that it is in.

use chassis::auth::User;
use chassis::{Error, Result};
use contracts::notebook::v1::ExplainNotebookResponse;
use contracts::scheduler::v1::ExplainWorkloadRequest;

use super::{App, view};

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
            details: Vec::new(),
        };
        if row.workload_id.is_empty() || view::state(&row).is_rest() {
            return Ok(answer);
        }
        let request = ExplainWorkloadRequest {
            id: row.workload_id,
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
