//! The scheduler: one queue, one placement engine, one lifecycle for everything that runs.

mod app;
mod config;
mod domain;
mod events;
mod grpc;
mod metrics;
mod reconcile;
pub mod simulate;
mod snapshot;
mod store;

use std::sync::Arc;

use bus::Foundation;
use chassis::{Address, Result, Tasks};
use contracts::agent::v1::link_service_server::LinkServiceServer;
use contracts::inventory::v1::inventory_service_client::InventoryServiceClient;
use contracts::scheduler::v1::queue_service_server::QueueServiceServer;
use contracts::scheduler::v1::record_service_server::RecordServiceServer;
use contracts::scheduler::v1::scheduler_service_server::SchedulerServiceServer;
use contracts::volume::v1::volume_service_client::VolumeServiceClient;
use kernel::Clock;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use app::App;
pub use config::SchedulerConfig;
pub use domain::engine::Policy;
pub use snapshot::{Replay, replay};
pub use store::Migrator;

/// Runs the service until `cancel`; `ready` is told where it listens.
///
/// # Errors
/// What ended it.
pub async fn run(
    config: SchedulerConfig,
    clock: Arc<dyn Clock>,
    cancel: CancellationToken,
    ready: impl FnOnce(&Address),
) -> Result<()> {
    let policy = config.check()?;
    let mut foundation =
        Foundation::lay::<Migrator>("scheduler", &config.service, clock.clone(), cancel.clone())
            .await?;
    let app = App {
        database: foundation.database.clone(),
        outbox: foundation.outbox.clone(),
        clock,
        inventory: InventoryServiceClient::new(foundation.caller(&config.inventory)?),
        volume: VolumeServiceClient::new(foundation.caller(&config.volume)?),
        leadership: app::Leadership::default(),
        links: app::Links::default(),
        placeable: Arc::default(),
        dispatchable: Arc::default(),
        node_changes: Arc::default(),
        metrics: metrics::Metrics::new(),
        told: app::Told::default(),
        policy,
        rules: config.rules(),
        notice_ms: config.preemption_notice_ms,
        usual: app::Usual::default(),
        kept: Arc::default(),
        possible: app::Possible::default(),
        submits: app::Together::default(),
        reports: app::Together::default(),
    };
    foundation.consume("inventory", Arc::new(events::Nodes(app.clone())));
    start_loops(&mut foundation.tasks, &app, &config, &cancel);
    let routes = Routes::new(SchedulerServiceServer::new(grpc::WorkloadsApi(app.clone())))
        .add_service(RecordServiceServer::new(grpc::RecordApi(app.clone())))
        .add_service(QueueServiceServer::new(grpc::QueuesApi(app.clone())))
        .add_service(LinkServiceServer::new(grpc::LinkApi { app, cancel }));
    foundation.serve(routes, ready).await
}

fn start_loops(tasks: &mut Tasks, app: &App, config: &SchedulerConfig, cancel: &CancellationToken) {
    let with = || (app.clone(), cancel.clone());
    let (look, compare) = (config.look(), config.compare());
    let (app, cancel) = with();
    tasks.start("leader", reconcile::lead(app, config.renew(), cancel));
    let (app, cancel) = with();
    tasks.start("placement", reconcile::place(app, look, cancel));
    let (app, cancel) = with();
    tasks.start("dispatch", reconcile::dispatch(app, look, cancel));
    let (app, cancel) = with();
    tasks.start("nodes", reconcile::nodes(app, compare, cancel));
    let (app, cancel) = with();
    tasks.start("follow", reconcile::follow(app, compare, cancel));
    let (app, cancel) = with();
    tasks.start("time", reconcile::mind_the_time(app, compare, cancel));
}
