//! The files of notebooks: made for them, or kept ones that they are made with, and what becomes of them afterwards.

use chassis::auth::User;
use chassis::{Error, Result};
use contracts::common::v1::Resources;
use contracts::scheduler::v1::GetCapacityRequest;
use contracts::volume::v1::{
    ClaimVolumeRequest, DeleteVolumeRequest, GetVolumeRequest, KeepVolumeRequest, Volume,
    VolumeState,
};

use super::App;
use crate::store::entity::Model;

impl App {
    /// A volume that a new notebook of the caller may be made with: of the team, seen by the caller, whole, and used by nobody.
    pub(super) async fn unused_volume(&self, caller: &User, id: &str) -> Result<Volume> {
        let volume = self.volume_of(id).await?;
        if volume.team_id != caller.team.to_string() || !caller.sees(&volume.project_id) {
            return Err(Error::not_found("volume", id));
        }
        if volume.state() != VolumeState::Ready {
            let why = match volume.state() {
                VolumeState::Lost => volume.reason,
                _ => "it is being deleted".to_owned(),
            };
            return Err(Error::Precondition(format!(
                "volume_id: {id} has no files any more: {why}"
            )));
        }
        if volume.shared {
            return Err(Error::Precondition(format!(
                "volume_id: {id} is shared by the team, which has it at /storage in every notebook on its node"
            )));
        }
        if !volume.owner_id.is_empty() {
            return Err(Error::Precondition(format!(
                "volume_id: {id} is used by {}; \"quire volume list\" shows those that nobody uses",
                volume.owner_id
            )));
        }
        Ok(volume)
    }

    pub(super) async fn volume_of(&self, id: &str) -> Result<Volume> {
        let request = GetVolumeRequest { id: id.to_owned() };
        let answer = self.volume.clone().get_volume(request).await?;
        Ok(answer.into_inner().volume.unwrap_or_default())
    }

    /// Notes at the volume that this notebook uses it, and tells where it lies. Said at each start: it changes nothing then.
    pub(super) async fn claim_volume(&self, row: &Model) -> Result<Volume> {
        let request = ClaimVolumeRequest {
            id: row.volume_id.clone(),
            owner_id: row.id.clone(),
        };
        let answer = self.volume.clone().claim_volume(request).await?;
        Ok(answer.into_inner().volume.unwrap_or_default())
    }

    /// Keeps or deletes the files of a notebook that goes. Files that are gone already are no hurdle.
    pub(super) async fn let_go_of_volume(&self, row: &Model) -> Result<()> {
        if row.volume_id.is_empty() {
            return Ok(());
        }
        let id = row.volume_id.clone();
        let mut volume = self.volume.clone();
        let done = if row.keep_volume {
            let request = KeepVolumeRequest {
                id,
                owner_id: row.id.clone(),
                label: format!("files of {}", row.name),
            };
            volume.keep_volume(request).await.map(drop)
        } else {
            let request = DeleteVolumeRequest { id };
            volume.delete_volume(request).await.map(drop)
        };
        match done.map_err(Error::from) {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// What stands in the way of `size` where the files of a notebook lie; empty = nothing, or they lie nowhere yet.
    pub(super) async fn obstacle_at_files(
        &self,
        row: &Model,
        machine_type: &str,
        size: Option<Resources>,
    ) -> Result<String> {
        if row.volume_id.is_empty() {
            return Ok(String::new());
        }
        let node_id = self.volume_of(&row.volume_id).await?.node_id;
        if node_id.is_empty() {
            return Ok(String::new());
        }
        let request = GetCapacityRequest {
            sizes: size.into_iter().collect(),
            node_id,
        };
        let answer = self.scheduler.clone().get_capacity(request).await?;
        let room = answer
            .into_inner()
            .capacities
            .first()
            .map_or(0, |room| room.total);
        if room > 0 {
            return Ok(String::new());
        }
        Ok(format!(
            "the node with the notebook's files could not host {machine_type} as things are: it waits for that node when it is \
             started; choose a smaller type, or make a notebook elsewhere"
        ))
    }
}
