//! Volumes, as their owners see them.

use chassis::auth::Principal;
use chassis::{Error, Result};
use kernel::id::{TeamId, VolumeId};
use kernel::text;

use super::App;
use crate::domain::volume::Volume;
use crate::store::volumes;

/// Longest identifier of a request, in characters.
const LONGEST_REQUEST_ID: usize = 200;

impl App {
    /// A new volume of a team; the same request gives the same one.
    pub(crate) async fn create(&self, team: TeamId, request_id: &str) -> Result<Volume> {
        let request_id = text::name("request_id", request_id, LONGEST_REQUEST_ID)?;
        let new = Volume::new(team, self.clock.now());
        let transaction = self.database.begin().await?;
        let volume = volumes::insert_or_find(&transaction, &new, &request_id).await?;
        if volume.id == new.id {
            self.publish(&transaction, &volume).await?;
        }
        self.commit(transaction).await?;
        Ok(volume)
    }

    /// One volume: any for a service, one of their team for a user.
    pub(crate) async fn get(&self, caller: &Principal, id: VolumeId) -> Result<Volume> {
        let sees = |volume: &Volume| match caller {
            Principal::User(user) => user.team == volume.team,
            Principal::Service(_) => true,
            Principal::Anonymous | Principal::Agent(_) => false,
        };
        volumes::find(self.database.reader(), id)
            .await?
            .filter(sees)
            .ok_or_else(|| not_found(id))
    }

    /// Volumes of a team that are not deleted, newest first.
    pub(crate) async fn list(&self, team: TeamId) -> Result<Vec<Volume>> {
        volumes::of_team(self.database.reader(), team).await
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
