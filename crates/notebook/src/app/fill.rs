//! How full the files of notebooks are: told to their users before they are, and what follows when they are.

use chassis::{Error, Result};
use contracts::volume::v1::{Volume, VolumeFill, VolumeState};
use kernel::size::bytes_text;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::App;
use crate::store::entity::{Column, Entity, Model};

/// What users are to know; empty = nothing.
fn note(volume: &Volume) -> String {
    let how = match volume.fill() {
        _ if volume.state() != VolumeState::Ready => return String::new(),
        VolumeFill::NearlyFull => "nearly full",
        VolumeFill::Full => "full",
        VolumeFill::Room | VolumeFill::Unspecified => return String::new(),
    };
    let (id, quota) = (&volume.id, bytes_text(volume.quota_bytes));
    // Without what they take: that changes with every look, and this is kept.
    format!(
        "its files are {how}: they may take {quota}; remove some, or let an admin of the team run: quire volume resize {id} --size SIZE"
    )
}

impl App {
    /// Notes at the notebook of a volume how full that is. An event may be an old one: what is so now is asked.
    pub(crate) async fn note_fill(&self, told: &Volume) -> Result<()> {
        let rows = Entity::find()
            .filter(Column::VolumeId.eq(&told.id))
            .filter(Column::DeletedAt.is_null())
            .all(self.database.reader())
            .await?;
        for row in rows.iter().filter(|row| row.files_note != note(told)) {
            let note = note(&self.volume_of(&row.volume_id).await?);
            self.update(&row.id, |row| {
                let news = row.files_note != note;
                row.files_note.clone_from(&note);
                Ok(news)
            })
            .await?;
        }
        Ok(())
    }

    /// Refuses the start of a notebook whose files are full: it would fill the disk that others need, too.
    pub(super) async fn check_room(&self, row: &Model) -> Result<()> {
        if row.volume_id.is_empty() {
            return Ok(());
        }
        let volume = self.volume_of(&row.volume_id).await?;
        if volume.quota_bytes == 0 || volume.used_bytes < volume.quota_bytes {
            return Ok(());
        }
        let (name, id) = (&row.name, &volume.id);
        let (used, quota) = (
            bytes_text(volume.used_bytes),
            bytes_text(volume.quota_bytes),
        );
        Err(Error::Precondition(format!(
            "the files of {name:?} take {used} and may take {quota}: remove some by \"quire notebook rm {name}:PATH\", or let an admin of \
             the team run \"quire volume resize {id} --size SIZE\"; then start it"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_to_be_done_is_told() {
        let volume = |fill: VolumeFill| Volume {
            id: "vo-1".to_owned(),
            quota_bytes: 10 << 30,
            fill: fill.into(),
            state: VolumeState::Ready.into(),
            ..Volume::default()
        };
        assert_eq!(note(&volume(VolumeFill::Room)), "");
        let nearly = note(&volume(VolumeFill::NearlyFull));
        assert!(
            nearly.contains("nearly full: they may take 10.0 GiB")
                && nearly.contains("quire volume resize vo-1 --size"),
            "{nearly}"
        );
        assert!(note(&volume(VolumeFill::Full)).starts_with("its files are full"));
    }
}
