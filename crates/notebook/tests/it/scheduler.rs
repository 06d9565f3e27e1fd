//! A played scheduler: it queues what it is asked for, and a test moves it on.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use chassis::Error;
use chrono::TimeDelta;
use contracts::scheduler::v1 as wire;
use contracts::scheduler::v1::scheduler_service_server::SchedulerService;
use contracts::scheduler::v1::{Attempt, AttemptEnd, AttemptState, Fault, Workload, WorkloadState};
use contracts::to_wire_time;
use kernel::Timestamp;
use kernel::id::{AttemptId, WorkloadId};
use tonic::{Request, Response, Status};

/// Workloads, and how the scheduler behaves.
#[derive(Debug, Default)]
pub(crate) struct Scheduler {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    workloads: HashMap<String, Workload>,
    /// What was asked for, by request id; asked again it must be the same.
    pub(crate) submitted: HashMap<String, (wire::SubmitWorkloadRequest, String)>,
    /// Stops that were asked for: workload and reason.
    pub(crate) stops: Vec<(String, String)>,
    /// It does not answer.
    pub(crate) down: bool,
    /// It does what it is asked for, and its answers are lost.
    pub(crate) mute: bool,
    /// It refuses what is new.
    pub(crate) refuses: Option<String>,
    /// Every node has room for what needs at most so much memory.
    pub(crate) node_memory_mib: u32,
}

fn unavailable(why: &str) -> Status {
    Error::Unavailable(why.to_owned()).into()
}

impl Scheduler {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn reachable(&self) -> Result<MutexGuard<'_, State>, Status> {
        let state = self.state();
        if state.down {
            return Err(unavailable("the scheduler is down"));
        }
        Ok(state)
    }

    /// The workload of a request.
    pub(crate) fn workload_of(&self, request_id: &str) -> Option<Workload> {
        let state = self.state();
        let (_, id) = state.submitted.get(request_id)?;
        state.workloads.get(id).cloned()
    }

    /// Changes a workload, as its next revision.
    pub(crate) fn change(&self, id: &str, change: impl FnOnce(&mut Workload)) -> Workload {
        let mut state = self.state();
        let workload = state.workloads.get_mut(id).unwrap();
        change(workload);
        workload.revision += 1;
        workload.clone()
    }
}

impl State {
    fn submit(&mut self, asked: &wire::SubmitWorkloadRequest) -> Result<Workload, Error> {
        if let Some((before, id)) = self.submitted.get(&asked.request_id) {
            if before != asked {
                return Err(Error::Conflict(
                    "it was used before for another workload".to_owned(),
                ));
            }
            return Ok(self.workloads[id].clone());
        }
        if let Some(why) = &self.refuses {
            return Err(Error::Precondition(why.clone()));
        }
        let workload = Workload {
            id: WorkloadId::generate().into(),
            team_id: asked.team_id.clone(),
            owner_id: asked.owner_id.clone(),
            spec: asked.spec.clone(),
            state: WorkloadState::Queued.into(),
            reason: "waits for a place".to_owned(),
            revision: 1,
            ..Workload::default()
        };
        let id = workload.id.clone();
        self.submitted
            .insert(asked.request_id.clone(), (asked.clone(), id.clone()));
        self.workloads.insert(id, workload.clone());
        Ok(workload)
    }

    fn stop(&mut self, asked: &wire::StopWorkloadRequest) -> Result<Workload, Error> {
        let unknown = || Error::not_found("workload", &asked.id);
        self.stops.push((asked.id.clone(), asked.reason.clone()));
        let workload = self.workloads.get_mut(&asked.id).ok_or_else(unknown)?;
        workload.revision += 1;
        match &mut workload.attempt {
            Some(attempt) if attempt.state() != AttemptState::Ended => {
                attempt.state = AttemptState::Stopping.into();
            }
            _ => workload.state = WorkloadState::Stopped.into(),
        }
        workload.reason.clone_from(&asked.reason);
        Ok(workload.clone())
    }
}

/// It has a place on `node_id`, as its next attempt.
pub(crate) fn place(workload: &mut Workload, node_id: &str) {
    let generation = workload
        .attempt
        .as_ref()
        .map_or(0, |attempt| attempt.generation)
        + 1;
    workload.state = WorkloadState::Active.into();
    workload.reason = "has a place; is being started".to_owned();
    workload.attempt = Some(Attempt {
        id: AttemptId::generate().into(),
        generation,
        node_id: node_id.to_owned(),
        state: AttemptState::Placed.into(),
        ..Attempt::default()
    });
}

