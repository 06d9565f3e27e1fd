//! A stand-in for the scheduler: a list of attempts that a test changes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use chassis::auth::Verifier;
use chassis::config::{ServiceConfig, TlsConfig};
use chassis::grpc::{Listener, Server, connect};
use chassis::tls::Trust;
use contracts::identity::v1::identity_service_client::IdentityServiceClient;
use contracts::scheduler::v1 as wire;
use contracts::scheduler::v1::scheduler_service_server::{
    SchedulerService, SchedulerServiceServer,
};
use kernel::Clock;
use testkit::Service;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

/// Attempts in one answer: few, so that every test turns pages.
const PAGE: usize = 3;

/// A running scheduler that knows nothing but its list.
#[derive(Debug)]
pub(crate) struct Scheduler {
    list: Arc<List>,
    /// The server.
    pub(crate) service: Service,
}

#[derive(Debug, Default)]
struct List(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last_change: u64,
    by_change: BTreeMap<u64, wire::Attempt>,
    silent: bool,
}

impl Scheduler {
    /// Starts one that checks tokens as services do.
    pub(crate) async fn start(config: &ServiceConfig, clock: Arc<dyn Clock>) -> Self {
        let list = Arc::new(List::default());
        let identity =
            IdentityServiceClient::new(connect(&config.identity, &Trust::public()).unwrap());
        let routes = Routes::new(SchedulerServiceServer::from_arc(list.clone()));
        let server = Server::new(
            "scheduler",
            Verifier::new(Arc::new(identity), clock),
            routes,
        );
        let listen = config.listen.clone();
        let service = Service::start(|cancel, ready| async move {
            let listener = Listener::bind(&listen, &TlsConfig::default()).await?;
            ready(listener.address());
            server.run(listener, cancel).await
        })
        .await;
        Self { list, service }
    }

    /// Puts the attempt into the list, or its newer state in the place of the older.
    pub(crate) fn list(&self, attempt: &wire::Attempt) {
        let mut state = self.list.state();
        state.by_change.retain(|_, listed| listed.id != attempt.id);
        state.last_change += 1;
        let change = state.last_change;
        state.by_change.insert(change, attempt.clone());
    }

    /// From now on the list cannot be had, or can again.
    pub(crate) fn set_silent(&self, silent: bool) {
        self.list.state().silent = silent;
    }
}

impl List {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn page(
        &self,
        request: &wire::ListAttemptsRequest,
    ) -> Result<wire::ListAttemptsResponse, Status> {
        assert!((1..=1_000).contains(&request.limit));
        let state = self.state();
        if state.silent {
            return Err(Status::unavailable("the scheduler is silent"));
        }
        let behind: Vec<_> = state
            .by_change
            .range(request.after_change + 1..)
            .take(PAGE + 1)
            .collect();
        let page = &behind[..behind.len().min(PAGE)];
        Ok(wire::ListAttemptsResponse {
            attempts: page.iter().map(|(_, attempt)| (*attempt).clone()).collect(),
            last_change: page
                .last()
                .map_or(request.after_change, |(change, _)| **change),
            has_more: behind.len() > PAGE,
        })
    }
}

/// Billing asks for the list only.
macro_rules! refused {
    () => {
        Err(Status::unimplemented("not part of this test"))
    };
}

#[tonic::async_trait]
impl SchedulerService for List {
    async fn list_attempts(
        &self,
        request: Request<wire::ListAttemptsRequest>,
    ) -> Result<Response<wire::ListAttemptsResponse>, Status> {
        self.page(request.get_ref()).map(Response::new)
    }

    async fn submit_workload(
        &self,
        _: Request<wire::SubmitWorkloadRequest>,
    ) -> Result<Response<wire::SubmitWorkloadResponse>, Status> {
        refused!()
    }

    async fn get_workload(
        &self,
        _: Request<wire::GetWorkloadRequest>,
    ) -> Result<Response<wire::GetWorkloadResponse>, Status> {
        refused!()
    }

    async fn stop_workload(
        &self,
        _: Request<wire::StopWorkloadRequest>,
    ) -> Result<Response<wire::StopWorkloadResponse>, Status> {
        refused!()
    }

    async fn explain_workload(
        &self,
        _: Request<wire::ExplainWorkloadRequest>,
    ) -> Result<Response<wire::ExplainWorkloadResponse>, Status> {
        refused!()
    }

    async fn get_node_work(
        &self,
        _: Request<wire::GetNodeWorkRequest>,
    ) -> Result<Response<wire::GetNodeWorkResponse>, Status> {
        refused!()
    }

    async fn delete_node(
        &self,
        _: Request<wire::DeleteNodeRequest>,
    ) -> Result<Response<wire::DeleteNodeResponse>, Status> {
        refused!()
    }

    async fn get_capacity(
        &self,
        _: Request<wire::GetCapacityRequest>,
    ) -> Result<Response<wire::GetCapacityResponse>, Status> {
        refused!()
    }
}
