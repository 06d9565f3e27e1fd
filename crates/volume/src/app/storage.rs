//! What a team shares: one volume, on one node, that all its workloads there see.

use chassis::auth::User;
use chassis::{Error, Result};
use contracts::common::v1::Role;
use kernel::id::{NodeId, VolumeId};
use sea_orm::DatabaseTransaction;

use super::App;
use super::volume::not_found;
use crate::domain::volume::Volume;
use crate::store::{lost_nodes, volumes};

impl App {
    /// What the team of a volume on `node` shares. It is made there when the team shares nothing yet.
    pub(crate) async fn open_storage(&self, node: NodeId, own: VolumeId) -> Result<Volume> {
        let seen = volumes::find(self.database.reader(), own).await?;
        let team = seen
            .filter(|volume| volume.node == Some(node))
            .ok_or_else(|| not_found(own))?
            .team;
        let transaction = self.database.begin().await?;
        if lost_nodes::lock(&transaction, node).await? {
            return Err(Error::Precondition(format!(
                "node {node} was given up; nothing is made there"
            )));
        }
        let new = Volume::of_team(team, node, self.quotas.of(team), self.clock.now());
        let storage = volumes::shared_or_insert(&transaction, &new).await?;
        if storage.id == new.id {
            self.publish(&transaction, &storage).await?;
        }
        self.commit(transaction).await?;
        Ok(storage)
    }

    /// Refuses a person who would delete a locked volume that the team shares, but for an admin when nothing sees it.
    pub(super) async fn check_storage_deletion(
        &self,
        transaction: &DatabaseTransaction,
        user: &User,
        storage: &Volume,
    ) -> Result<()> {
        if !user.has_role(Role::Admin) {
            return Err(Error::Denied(format!(
                "volume {} is shared by the team; only its admins delete it",
                storage.id
            )));
        }
        let Some(node) = storage.node else {
            return Ok(());
        };
        if volumes::is_team_at_work(transaction, storage.team, node).await? {
            return Err(Error::Precondition(format!(
                "volume {} is seen by what runs on node {node}; stop the team's notebooks there first",
                storage.id
            )));
        }
        Ok(())
    }
}
