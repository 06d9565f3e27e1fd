//! Removes the files of volumes and snapshots that are marked for deletion, and says so. Nothing is removed that an attempt may still write to.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use chassis::grpc::Caller;
use chassis::{Error, Result};
use contracts::volume::v1::volume_service_client::VolumeServiceClient;
use contracts::volume::v1::{ConfirmDeletionRequest, ListNodeDeletionsRequest};
use kernel::id::{ParseIdError, SnapshotId, VolumeId};
use tokio_util::sync::CancellationToken;

use crate::attempt::Board;
use crate::files;
use crate::runtime::process::volumes;

/// Pause between questions.
const ASK_EVERY: Duration = Duration::from_secs(5);

/// One node's deletions.
#[derive(Debug)]
pub(crate) struct Deletions {
    pub(crate) caller: Caller,
    pub(crate) node_id: String,
    pub(crate) data_dir: PathBuf,
    pub(crate) board: Arc<Board>,
}

impl Deletions {
    /// Removes what is to be removed until `cancel`.
    ///
    /// # Errors
    /// Never by itself.
    pub(crate) async fn run(self, cancel: CancellationToken) -> Result<()> {
        let mut healthy = true;
        loop {
            let round = self.round().await;
            if let (Err(error), true) = (&round, healthy) {
                tracing::warn!(
                    error = chassis::error::chain(error),
                    "volumes are not deleted; trying again"
                );
            }
            healthy = round.is_ok();
            tokio::select! {
                () = cancel.cancelled() => return Ok(()),
                () = tokio::time::sleep(ASK_EVERY) => {}
            }
        }
    }

    async fn round(&self) -> Result<()> {
        let mut service = VolumeServiceClient::new(self.caller.clone());
        let request = ListNodeDeletionsRequest {
            node_id: self.node_id.clone(),
        };
        let listed = service.list_node_deletions(request).await?.into_inner();
        for volume_id in listed.volume_ids {
            let id: VolumeId = read("volume_ids", &volume_id)?;
            if self
                .board
                .all()
                .iter()
                .any(|entry| entry.holds_volume(&volume_id))
            {
                tracing::warn!(%id, "a volume is to be deleted, but an attempt still uses it");
                continue;
            }
            remove(&self.data_dir, id.to_string()).await?;
            self.confirm(&mut service, volume_id, String::new()).await?;
            tracing::info!(%id, "volume deleted");
        }
        for snapshot_id in listed.snapshot_ids {
            let id: SnapshotId = read("snapshot_ids", &snapshot_id)?;
            remove(&self.data_dir, id.to_string()).await?;
            self.confirm(&mut service, String::new(), snapshot_id)
                .await?;
            tracing::info!(%id, "snapshot deleted");
        }
        Ok(())
    }

    async fn confirm(
        &self,
        service: &mut VolumeServiceClient<Caller>,
        volume_id: String,
        snapshot_id: String,
    ) -> Result<()> {
        let node_id = self.node_id.clone();
        let request = ConfirmDeletionRequest {
            node_id,
            volume_id,
            snapshot_id,
        };
        service.confirm_deletion(request).await?;
        Ok(())
    }
}

fn read<T: FromStr<Err = ParseIdError>>(field: &'static str, id: &str) -> Result<T> {
    id.parse()
        .map_err(|error: ParseIdError| Error::invalid(field, error.to_string()))
}

async fn remove(data_dir: &Path, name: String) -> Result<()> {
    let folder = volumes(data_dir).join(name);
    let failed = |error: std::io::Error| Error::internal("deleting files", error);
    let removed = tokio::task::spawn_blocking(move || files::remove_folder(&folder)).await;
    removed
        .map_err(|error| Error::internal("deleting files", error))?
        .map_err(failed)
}
