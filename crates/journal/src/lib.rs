//! Journal: the timeline of every object. It hears every event of every area, writes each down once, and shows them to those who
//! may see them; it decides nothing, and nobody depends on it.

mod app;
mod config;
mod domain;
mod events;
mod grpc;
mod read;
mod reconcile;
mod store;
mod summary;

use std::sync::Arc;

use bus::Foundation;
use chassis::{Address, Result};
use contracts::journal::v1::journal_service_server::JournalServiceServer;
use kernel::Clock;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

pub use config::JournalConfig;
pub use store::Migrator;

/// Runs the service until `cancel`; `ready` is told where it listens.
///
/// # Errors
/// What ended it.
pub async fn run(
    config: JournalConfig,
    clock: Arc<dyn Clock>,
    cancel: CancellationToken,
    ready: impl FnOnce(&Address),
) -> Result<()> {
    let limits = config.limits()?;
    let mut foundation =
        Foundation::lay::<Migrator>("journal", &config.service, clock.clone(), cancel.clone())
            .await?;
    let app = app::App::new(
        foundation.database.clone(),
        foundation.bus.clone(),
        clock,
        limits,
        cancel.clone(),
    );
    let writer = Arc::new(events::Writer::new(app.clone())?);
    for area in bus::AREAS {
        foundation.consume(area, writer.clone());
    }
    let retention = reconcile::forget_old(app.clone(), cancel.clone());
    foundation.tasks.start("retention", retention);
    let letters = reconcile::count_letters(app.clone(), cancel);
    foundation.tasks.start("dead letters", letters);
    foundation
        .serve(Routes::new(JournalServiceServer::new(app)), ready)
        .await
}
