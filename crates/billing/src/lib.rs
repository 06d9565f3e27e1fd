//! Billing: price book, meter, ledger, invoices; and the proof that they agree.

mod app;
mod config;
mod domain;
mod events;
mod grpc;
mod metrics;
mod reconcile;
mod scheduler;
mod store;

pub use config::BillingConfig;
pub use store::Migrator;

use std::sync::Arc;

use app::{App, Nudges};
use bus::Foundation;
use chassis::database::at_start;
use chassis::{Address, Result};
use kernel::Clock;
use tokio_util::sync::CancellationToken;

const AREA: &str = "billing";

/// Runs billing until `cancel`; calls `ready` with its address once it listens.
///
/// # Errors
/// A configuration that cannot be used, a database that does not open, or the failure that ended it.
pub async fn run(
    config: BillingConfig,
    clock: Arc<dyn Clock>,
    cancel: CancellationToken,
    ready: impl FnOnce(&Address),
) -> Result<()> {
    config.check()?;
    let mut foundation = Foundation::lay::<Migrator>(AREA, &config.service, clock, cancel).await?;
    let app = App {
        database: foundation.database.clone(),
        outbox: foundation.outbox.clone(),
        clock: foundation.clock.clone(),
        currency: config.currency,
        scheduler: scheduler::Scheduler::new(foundation.caller(&config.scheduler)?),
        nudges: Nudges::default(),
        metrics: metrics::Metrics::new(),
        unpriced: app::Unpriced::default(),
    };
    at_start(|| app.open_books()).await?;

    let cancel = foundation.tasks.cancel();
    foundation
        .tasks
        .start("meter", reconcile::meter::run(app.clone(), cancel.clone()));
    foundation.tasks.start(
        "settle",
        reconcile::settle::run(app.clone(), cancel.clone()),
    );
    foundation.tasks.start(
        "accrue",
        reconcile::accrue::run(app.clone(), cancel.clone()),
    );
    foundation
        .tasks
        .start("round", reconcile::round::run(app.clone(), cancel));
    foundation.consume("scheduler", Arc::new(events::FromScheduler(app.clone())));
    foundation.serve(grpc::routes(app), ready).await
}
