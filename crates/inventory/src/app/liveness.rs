//! Silence, as the observer decides it.

use chassis::Result;
use chassis::lease::{self, Held};

use super::App;
use crate::domain::silence::Heard;
use crate::store::nodes;

impl App {
    /// Ready nodes, and when they were heard last.
    pub(crate) async fn ready_nodes(&self) -> Result<Vec<Heard>> {
        nodes::ready(self.database.reader()).await
    }

    /// Counts nodes by whether they answer.
    pub(crate) async fn count(&self) -> Result<()> {
        let counted = nodes::count(self.database.reader()).await?;
        self.metrics.nodes.set(counted);
        Ok(())
    }

    /// Marks nodes silent that were not heard in the meantime, as long as the observer still leads.
    pub(crate) async fn mark_silent(&self, leading: &Held, silent: &[Heard]) -> Result<()> {
        let transaction = self.database.begin().await?;
        lease::fence(&transaction, leading).await?;
        for heard in silent {
            let Some(mut node) = nodes::lock(&transaction, heard.node).await? else {
                continue;
            };
            if node.fall_silent(heard.last_seen_at) {
                tracing::warn!(node_id = %node.id, name = node.name, last_seen_at = %heard.last_seen_at, "node is silent");
                nodes::update(&transaction, &node).await?;
                self.publish(&transaction, &node).await?;
            }
        }
        transaction.commit().await?;
        self.outbox.nudge();
        Ok(())
    }
}
