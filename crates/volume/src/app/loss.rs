//! How files are lost: their node was given up.

use chassis::{Error, Result};
use kernel::id::NodeId;

use super::App;
use crate::domain::snapshot::Snapshot;
use crate::domain::volume::Volume;
use crate::store::{copies, lost_nodes, volumes};

/// Longest reason that is kept, in characters.
const LONGEST_REASON: usize = 300;

impl App {
    /// Volumes with files on a node.
    pub(crate) async fn on_node(&self, node: NodeId) -> Result<Vec<Volume>> {
        volumes::on_node(self.database.reader(), node).await
    }

    /// Releases all volumes of a node that was given up, and marks them lost. Nothing is attached there afterwards.
    pub(crate) async fn lose_node(&self, node: NodeId, reason: &str) -> Result<()> {
        if reason.is_empty() || reason.chars().count() > LONGEST_REASON {
            return Err(Error::invalid(
                "reason",
                format!("must have 1 to {LONGEST_REASON} characters"),
            ));
        }
        let transaction = self.database.begin().await?;
        if !lost_nodes::lock(&transaction, node).await? {
            lost_nodes::insert(&transaction, node, self.clock.now()).await?;
        }
        self.commit(transaction).await?;
        // A page at a time, so that a full node is not one long transaction. No more can come.
        loop {
            let transaction = self.database.begin().await?;
            let page = volumes::lock_on_node(&transaction, node).await?;
            if page.is_empty() {
                return Ok(());
            }
            for mut volume in page {
                if let Some(copy) = volume.copy {
                    copies::remove(&transaction, copy).await?;
                }
                self.each_snapshot(&transaction, volume.id, Snapshot::lose)
                    .await?;
                let change = volume.lose(reason);
                self.record(&transaction, &volume, change).await?;
            }
            self.commit(transaction).await?;
        }
    }

    /// Lost volumes after an identifier.
    pub(crate) async fn lost_after(&self, after: &str) -> Result<Vec<Volume>> {
        volumes::lost_after(self.database.reader(), after).await
    }
}
