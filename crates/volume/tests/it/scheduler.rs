//! A scheduler that knows of attempts what a test tells it.

use std::sync::{Mutex, PoisonError};

use contracts::scheduler::v1::scheduler_service_server::SchedulerService;
use contracts::scheduler::v1::{
    Attempt, AttemptEnd, AttemptState, DeleteNodeRequest, DeleteNodeResponse,
    ExplainWorkloadRequest, ExplainWorkloadResponse, GetCapacityRequest, GetCapacityResponse,
    GetNodeWorkRequest, GetNodeWorkResponse, GetWorkloadRequest, GetWorkloadResponse,
    ListAttemptsRequest, ListAttemptsResponse, StopWorkloadRequest, StopWorkloadResponse,
    SubmitWorkloadRequest, SubmitWorkloadResponse,
};
use tonic::{Request, Response, Status};

/// Changes on a page, fewer than anybody asks for.
const PAGE: usize = 2;

/// The changes of attempts, and from where they were asked for.
#[derive(Debug, Default)]
pub(crate) struct Scheduler {
    changes: Mutex<Vec<Attempt>>,
    asked: Mutex<Vec<u64>>,
}

pub(crate) fn ended(attempt_id: &str) -> Attempt {
    Attempt {
        id: attempt_id.to_owned(),
        generation: 1,
        state: AttemptState::Ended.into(),
        end: AttemptEnd::Lost.into(),
        ..Attempt::default()
    }
}

pub(crate) fn running(attempt_id: &str) -> Attempt {
    Attempt {
        state: AttemptState::Running.into(),
        end: AttemptEnd::Unspecified.into(),
        ..ended(attempt_id)
    }
}

impl Scheduler {
    pub(crate) fn change(&self, attempt: Attempt) {
        self.changes.lock().unwrap().push(attempt);
    }

    /// From where changes were asked for.
    pub(crate) fn asked(&self) -> Vec<u64> {
        self.asked.lock().unwrap().clone()
    }

    fn after(&self, change: u64) -> ListAttemptsResponse {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(change);
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let later: Vec<_> = changes.iter().skip(change as usize).cloned().collect();
        let attempts: Vec<_> = later.iter().take(PAGE).cloned().collect();
        let last_change = change + attempts.len() as u64;
        ListAttemptsResponse {
            has_more: later.len() > attempts.len(),
            attempts,
            last_change,
        }
    }
}

fn absent<T>(call: &str) -> Result<Response<T>, Status> {
    Err(Status::unimplemented(call))
}

#[tonic::async_trait]
impl SchedulerService for Scheduler {
    async fn list_attempts(
        &self,
        request: Request<ListAttemptsRequest>,
    ) -> Result<Response<ListAttemptsResponse>, Status> {
        Ok(Response::new(self.after(request.get_ref().after_change)))
    }

    async fn submit_workload(
        &self,
        _: Request<SubmitWorkloadRequest>,
    ) -> Result<Response<SubmitWorkloadResponse>, Status> {
        absent("submit")
    }

    async fn get_workload(
        &self,
        _: Request<GetWorkloadRequest>,
    ) -> Result<Response<GetWorkloadResponse>, Status> {
        absent("get")
    }

    async fn stop_workload(
        &self,
        _: Request<StopWorkloadRequest>,
    ) -> Result<Response<StopWorkloadResponse>, Status> {
        absent("stop")
    }

    async fn explain_workload(
        &self,
        _: Request<ExplainWorkloadRequest>,
    ) -> Result<Response<ExplainWorkloadResponse>, Status> {
        absent("explain")
    }

    async fn get_node_work(
        &self,
        _: Request<GetNodeWorkRequest>,
    ) -> Result<Response<GetNodeWorkResponse>, Status> {
        absent("get node work")
    }

    async fn get_capacity(
        &self,
        _: Request<GetCapacityRequest>,
    ) -> Result<Response<GetCapacityResponse>, Status> {
        absent("get capacity")
    }

    async fn delete_node(
        &self,
        _: Request<DeleteNodeRequest>,
    ) -> Result<Response<DeleteNodeResponse>, Status> {
        absent("delete node")
    }
}
