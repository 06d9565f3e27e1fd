//! The use cases of billing, one file a resource, and the only place that opens a transaction. Whoever writes takes the pen first,
//! so the price book, the chain of inputs and the ledger change one writer at a time, on any number of replicas.

mod audit;
mod cost;
mod invoice;
mod meter;
mod posting;
mod price;
mod rounding;
mod unpriced;
mod usage;

pub(crate) use cost::ResourceCost;
pub(crate) use invoice::MonthlyInvoice;
pub(crate) use price::PricedType;
pub(crate) use unpriced::Unpriced;
pub(crate) use usage::{Usage, UsageLine};

use std::sync::Arc;

use bus::Outbox;
use chassis::{Database, Error, Result};
use kernel::Clock;
use kernel::money::OutOfRange;
use sea_orm::DatabaseTransaction;
use tokio::sync::Notify;

use crate::metrics::Metrics;
use crate::scheduler::Scheduler;
use crate::store::books::{self, Pen};

/// What the use cases stand on. Clones share everything.
#[derive(Clone, Debug)]
pub(crate) struct App {
    /// The tables.
    pub(crate) database: Database,
    /// Where events go.
    pub(crate) outbox: Outbox,
    /// What time it is.
    pub(crate) clock: Arc<dyn Clock>,
    /// ISO 4217 code of every amount.
    pub(crate) currency: String,
    /// Where attempts are listed.
    pub(crate) scheduler: Scheduler,
    /// What wakes the loops.
    pub(crate) nudges: Nudges,
    /// What is counted.
    pub(crate) metrics: Metrics,
    /// Which machine types without a price were told of.
    pub(crate) unpriced: Unpriced,
}

/// Wakes the loops before their time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Nudges {
    /// The scheduler's list has changed.
    pub(crate) meter: Arc<Notify>,
    /// An attempt ended.
    pub(crate) settle: Arc<Notify>,
}

impl App {
    /// Begins a transaction that writes the books.
    async fn write(&self) -> Result<(DatabaseTransaction, Pen)> {
        let transaction = self.database.begin().await?;
        let pen = books::take_pen(&transaction).await?;
        Ok((transaction, pen))
    }
}

fn out_of_range(error: OutOfRange) -> Error {
    Error::internal("computing an amount of money", error)
}
