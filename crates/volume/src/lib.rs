//! Volume: files that outlive the workload that wrote them. It alone says where they lie and who may write to them.

mod app;
mod config;
mod domain;
mod events;
mod grpc;
mod metrics;
mod reconcile;
mod store;
mod wire;

use std::sync::Arc;

use bus::Foundation;
use chassis::{Address, Result};
use contracts::scheduler::v1::scheduler_service_client::SchedulerServiceClient;
use contracts::volume::v1::volume_service_server::VolumeServiceServer;
use kernel::Clock;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

pub use config::VolumeConfig;
pub use store::Migrator;

/// Runs the service until `cancel`; `ready` is told where it listens.
///
/// # Errors
/// What ended it.
pub async fn run(
    config: VolumeConfig,
    clock: Arc<dyn Clock>,
    cancel: CancellationToken,
    ready: impl FnOnce(&Address),
) -> Result<()> {
    let every = config.release_every()?;
    let quotas = Arc::new(config.quotas()?);
    let mut foundation =
        Foundation::lay::<Migrator>("volume", &config.service, clock.clone(), cancel).await?;
    let app = app::App {
        database: foundation.database.clone(),
        outbox: foundation.outbox.clone(),
        clock,
        wanted: Arc::default(),
        quotas,
        metrics: metrics::Metrics::new(),
    };
    let scheduler = SchedulerServiceClient::new(foundation.caller(&config.scheduler)?);
    let releases = reconcile::run(app.clone(), scheduler, every, foundation.tasks.cancel());
    foundation.tasks.start("releases", releases);
    let counting = reconcile::count(app.clone(), foundation.tasks.cancel());
    foundation.tasks.start("count", counting);
    foundation.consume("scheduler", Arc::new(app.clone()));
    foundation
        .serve(Routes::new(VolumeServiceServer::new(app)), ready)
        .await
}
