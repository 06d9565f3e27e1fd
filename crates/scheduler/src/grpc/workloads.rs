//! Calls about workloads.

use chassis::auth::{Principal, caller};
use contracts::scheduler::v1::scheduler_service_server::SchedulerService;
use contracts::scheduler::v1::{
    ExplainWorkloadRequest, ExplainWorkloadResponse, GetWorkloadRequest, GetWorkloadResponse,
    ListAttemptsRequest, ListAttemptsResponse, StopWorkloadRequest, StopWorkloadResponse,
    SubmitWorkloadRequest, SubmitWorkloadResponse,
};
use kernel::id::TeamId;
use tonic::{Request, Response, Status};

use crate::app::{App, NewWorkload};

/// Serves `SchedulerService`.
#[derive(Clone, Debug)]
pub(crate) struct WorkloadsApi(pub(crate) App);

/// The team that a caller is bound to; services see all.
fn bound_team(principal: &Principal) -> Option<TeamId> {
    principal.user().ok().map(|user| user.team)
}

#[tonic::async_trait]
impl SchedulerService for WorkloadsApi {
    async fn submit_workload(
        &self,
        request: Request<SubmitWorkloadRequest>,
    ) -> Result<Response<SubmitWorkloadResponse>, Status> {
        let asked = request.into_inner();
        let new = NewWorkload {
            team_id: asked.team_id,
            project_id: asked.project_id,
            user_id: asked.user_id,
            owner_id: asked.owner_id,
            request_id: asked.request_id,
            spec: asked.spec.unwrap_or_default(),
        };
        let workload = self.0.submit(new).await?;
        Ok(Response::new(SubmitWorkloadResponse {
            workload: Some(workload),
        }))
    }

    async fn get_workload(
        &self,
        request: Request<GetWorkloadRequest>,
    ) -> Result<Response<GetWorkloadResponse>, Status> {
        let team = bound_team(&caller(&request)?);
        let workload = self.0.workload(&request.get_ref().id, team).await?;
        Ok(Response::new(GetWorkloadResponse {
            workload: Some(workload),
        }))
    }

    async fn stop_workload(
        &self,
        request: Request<StopWorkloadRequest>,
    ) -> Result<Response<StopWorkloadResponse>, Status> {
        let asked = request.into_inner();
        let workload = self.0.stop(&asked.id, &asked.reason).await?;
        Ok(Response::new(StopWorkloadResponse {
            workload: Some(workload),
        }))
    }

    async fn explain_workload(
        &self,
        request: Request<ExplainWorkloadRequest>,
    ) -> Result<Response<ExplainWorkloadResponse>, Status> {
        let team = bound_team(&caller(&request)?);
        Ok(Response::new(
            self.0.explain(&request.get_ref().id, team).await?,
        ))
    }

    async fn list_attempts(
        &self,
        request: Request<ListAttemptsRequest>,
    ) -> Result<Response<ListAttemptsResponse>, Status> {
        let asked = request.get_ref();
        let (attempts, last_change, has_more) = self
            .0
            .attempts_after(asked.after_change, asked.limit)
            .await?;
        Ok(Response::new(ListAttemptsResponse {
            attempts,
            last_change,
            has_more,
        }))
    }
}