pub(crate) fn start(workload: &mut Workload) {
    workload.attempt.as_mut().unwrap().state = AttemptState::Starting.into();
    workload.reason = "prepares python".to_owned();
}

pub(crate) fn run(workload: &mut Workload, from: Timestamp) {
    let longest = workload
        .spec
        .as_ref()
        .map_or(0, |spec| spec.max_duration_seconds);
    let attempt = workload.attempt.as_mut().unwrap();
    attempt.state = AttemptState::Running.into();
    attempt.billable_from = Some(to_wire_time(from));
    if longest > 0 {
        attempt.run_until = Some(to_wire_time(from + TimeDelta::seconds(longest.into())));
    }
    workload.reason = String::new();
}

/// Its attempt is over, and with it the workload: as it was wished, or not.
pub(crate) fn end(workload: &mut Workload, end: AttemptEnd, fault: Fault, reason: &str) {
    let attempt = workload.attempt.as_mut().unwrap();
    attempt.state = AttemptState::Ended.into();
    (attempt.end, attempt.fault) = (end.into(), fault.into());
    let state = match end {
        AttemptEnd::Stopped | AttemptEnd::Completed => WorkloadState::Stopped,
        _ => WorkloadState::Failed,
    };
    workload.state = state.into();
    workload.reason = reason.to_owned();
}

testkit::play! {
    SchedulerService as Scheduler, wire: {
        async fn submit_workload(
            &self,
            request: Request<wire::SubmitWorkloadRequest>,
        ) -> Result<Response<wire::SubmitWorkloadResponse>, Status> {
            let mut state = self.reachable()?;
            let workload = state.submit(request.get_ref())?;
            if state.mute {
                return Err(unavailable("the answer was lost"));
            }
            Ok(Response::new(wire::SubmitWorkloadResponse { workload: Some(workload) }))
        }

        async fn get_workload(
            &self,
            request: Request<wire::GetWorkloadRequest>,
        ) -> Result<Response<wire::GetWorkloadResponse>, Status> {
            let id = &request.get_ref().id;
            let workload = self.reachable()?.workloads.get(id).cloned();
            let workload = workload.ok_or_else(|| Error::not_found("workload", id))?;
            Ok(Response::new(wire::GetWorkloadResponse { workload: Some(workload) }))
        }

        async fn stop_workload(
            &self,
            request: Request<wire::StopWorkloadRequest>,
        ) -> Result<Response<wire::StopWorkloadResponse>, Status> {
            let workload = self.reachable()?.stop(request.get_ref())?;
            Ok(Response::new(wire::StopWorkloadResponse { workload: Some(workload) }))
        }

        async fn get_capacity(
            &self,
            request: Request<wire::GetCapacityRequest>,
        ) -> Result<Response<wire::GetCapacityResponse>, Status> {
            let asked = request.into_inner();
            let has = self.reachable()?.node_memory_mib;
            // A node has room for what needs at most so much.
            let fits = |size: &contracts::common::v1::Resources| size.memory_mib <= has;
            let capacity = |size| wire::Capacity { free: 0, total: fits(&size).into() };
            let capacities = asked.sizes.into_iter().map(capacity).collect();
            Ok(Response::new(wire::GetCapacityResponse { capacities }))
        }

        async fn explain_workload(
            &self,
            request: Request<wire::ExplainWorkloadRequest>,
        ) -> Result<Response<wire::ExplainWorkloadResponse>, Status> {
            let id = &request.get_ref().id;
            let workload = self.reachable()?.workloads.get(id).cloned();
            let obstacle = wire::Obstacle {
                what: "memory".to_owned(),
                detail: "needs 4096 MiB memory, 12 of it free on box".to_owned(),
                nodes: 1,
            };
            Ok(Response::new(wire::ExplainWorkloadResponse {
                workload,
                summary: "waits for a place: memory".to_owned(),
                obstacles: vec![obstacle],
                queue_position: 3,
                ..wire::ExplainWorkloadResponse::default()
            }))
        }
    }
    without
    get_node_work(GetNodeWorkRequest) -> GetNodeWorkResponse,
    delete_node(DeleteNodeRequest) -> DeleteNodeResponse,
    list_attempts(ListAttemptsRequest) -> ListAttemptsResponse,
}
