//! Nodes, as operators see and steer them.

use chassis::{Error, Result};

use super::App;
use crate::domain::departure::drain_deadline;
use crate::domain::node::{Node, Schedulable};
use crate::store::nodes;

impl App {
    /// All nodes, by name.
    pub(crate) async fn list_nodes(&self) -> Result<Vec<Node>> {
        nodes::all(self.database.reader()).await
    }

    /// Changes whether a node, named by identifier or name, takes work; for a drain, what is left after `deadline_seconds` is
    /// stopped.
    pub(crate) async fn set_schedulable(
        &self,
        id_or_name: &str,
        schedulable: Schedulable,
        deadline_seconds: u32,
    ) -> Result<Node> {
        let deadline = drain_deadline(deadline_seconds, self.clock.now())?;
        let transaction = self.database.begin().await?;
        let mut node = nodes::lock_named(&transaction, id_or_name)
            .await?
            .ok_or_else(|| Error::not_found("node", id_or_name))?;
        if node.set_schedulable(schedulable, deadline)? {
            nodes::update(&transaction, &node).await?;
            self.publish(&transaction, &node).await?;
        }
        transaction.commit().await?;
        self.outbox.nudge();
        Ok(node)
    }
}
