//! Hosted Jupyter notebooks: what people wish of them, the workloads that follow, and the routes that lead to them.

mod app;
mod config;
mod domain;
mod events;
mod grpc;
mod metrics;
mod reconcile;
mod store;

use std::sync::Arc;

use bus::Foundation;
use chassis::seal::Sealer;
use chassis::tls::{HTTP1, Trust};
use chassis::{Address, Error, Result};
use contracts::billing::v1::billing_service_client::BillingServiceClient;
use contracts::identity::v1::identity_service_client::IdentityServiceClient;
use contracts::inventory::v1::inventory_service_client::InventoryServiceClient;
use contracts::notebook::v1::notebook_service_server::NotebookServiceServer;
use contracts::scheduler::v1::scheduler_service_client::SchedulerServiceClient;
use contracts::volume::v1::volume_service_client::VolumeServiceClient;
use kernel::Clock;
use tokio_util::sync::CancellationToken;

pub use config::NotebookConfig;
pub use store::Migrator;

/// Runs the service until `cancel`; `ready` is told where it listens.
///
/// # Errors
/// What ended it.
pub async fn run(
    config: NotebookConfig,
    clock: Arc<dyn Clock>,
    cancel: CancellationToken,
    ready: impl FnOnce(&Address),
) -> Result<()> {
    config.check()?;
    let periods = config.periods()?;
    let mut foundation =
        Foundation::lay::<Migrator>("notebook", &config.service, clock.clone(), cancel.clone())
            .await?;
    let app = app::App {
        database: foundation.database.clone(),
        outbox: foundation.outbox.clone(),
        watching_since: clock.now(),
        clock,
        sealer: Arc::new(Sealer::new(&config.master_key)?),
        routes: foundation.routes().await?,
        identity: IdentityServiceClient::new(foundation.caller(&config.service.identity)?),
        inventory: InventoryServiceClient::new(foundation.caller(&config.inventory)?),
        volume: VolumeServiceClient::new(foundation.caller(&config.volume)?),
        scheduler: SchedulerServiceClient::new(foundation.caller(&config.scheduler)?),
        billing: BillingServiceClient::new(foundation.caller(&config.billing)?),
        edge: config.edge,
        edge_probe: config.edge_probe,
        http: http_client(&foundation.trust)?,
        uses: Arc::default(),
        idle_changed: Arc::default(),
        changed: Arc::default(),
        provisioned: Arc::default(),
        metrics: metrics::Metrics::new(),
    };
    foundation.consume("scheduler", Arc::new(events::Workloads(app.clone())));
    foundation.consume("volume", Arc::new(events::Volumes(app.clone())));
    let bus = foundation.bus.clone();
    let tasks = &mut foundation.tasks;
    reconcile::start(tasks, &app, &bus, periods);
    tasks.start("edges", events::listen_to_edges(app.clone(), bus, cancel));
    let routes = tonic::service::Routes::new(NotebookServiceServer::new(app));
    foundation.serve(routes, ready).await
}

fn http_client(trust: &Trust) -> Result<reqwest::Client> {
    let tls = trust.client_config(&[HTTP1])?;
    reqwest::Client::builder()
        .tls_backend_preconfigured((*tls).clone())
        .build()
        .map_err(|error| Error::internal("making an HTTP client", error))
}
