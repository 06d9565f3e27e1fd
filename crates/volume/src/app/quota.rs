//! How much the files of volumes take, and may.

use chassis::auth::{Principal, User};
use chassis::{Error, Result};
use contracts::common::v1::Role;
use contracts::volume::v1::VolumeFillChanged;
use kernel::id::{NodeId, VolumeId};
use kernel::size::bytes_text;
use sea_orm::DatabaseTransaction;

use super::App;
use super::volume::not_found;
use crate::domain::volume::{Change, Volume};
use crate::store::volumes;
use crate::wire;

impl App {
    /// Changes the quota of a volume, in bytes: of any for an operator, up to the configured one for an admin of its project.
    pub(crate) async fn resize(&self, user: &User, id: VolumeId, quota: u64) -> Result<Volume> {
        if !user.operator {
            let seen = self.get(&Principal::User(user.clone()), id).await?;
            user.require_in(&seen.project, Role::Admin)?;
            let largest = self.quotas.largest;
            if quota > largest {
                return Err(Error::Denied(format!(
                    "admins of teams set at most {}; ask an operator for {}",
                    bytes_text(largest),
                    bytes_text(quota)
                )));
            }
        }
        let transaction = self.database.begin().await?;
        let mut volume = volumes::lock(&transaction, id)
            .await?
            .ok_or_else(|| not_found(id))?;
        let before = volume.space.fill;
        let change = volume.resize(quota)?;
        self.record(&transaction, &volume, change).await?;
        if volume.space.fill != before {
            self.tell_fill(&transaction, &volume).await?;
        }
        self.commit(transaction).await?;
        Ok(volume)
    }

    /// A node has measured one of its volumes. Whatever does not lie there any more changes nothing.
    pub(crate) async fn measured(&self, node: NodeId, id: VolumeId, used: u64) -> Result<()> {
        let used = used.min(i64::MAX.unsigned_abs());
        let lies_there = |volume: &Volume| volume.node == Some(node) && volume.space.used != used;
        let seen = volumes::find(self.database.reader(), id).await?;
        if !seen.as_ref().is_some_and(lies_there) {
            return Ok(());
        }
        let transaction = self.database.begin().await?;
        let Some(mut volume) = volumes::lock(&transaction, id).await?.filter(lies_there) else {
            return Ok(());
        };
        match volume.measure(used) {
            Change::Made => {
                self.record(&transaction, &volume, Change::Made).await?;
                self.tell_fill(&transaction, &volume).await?;
            }
            Change::None => volumes::update(&transaction, &volume).await?,
        }
        self.commit(transaction).await
    }

    /// The volumes of a node that have a quota.
    pub(crate) async fn limited_on(&self, node: NodeId) -> Result<Vec<Volume>> {
        volumes::limited_on(self.database.reader(), node).await
    }

    async fn tell_fill(&self, transaction: &DatabaseTransaction, volume: &Volume) -> Result<()> {
        let event = VolumeFillChanged {
            volume: Some(wire::volume(volume.clone())),
        };
        let team = volume.team.to_string();
        self.outbox
            .append(transaction, &event, &volume.id.to_string(), Some(&team))
            .await
    }
}
