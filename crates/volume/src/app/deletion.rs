//! How files go: marked by their owner, removed by their node.

use chassis::auth::Principal;
use chassis::{Error, Result};
use contracts::common::v1::Role;
use kernel::id::{NodeId, SnapshotId, VolumeId};

use super::App;
use super::volume::not_found;
use crate::domain::snapshot::Snapshot;
use crate::domain::volume::Volume;
use crate::store::{snapshots, volumes};

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
        if let Ok(user) = caller.user() {
            volume.check_unused()?;
            if volume.shared {
                self.check_storage_deletion(&transaction, user, &volume)
                    .await?;
            }
        }
        let change = volume.delete()?;
        self.each_snapshot(&transaction, id, Snapshot::go).await?;
        self.record(&transaction, &volume, change).await?;
        self.commit(transaction).await?;
        Ok(volume)
    }

    /// What a node must remove.
    pub(crate) async fn node_deletions(
        &self,
        node: NodeId,
    ) -> Result<(Vec<Volume>, Vec<Snapshot>)> {
        let reader = self.database.reader();
        let volumes = volumes::deleting_on(reader, node).await?;
        Ok((volumes, snapshots::deleting_on(reader, node).await?))
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

    /// A node has removed the files of a snapshot that lay on it.
    pub(crate) async fn confirm_snapshot_deletion(
        &self,
        node: NodeId,
        id: SnapshotId,
    ) -> Result<()> {
        let transaction = self.database.begin().await?;
        self.change_snapshot(&transaction, id, |snapshot| {
            if snapshot.node != node {
                return Err(Error::not_found("snapshot", &id.to_string()));
            }
            snapshot.confirm_deletion()
        })
        .await?;
        self.commit(transaction).await
    }
}
