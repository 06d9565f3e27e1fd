//! A snapshot of the files of a notebook that stops: wished for with the stop, and made before anything else writes to them.

use chassis::{Error, Result};
use contracts::volume::v1::{CreateSnapshotRequest, ListSnapshotsRequest, SnapshotState};
use kernel::text;

use super::{App, view};
use crate::store::entity::Model;

/// Longest name of a snapshot, in characters.
const LONGEST_NAME: usize = 100;

/// Checks what a snapshot is to be called; empty = a name is made up.
fn check_name(name: &str) -> Result<()> {
    if name.is_empty() {
        return Ok(());
    }
    text::name("snapshot", name, LONGEST_NAME)?;
    if name.contains('@') {
        return Err(Error::invalid(
            "snapshot",
            format!(
                "{name:?} has an @, which stands between a volume and a snapshot elsewhere; choose another name"
            ),
        ));
    }
    Ok(())
}

/// Notes the wish to keep the files; `false` when the same is wished for already.
pub(super) fn wish_kept(row: &mut Model, name: &str) -> Result<bool> {
    if row.snapshot_request.is_empty() {
        // Its own for each wish: the revision grows with it.
        row.snapshot_request = format!("{}/keep/{}", row.id, row.revision);
        name.clone_into(&mut row.snapshot_name);
        return Ok(true);
    }
    if row.snapshot_name == name {
        return Ok(false);
    }
    Err(Error::Precondition(format!(
        "snapshot: the files of {:?} are being kept already; make another snapshot when that is done",
        row.name
    )))
}

impl App {
    /// Whether the files of a notebook can be kept as a snapshot of this name.
    pub(super) async fn check_keep(&self, row: &Model, name: &str) -> Result<()> {
        check_name(name)?;
        if row.volume_id.is_empty() {
            return Err(Error::Precondition(format!(
                "snapshot: {:?} has no files yet; stop it without one",
                row.name
            )));
        }
        let request = ListSnapshotsRequest {
            volume_id: row.volume_id.clone(),
        };
        let answer = self.volume.clone().list_snapshots(request).await?;
        let mut there = answer.into_inner().snapshots.into_iter();
        if !name.is_empty() && there.any(|snapshot| snapshot.name == name) {
            return Err(Error::Conflict(format!(
                "snapshot: there is one named {name:?} already; choose another name"
            )));
        }
        Ok(())
    }

    /// Asks for the snapshot, and again until it is whole: while its volume is still let go of, and while it is copied.
    pub(super) async fn keep_files(&self, row: &Model) -> Result<()> {
        let request = CreateSnapshotRequest {
            volume_id: row.volume_id.clone(),
            name: row.snapshot_name.clone(),
            request_id: row.snapshot_request.clone(),
        };
        let made = self.volume.clone().create_snapshot(request).await;
        let said = match made.map_err(Error::from) {
            Ok(answer) => {
                let snapshot = answer.into_inner().snapshot.unwrap_or_default();
                match snapshot.state() {
                    SnapshotState::Making => {
                        return self.tell_wait(row, "its files are being copied").await;
                    }
                    SnapshotState::Failed => {
                        format!("its files could not be kept: {}", snapshot.reason)
                    }
                    _ => format!("its files are kept as snapshot {:?}", snapshot.name),
                }
            }
            Err(error @ (Error::Unavailable(_) | Error::Deadline | Error::Internal { .. })) => {
                return Err(error);
            }
            Err(error) => format!("its files could not be kept: {}", error.public_text()),
        };
        self.metrics.changed("kept");
        self.update(&row.id, |now| {
            if now.snapshot_request != row.snapshot_request {
                return Ok(false);
            }
            now.snapshot_request.clear();
            now.snapshot_name.clear();
            if view::state(now).is_rest() {
                now.reason = format!("{}; {said}", now.reason);
            }
            Ok(true)
        })
        .await?;
        Ok(())
    }
}
