//! Copies files of volumes as the volume service says: snapshots, restores, forks. It asks, copies, and confirms; whole or not at
//! all, once for each key, and never while anything may write to them.

mod folders;
mod tree;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chassis::grpc::Caller;
use chassis::{Error, Result};
use contracts::volume::v1::volume_service_client::VolumeServiceClient;
use contracts::volume::v1::{ConfirmCopyRequest, FileCopy, ListNodeCopiesRequest};
use kernel::id::{ParseIdError, SnapshotId, VolumeId};
use tokio_util::sync::CancellationToken;

use self::folders::{Folders, Work};
use crate::attempt::Board;
use crate::files;
use crate::relay::Errands;
use crate::runtime::process::{ProcessRuntime, volumes};
use crate::space::Space;

/// Pause between questions.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// One node's copies.
#[derive(Debug)]
pub(crate) struct Copies {
    pub(crate) caller: Caller,
    pub(crate) node_id: String,
    pub(crate) board: Arc<Board>,
    pub(crate) process: Arc<ProcessRuntime>,
    /// People's own errands over files: nothing is copied while they write.
    pub(crate) errands: Arc<Errands>,
    pub(crate) space: Arc<Space>,
}

/// Finishes or removes what an agent left that died while it copied. Before anything else looks at the volumes.
///
/// # Errors
/// Those of the file system.
pub(crate) fn sweep(data_dir: &Path) -> Result<()> {
    Folders(volumes(data_dir))
        .sweep()
        .map_err(|error| Error::internal("removing what was copied in part", error))
}

impl Copies {
    /// Copies what is to be copied in `data_dir` until `cancel`.
    ///
    /// # Errors
    /// Never by itself.
    pub(crate) async fn run(
        self,
        data_dir: std::path::PathBuf,
        cancel: CancellationToken,
    ) -> Result<()> {
        let folders = Folders(volumes(&data_dir));
        let mut healthy = true;
        loop {
            let round = self.round(&folders, &cancel).await;
            if let (Err(error), true) = (&round, healthy) {
                tracing::warn!(
                    error = chassis::error::chain(error),
                    "files are not copied; trying again"
                );
            }
            healthy = round.is_ok();
            tokio::select! {
                () = cancel.cancelled() => return Ok(()),
                () = tokio::time::sleep(ASK_EVERY) => {}
            }
        }
    }

    async fn round(&self, folders: &Folders, cancel: &CancellationToken) -> Result<()> {
        let mut service = VolumeServiceClient::new(self.caller.clone());
        let request = ListNodeCopiesRequest {
            node_id: self.node_id.clone(),
        };
        let listed = service.list_node_copies(request).await?.into_inner().copies;
        for copy in listed {
            let Some(done) = self.copy(folders, &copy, cancel).await? else {
                continue;
            };
            let (failure, bytes) = match done {
                Ok(bytes) => (String::new(), bytes),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
                Err(error) => (error.to_string(), 0),
            };
            if failure.is_empty() {
                tracing::info!(copy = copy.id, from = copy.from_id, bytes, "files copied");
            } else {
                tracing::warn!(
                    copy = copy.id,
                    from = copy.from_id,
                    failure,
                    "files not copied"
                );
            }
            let confirmed = ConfirmCopyRequest {
                node_id: self.node_id.clone(),
                copy_id: copy.id,
                failure,
                bytes,
            };
            service.confirm_copy(confirmed).await?;
            self.space.touch(&copy.to_id);
        }
        Ok(())
    }

    /// What came of it; `None` while something may write to the files.
    async fn copy(
        &self,
        folders: &Folders,
        copy: &FileCopy,
        cancel: &CancellationToken,
    ) -> Result<Option<io::Result<u64>>> {
        let work = read(copy)?;
        let mut kept_off = Vec::new();
        for place in [&work.from, &work.to] {
            let attached = self
                .board
                .all()
                .iter()
                .any(|entry| entry.holds_volume(place));
            let Some(turn) = self.errands.all_of(place).filter(|_| !attached) else {
                tracing::warn!(
                    copy = copy.id,
                    place,
                    "files are to be copied, but are in use"
                );
                return Ok(None);
            };
            kept_off.push(turn);
        }
        let (folders, cancel) = (folders.clone(), cancel.clone());
        let process = self.process.clone();
        let span =
            tracing::info_span!("copy files", copy = copy.id, from = work.from, to = work.to);
        let copied = tokio::task::spawn_blocking(move || {
            let _entered = span.entered();
            // All that is done here is done before anybody else may use these files.
            let _kept_off = kept_off;
            let begins = work.keep.is_empty() && work.to.parse::<VolumeId>().is_ok();
            let own = |part: &Path| match begins {
                true => process.user_of(part).map_err(io::Error::other),
                false => files::private_folder(part).map(|()| None),
            };
            folders.copy(&work, own, &cancel)
        });
        copied
            .await
            .map(Some)
            .map_err(|error| Error::internal("copying files", error))
    }
}

/// The folders of a copy. Only identifiers: they become names of folders.
fn read(copy: &FileCopy) -> Result<Work> {
    let wrong =
        |field: &'static str, error: &ParseIdError| Error::invalid(field, error.to_string());
    let place = |field, text: &String| match text.parse::<SnapshotId>() {
        Ok(id) => Ok(id.to_string()),
        Err(_) => match text.parse::<VolumeId>() {
            Ok(id) => Ok(id.to_string()),
            Err(error) => Err(wrong(field, &error)),
        },
    };
    let keep = match copy.keep_id.as_str() {
        "" => String::new(),
        id => id
            .parse::<SnapshotId>()
            .map_err(|error| wrong("keep_id", &error))?
            .to_string(),
    };
    Ok(Work {
        from: place("from_id", &copy.from_id)?,
        to: place("to_id", &copy.to_id)?,
        keep,
    })
}
