//! Calls about workloads.

use chassis::auth::{Principal, User, caller};
use contracts::scheduler::v1::scheduler_service_server::SchedulerService;
use contracts::scheduler::v1::{
    DeleteNodeRequest, DeleteNodeResponse, ExplainWorkloadRequest, ExplainWorkloadResponse,
    GetCapacityRequest, GetCapacityResponse, GetNodeWorkRequest, GetNodeWorkResponse,
    GetWorkloadRequest, GetWorkloadResponse, ListAttemptsRequest, ListAttemptsResponse,
    StopWorkloadRequest, StopWorkloadResponse, SubmitWorkloadRequest, SubmitWorkloadResponse,
};
use tonic::{Request, Response, Status};

use crate::app::{App, NewWorkload};

/// Serves `SchedulerService`.
#[derive(Clone, Debug)]
pub(crate) struct WorkloadsApi(pub(crate) App);

/// The person on whose behalf is asked; services see all.
fn person(principal: &Principal) -> Option<&User> {
    principal.user().ok()
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
        let principal = caller(&request)?;
        let workload = self
            .0
            .workload(&request.get_ref().id, person(&principal))
            .await?;
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
        let principal = caller(&request)?;
        Ok(Response::new(
            self.0
                .explain(&request.get_ref().id, person(&principal))
                .await?,
        ))
    }

    async fn get_capacity(
        &self,
        request: Request<GetCapacityRequest>,
    ) -> Result<Response<GetCapacityResponse>, Status> {
        let GetCapacityRequest { sizes, node_id } = request.into_inner();
        let capacities = self.0.capacities(sizes, &node_id).await?;
        Ok(Response::new(GetCapacityResponse { capacities }))
    }

    async fn get_node_work(
        &self,
        request: Request<GetNodeWorkRequest>,
    ) -> Result<Response<GetNodeWorkResponse>, Status> {
        Ok(Response::new(
            self.0.node_work(&request.get_ref().node).await?,
        ))
    }

    async fn delete_node(
        &self,
        request: Request<DeleteNodeRequest>,
    ) -> Result<Response<DeleteNodeResponse>, Status> {
        let node_id = self.0.delete_node(&request.get_ref().node).await?;
        Ok(Response::new(DeleteNodeResponse { node_id }))
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
