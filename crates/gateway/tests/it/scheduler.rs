//! Plays the scheduler's calls about nodes.

use chassis::Error;
use contracts::scheduler::v1::scheduler_service_server::SchedulerService;
use contracts::scheduler::v1::*;
use tonic::{Request, Response, Status};

type Reply<T> = Result<Response<T>, Status>;

/// Plays the scheduler: one notebook runs on the node "box"; the node "full" cannot go.
pub(crate) struct Scheduler;

fn nobody_asks<T>() -> Reply<T> {
    Err(Status::unimplemented("no test asks for this"))
}

#[tonic::async_trait]
impl SchedulerService for Scheduler {
    async fn get_node_work(
        &self,
        request: Request<GetNodeWorkRequest>,
    ) -> Reply<GetNodeWorkResponse> {
        let node = request.into_inner().node;
        if node != "box" {
            return Err(Error::not_found("node", &node).into());
        }
        let until = Some(prost_types::Timestamp {
            seconds: 1_790_000_000,
            nanos: 0,
        });
        let work = NodeWork {
            workload_id: "wo-1".to_owned(),
            owner_id: "nb-1".to_owned(),
            kind: "notebook".to_owned(),
            team_id: "te-1".to_owned(),
            state: AttemptState::Running.into(),
            reason: String::new(),
            until,
            movable: false,
        };
        Ok(Response::new(GetNodeWorkResponse {
            node_id: "no-1".to_owned(),
            work: vec![work],
            volumes: 3,
        }))
    }

    async fn delete_node(&self, request: Request<DeleteNodeRequest>) -> Reply<DeleteNodeResponse> {
        if request.into_inner().node == "full" {
            return Err(Error::Precondition("node full still runs nb-1".to_owned()).into());
        }
        Ok(Response::new(DeleteNodeResponse {
            node_id: "no-2".to_owned(),
        }))
    }

    async fn submit_workload(
        &self,
        _: Request<SubmitWorkloadRequest>,
    ) -> Reply<SubmitWorkloadResponse> {
        nobody_asks()
    }

    async fn get_workload(&self, _: Request<GetWorkloadRequest>) -> Reply<GetWorkloadResponse> {
        nobody_asks()
    }

    async fn stop_workload(&self, _: Request<StopWorkloadRequest>) -> Reply<StopWorkloadResponse> {
        nobody_asks()
    }

    async fn explain_workload(
        &self,
        _: Request<ExplainWorkloadRequest>,
    ) -> Reply<ExplainWorkloadResponse> {
        nobody_asks()
    }

    async fn get_capacity(
        &self,
        request: Request<GetCapacityRequest>,
    ) -> Reply<GetCapacityResponse> {
        let sizes = request.into_inner().sizes;
        let capacities = (1..)
            .zip(sizes)
            .map(|(free, _)| Capacity { free, total: 9 });
        Ok(Response::new(GetCapacityResponse {
            capacities: capacities.collect(),
        }))
    }

    async fn list_attempts(&self, _: Request<ListAttemptsRequest>) -> Reply<ListAttemptsResponse> {
        nobody_asks()
    }
}
