//! How files go: marked by their owner, removed by their node.

use chassis::auth::Principal;
use chassis::{Error, Result};
use contracts::common::v1::Role;
use kernel::id::{NodeId, VolumeId};

use super::App;
use super::volume::not_found;
use crate::domain::volume::Volume;
use crate::store::volumes;

impl App {
    /// Marks a volume for deletion: its owner's service may always, a person who is a member of its project when nobody uses it.
    pub(crate) async fn delete(&self, caller: &Principal, id: VolumeId) -> Result<Volume> {
        if let Ok(user) = caller.user() {
            let seen = self.get(caller, id).await?;
            user.require_in(&seen.project, Role::Member)?;
        }
        let transaction = self.database.begin().await?;
        let mut volume = volumes::lock(&transaction, id)
            .await?
            .ok_or_else(|| not_found(id))?;
        if caller.user().is_ok() {
            volume.check_unused()?;
        }
        let change = volume.delete()?;
        self.record(&transaction, &volume, change).await?;
        self.commit(transaction).await?;
        Ok(volume)
    }

    /// What a node must remove.
    pub(crate) async fn node_deletions(&self, node: NodeId) -> Result<Vec<Volume>> {
        volumes::deleting_on(self.database.reader(), node).await
    }

    /// A node has removed the files of a volume that lay on it.
    pub(crate) async fn confirm_deletion(&self, node: NodeId, id: VolumeId) -> Result<()> {
        let transaction = self.database.begin().await?;
        let mut volume = volumes::lock(&transaction, id)
            .await?
            .filter(|volume| volume.node == Some(node))
            .ok_or_else(|| Error::not_found("volume", &id.to_string()))?;
        let change = volume.confirm_deletion()?;
        self.record(&transaction, &volume, change).await?;
        self.commit(transaction).await
    }
}
