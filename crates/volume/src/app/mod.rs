//! Use cases of volume, one file a resource.

mod attachment;
mod copy;
mod deletion;
mod loss;
mod quota;
mod release;
mod snapshot;
mod storage;
mod volume;

use std::sync::Arc;

use bus::Outbox;
use chassis::{Database, Result};
use contracts::volume::v1::VolumeChanged;
use kernel::Clock;
use sea_orm::DatabaseTransaction;
use tokio::sync::Notify;

pub(crate) use self::copy::Fork;
use crate::config::Quotas;
use crate::domain::volume::{Change, Volume};
use crate::metrics::Metrics;
use crate::store::volumes;
use crate::wire;

/// The use cases, on one database.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) database: Database,
    pub(crate) outbox: Outbox,
    pub(crate) clock: Arc<dyn Clock>,
    /// Somebody waits for a volume whose holder may have ended.
    pub(crate) wanted: Arc<Notify>,
    pub(crate) quotas: Arc<Quotas>,
    pub(crate) metrics: Metrics,
}

impl App {
    /// Writes what changed in a locked volume, and tells the others.
    async fn record(
        &self,
        transaction: &DatabaseTransaction,
        volume: &Volume,
        change: Change,
    ) -> Result<()> {
        if change == Change::Made {
            volumes::update(transaction, volume).await?;
            self.publish(transaction, volume).await?;
        }
        Ok(())
    }

    async fn publish(&self, transaction: &DatabaseTransaction, volume: &Volume) -> Result<()> {
        let event = VolumeChanged {
            volume: Some(wire::volume(volume.clone())),
        };
        let team = volume.team.to_string();
        self.outbox
            .append(transaction, &event, &volume.id.to_string(), Some(&team))
            .await
    }

    async fn commit(&self, transaction: DatabaseTransaction) -> Result<()> {
        transaction.commit().await?;
        self.outbox.nudge();
        Ok(())
    }
}
