//! How nodes go: given up by a person, or deleted once nothing is left there. Either way the node may never speak again.

use chassis::{Error, Result, grpc};
use contracts::identity::v1::RevokeNodeKeyRequest;
use kernel::id::NodeId;

use super::App;
use crate::domain::node::Node;
use crate::store::nodes;

impl App {
    /// Gives a silent node up, named by identifier or name.
    pub(crate) async fn give_up(&self, id_or_name: &str) -> Result<Node> {
        let transaction = self.database.begin().await?;
        let mut node = nodes::lock_named(&transaction, id_or_name)
            .await?
            .ok_or_else(|| Error::not_found("node", id_or_name))?;
        if node.give_up(self.clock.now())? {
            tracing::warn!(node_id = %node.id, name = node.name, "node is given up");
            nodes::update(&transaction, &node).await?;
            self.publish(&transaction, &node).await?;
        }
        transaction.commit().await?;
        self.outbox.nudge();
        self.departures.notify_one();
        Ok(node)
    }

    /// Takes a node off the list, if it is as it was at `revision`.
    pub(crate) async fn delete(&self, id: NodeId, revision: u64) -> Result<()> {
        let transaction = self.database.begin().await?;
        let mut node = nodes::lock(&transaction, id)
            .await?
            .ok_or_else(|| Error::not_found("node", &id.to_string()))?;
        if node.delete(revision, self.clock.now())? {
            nodes::update(&transaction, &node).await?;
            self.publish(&transaction, &node).await?;
        }
        transaction.commit().await?;
        self.outbox.nudge();
        self.departures.notify_one();
        Ok(())
    }

    /// Has identity end the keys of every node that is gone.
    pub(crate) async fn end_keys(&self) -> Result<()> {
        for node in nodes::with_keys_to_end(self.database.reader()).await? {
            grpc::retry(|| {
                let mut identity = self.identity.clone();
                let request = RevokeNodeKeyRequest {
                    node_id: node.into(),
                };
                async move { Ok(identity.revoke_node_key(request).await?) }
            })
            .await?;
            nodes::note_keys_ended(self.database.reader(), node).await?;
        }
        Ok(())
    }
}
