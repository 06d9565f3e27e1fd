//! Volumes, as their owners see them.

use chassis::auth::{Principal, User};
use chassis::{Error, Result};
use contracts::common::v1::PageInfo;
use contracts::volume::v1::ListVolumesRequest;
use kernel::id::{ProjectId, TeamId, VolumeId};
use kernel::text;

use super::App;
use crate::domain::volume::{Change, Volume};
use crate::store::volumes;

/// Longest identifier of a request or an owner, and longest label, in characters.
pub(super) const LONGEST_TEXT: usize = 200;

impl App {
    /// A new volume of a team; the same request gives the same one.
    pub(crate) async fn create(
        &self,
        team: TeamId,
        project: String,
        owner: String,
        request_id: &str,
    ) -> Result<Volume> {
        if !project.is_empty() && project.parse::<ProjectId>().is_err() {
            return Err(Error::invalid(
                "project_id",
                "is not the identifier of a project",
            ));
        }
        let request_id = text::name("request_id", request_id, LONGEST_TEXT)?;
        let quota = self.quotas.of(team);
        let new = Volume::new(team, project, owner, quota, self.clock.now());
        let transaction = self.database.begin().await?;
        let volume = volumes::insert_or_find(&transaction, &new, &request_id).await?;
        if volume.id == new.id {
            self.publish(&transaction, &volume).await?;
        }
        self.commit(transaction).await?;
        Ok(volume)
    }

    /// Notes who uses a volume.
    pub(crate) async fn claim(&self, id: VolumeId, owner: &str) -> Result<Volume> {
        let owner = text::name("owner_id", owner, LONGEST_TEXT)?;
        self.change(id, |volume| volume.claim(&owner)).await
    }

    /// The owner needs it no more; the files stay.
    pub(crate) async fn keep(&self, id: VolumeId, owner: &str, label: &str) -> Result<Volume> {
        let owner = text::name("owner_id", owner, LONGEST_TEXT)?;
        let label = text::name("label", label, LONGEST_TEXT)?;
        self.change(id, |volume| Ok(volume.keep(&owner, &label)))
            .await
    }

    /// Locks a volume, lets `change` decide, writes and tells what it changed.
    pub(super) async fn change(
        &self,
        id: VolumeId,
        change: impl FnOnce(&mut Volume) -> Result<Change> + Send,
    ) -> Result<Volume> {
        let transaction = self.database.begin().await?;
        let mut volume = volumes::lock(&transaction, id)
            .await?
            .ok_or_else(|| not_found(id))?;
        let change = change(&mut volume)?;
        self.record(&transaction, &volume, change).await?;
        self.commit(transaction).await?;
        Ok(volume)
    }

    /// One volume: any for a service; for a user one of their team, in a project that they see.
    pub(crate) async fn get(&self, caller: &Principal, id: VolumeId) -> Result<Volume> {
        let sees = |volume: &Volume| match caller {
            Principal::User(user) => user.team == volume.team && user.sees(&volume.project),
            Principal::Service(_) => true,
            Principal::Anonymous | Principal::Agent(_) => false,
        };
        volumes::find(self.database.reader(), id)
            .await?
            .filter(sees)
            .ok_or_else(|| not_found(id))
    }

    /// A page of the volumes of the caller's team that are not deleted, in projects that they see.
    pub(crate) async fn list(
        &self,
        user: &User,
        asked: &ListVolumesRequest,
    ) -> Result<(Vec<Volume>, PageInfo)> {
        volumes::page_of_team(self.database.reader(), user, asked).await
    }

    /// Counts volumes by state.
    pub(crate) async fn count(&self) -> Result<()> {
        let counted = volumes::count(self.database.reader()).await?;
        self.metrics.volumes.set(counted);
        Ok(())
    }
}

pub(super) fn not_found(id: VolumeId) -> Error {
    Error::not_found("volume", &id.to_string())
}
