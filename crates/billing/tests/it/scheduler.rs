//! A stand-in for the scheduler: a list of attempts that a test changes, and the events that it publishes about them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bus::{Foundation, Outbox};
use chassis::config::ServiceConfig;
use chassis::{Address, Database};
use contracts::Event;
use contracts::scheduler::v1 as wire;
use contracts::scheduler::v1::scheduler_service_server::{
    SchedulerService, SchedulerServiceServer,
};
use kernel::Clock;
use sea_orm_migration::{MigrationTrait, MigratorTrait};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::identity::only;

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![chassis::database::foundation(), bus::foundation()]
    }
}

#[derive(Debug, Default)]
struct List {
    last_change: u64,
    by_change: BTreeMap<u64, wire::Attempt>,
    silent: bool,
}

/// Lists attempts and publishes events.
#[derive(Clone, Debug)]
pub(crate) struct Scheduler {
    list: Arc<Mutex<List>>,
    database: Database,
    outbox: Outbox,
}

impl Scheduler {
    /// Serves until `cancel`.
    pub(crate) async fn start(
        config: &ServiceConfig,
        clock: Arc<dyn Clock>,
        cancel: CancellationToken,
    ) -> (Self, Address) {
        let foundation = Foundation::lay::<Migrator>("scheduler", config, clock, cancel)
            .await
            .unwrap();
        let scheduler = Self {
            list: Arc::default(),
            database: foundation.database.clone(),
            outbox: foundation.outbox.clone(),
        };
        let routes = tonic::service::Routes::new(SchedulerServiceServer::new(scheduler.clone()));
        let (ready, address) = tokio::sync::oneshot::channel();
        tokio::spawn(foundation.serve(routes, |address| ready.send(address.clone()).unwrap()));
        (scheduler, address.await.unwrap())
    }

    /// Puts the attempt into the list, or its newer state in the place of the older.
    pub(crate) fn list(&self, attempt: &wire::Attempt) {
        let mut list = self.list.lock().unwrap();
        list.by_change.retain(|_, listed| listed.id != attempt.id);
        list.last_change += 1;
        let change = list.last_change;
        list.by_change.insert(change, attempt.clone());
    }

    /// From now on the list cannot be had, or can again.
    pub(crate) fn set_silent(&self, silent: bool) {
        self.list.lock().unwrap().silent = silent;
    }

    /// Publishes an event about an attempt.
    pub(crate) async fn publish<E: Event>(&self, event: &E, attempt: &wire::Attempt) {
        let transaction = self.database.begin().await.unwrap();
        self.outbox
            .append(&transaction, event, &attempt.id, Some(&attempt.team_id))
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        self.outbox.nudge();
    }

    /// Publishes that the attempt began.
    pub(crate) async fn started(&self, attempt: &wire::Attempt) {
        self.publish(
            &wire::AttemptStarted {
                attempt: Some(attempt.clone()),
            },
            attempt,
        )
        .await;
    }

    /// Publishes that the attempt is over.
    pub(crate) async fn ended(&self, attempt: &wire::Attempt) {
        self.publish(
            &wire::AttemptEnded {
                attempt: Some(attempt.clone()),
            },
            attempt,
        )
        .await;
    }
}

only!(SchedulerService for Scheduler {
    async fn list_attempts(&self, request: Request<wire::ListAttemptsRequest>) -> Result<Response<wire::ListAttemptsResponse>, Status> {
        // Small pages, so that every test turns some.
        const PAGE: usize = 3;
        let request = request.into_inner();
        assert!((1..=1_000).contains(&request.limit));
        let list = self.list.lock().unwrap();
        if list.silent {
            return Err(Status::unavailable("the scheduler is silent"));
        }
        let behind: Vec<_> = list.by_change.range(request.after_change + 1..).take(PAGE + 1).collect();
        let page = &behind[..behind.len().min(PAGE)];
        Ok(Response::new(wire::ListAttemptsResponse {
            attempts: page.iter().map(|(_, attempt)| (*attempt).clone()).collect(),
            last_change: page.last().map_or(request.after_change, |(change, _)| **change),
            has_more: behind.len() > PAGE,
        }))
    }
} refusing {
    submit_workload(SubmitWorkloadRequest) -> SubmitWorkloadResponse;
    get_workload(GetWorkloadRequest) -> GetWorkloadResponse;
    stop_workload(StopWorkloadRequest) -> StopWorkloadResponse;
    explain_workload(ExplainWorkloadRequest) -> ExplainWorkloadResponse;
});
