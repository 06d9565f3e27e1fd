//! Who may write.

use chassis::{Error, Result};
use kernel::id::{AttemptId, NodeId, VolumeId};

use super::App;
use super::volume::not_found;
use crate::domain::volume::{Attachment, Volume};
use crate::store::{attempts, lost_nodes, volumes};

impl App {
    /// Gives a volume to an attempt. A refusal makes the reconciler look whether the holder has ended.
    pub(crate) async fn attach(
        &self,
        id: VolumeId,
        asked: Attachment,
        node: NodeId,
    ) -> Result<Volume> {
        let attached = self.try_attach(id, asked, node).await;
        if let Err(Error::Precondition(_)) = attached {
            self.wanted.notify_one();
        }
        attached
    }

    async fn try_attach(&self, id: VolumeId, asked: Attachment, node: NodeId) -> Result<Volume> {
        let transaction = self.database.begin().await?;
        if attempts::lock(&transaction, asked.attempt).await? {
            let attempt = asked.attempt;
            return Err(Error::Precondition(format!(
                "attempt {attempt} has ended; it may attach nothing"
            )));
        }
        if lost_nodes::lock(&transaction, node).await? {
            return Err(Error::Precondition(format!(
                "node {node} was given up; nothing is attached there"
            )));
        }
        let mut volume = volumes::lock(&transaction, id)
            .await?
            .ok_or_else(|| not_found(id))?;
        let change = volume.attach(asked, node)?;
        self.record(&transaction, &volume, change).await?;
        self.commit(transaction).await?;
        Ok(volume)
    }

    /// Takes a volume back from an attempt that has ended; another attachment stays as it is.
    pub(crate) async fn detach(&self, id: VolumeId, attempt: AttemptId) -> Result<Volume> {
        let transaction = self.database.begin().await?;
        attempts::end(&transaction, &[attempt], self.clock.now()).await?;
        let mut volume = volumes::lock(&transaction, id)
            .await?
            .ok_or_else(|| not_found(id))?;
        let change = volume.detach(attempt);
        self.record(&transaction, &volume, change).await?;
        self.commit(transaction).await?;
        Ok(volume)
    }
}
