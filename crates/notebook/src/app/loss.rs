//! Files that are lost with their node: at the volume service's event, and at its list when the event was lost.

use chassis::Result;
use contracts::volume::v1::{ListLostVolumesRequest, Volume, VolumeState};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::{App, view};
use crate::domain::state::State;
use crate::store::entity::{Column, Entity};

/// What people read of a notebook whose files are lost.
pub(super) fn lost(why: &str) -> String {
    format!("{why}; the notebook can only be deleted")
}

impl App {
    /// Notes every lost volume at the notebooks that have one.
    pub(crate) async fn compare_lost(&self) -> Result<()> {
        let mut after = String::new();
        loop {
            let request = ListLostVolumesRequest { after };
            let listed = self.volume.clone().list_lost_volumes(request).await?;
            let volumes = listed.into_inner().volumes;
            let Some(last) = volumes.last() else {
                return Ok(());
            };
            after = last.id.clone();
            self.note_lost(&volumes).await?;
        }
    }

    /// Notes those of the volumes that are lost at the notebooks that have them.
    pub(crate) async fn note_lost(&self, volumes: &[Volume]) -> Result<()> {
        let lost = |volume: &&Volume| volume.state() == VolumeState::Lost;
        let ids = volumes.iter().filter(lost).map(|volume| volume.id.clone());
        let rows = Entity::find()
            .filter(Column::VolumeId.is_in(ids))
            .filter(Column::LostReason.eq(""))
            .filter(Column::DeletedAt.is_null())
            .all(self.database.reader())
            .await?;
        for row in rows {
            let volume = volumes.iter().find(|volume| volume.id == row.volume_id);
            if let Some(volume) = volume {
                self.note_loss(&row.id, &volume.reason).await?;
            }
        }
        Ok(())
    }

    /// One that rests shows it at once; one that has a workload when the scheduler has ended that.
    async fn note_loss(&self, id: &str, why: &str) -> Result<()> {
        self.update(id, |row| {
            if !row.lost_reason.is_empty() {
                return Ok(false);
            }
            why.clone_into(&mut row.lost_reason);
            if view::state(row).is_rest() {
                row.state = view::state_number(State::Error);
                row.reason = lost(why);
            }
            Ok(true)
        })
        .await?;
        Ok(())
    }
}
