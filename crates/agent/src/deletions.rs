//! Removes the files of volumes that are marked for deletion, and says so. Nothing is removed that an attempt may still write to.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chassis::grpc::Caller;
use chassis::{Error, Result};
use contracts::volume::v1::volume_service_client::VolumeServiceClient;
use contracts::volume::v1::{ConfirmDeletionRequest, ListNodeDeletionsRequest};
use kernel::id::VolumeId;
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
        let listed = service
            .list_node_deletions(request)
            .await?
            .into_inner()
            .volume_ids;
        for volume_id in listed {
            let id: VolumeId = volume_id
                .parse()
                .map_err(|error: kernel::id::ParseIdError| {
                    Error::invalid("volume_ids", error.to_string())
                })?;
            if self
                .board
                .all()
                .iter()
                .any(|entry| entry.holds_volume(&volume_id))
            {
                tracing::warn!(%id, "a volume is to be deleted, but an attempt still uses it");
                continue;
            }
            remove(&self.data_dir, id).await?;
            service
                .confirm_deletion(ConfirmDeletionRequest {
                    node_id: self.node_id.clone(),
                    volume_id,
                })
                .await?;
            tracing::info!(%id, "volume deleted");
        }
        Ok(())
    }
}

async fn remove(data_dir: &Path, id: VolumeId) -> Result<()> {
    let folder = volumes(data_dir).join(id.to_string());
    let failed = |error: std::io::Error| Error::internal("deleting a volume", error);
    let removed = tokio::task::spawn_blocking(move || files::remove_folder(&folder)).await;
    removed
        .map_err(|error| Error::internal("deleting a volume", error))?
        .map_err(failed)
}
