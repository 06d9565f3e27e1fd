//! Use cases of journal, one file a resource.

mod event;
mod letter;
mod tail;

use std::sync::Arc;

use bus::Bus;
use chassis::Database;
use kernel::Clock;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::config::Limits;

/// The use cases, on one database.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) clock: Arc<dyn Clock>,
    database: Database,
    bus: Bus,
    limits: Limits,
    /// Changes with each event that this process writes down: wakes the tails.
    written: watch::Sender<u64>,
    tails: Arc<Semaphore>,
    /// Ends the tails when the service stops.
    cancel: CancellationToken,
}

impl App {
    pub(crate) fn new(
        database: Database,
        bus: Bus,
        clock: Arc<dyn Clock>,
        limits: Limits,
        cancel: CancellationToken,
    ) -> Self {
        Self {
            clock,
            database,
            bus,
            limits,
            written: watch::Sender::new(0),
            tails: Arc::new(Semaphore::new(limits.tails)),
            cancel,
        }
    }
}
