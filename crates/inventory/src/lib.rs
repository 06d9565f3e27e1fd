//! Inventory: nodes and their GPUs, whether they answer, and what can be launched on them. It alone says which node is silent.

mod app;
mod config;
mod domain;
mod grpc;
mod metrics;
mod reconcile;
mod resolver;
mod store;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use bus::Foundation;
use chassis::{Address, Result};
use contracts::identity::v1::identity_service_client::IdentityServiceClient;
use contracts::inventory::v1::inventory_service_server::InventoryServiceServer;
use kernel::Clock;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

pub use config::InventoryConfig;
pub use store::Migrator;

/// Runs the service until `cancel`; `ready` is told where it listens.
///
/// # Errors
/// What ended it.
pub async fn run(
    config: InventoryConfig,
    clock: Arc<dyn Clock>,
    cancel: CancellationToken,
    ready: impl FnOnce(&Address),
) -> Result<()> {
    config.check()?;
    let mut foundation =
        Foundation::lay::<Migrator>("inventory", &config.service, clock.clone(), cancel).await?;
    let app = app::App {
        database: foundation.database.clone(),
        outbox: foundation.outbox.clone(),
        clock,
        identity: IdentityServiceClient::new(foundation.caller(&config.service.identity)?),
        catalogue: domain::machine_type::catalogue()?.into(),
        remembered: app::Remembered::default(),
        departures: Arc::default(),
        edges: app::LastRead::default(),
        resolver: resolver::Resolver {
            uv: config.uv.clone(),
            limit: Duration::from_secs(config.resolve_seconds.into()),
        },
        unresolved: Arc::default(),
        heartbeat_ms: config.heartbeat_ms,
        metrics: metrics::Metrics::new(),
    };
    let ended_keys =
        reconcile::end_keys(app.clone(), config.heartbeat(), foundation.tasks.cancel());
    foundation.tasks.start("departed nodes", ended_keys);
    let observer = reconcile::observe(
        app.clone(),
        config.silence_timeout(),
        config.heartbeat(),
        foundation.tasks.cancel(),
    );
    foundation.tasks.start("observer", observer);
    let resolving = reconcile::resolve(app.clone(), config.heartbeat(), foundation.tasks.cancel());
    foundation.tasks.start("environments", resolving);
    let counting = reconcile::count(app.clone(), foundation.tasks.cancel());
    foundation.tasks.start("count", counting);
    foundation
        .serve(Routes::new(InventoryServiceServer::new(app)), ready)
        .await
}
