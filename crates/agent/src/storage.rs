//! What a team shares, shown at `/storage` to each of its workloads on the node where it lies. Its files have one owner on the disk; in
//! each sandbox the sandbox's own user is seen as that owner, by an id-mapped mount: all may read and change what all have written.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chassis::grpc::Caller;
use chassis::{Error, Result};
use contracts::volume::v1::volume_service_client::VolumeServiceClient;
use contracts::volume::v1::{OpenStorageRequest, VolumeState};
use kernel::id::{ParseIdError, VolumeId};

use crate::runtime::Job;
use crate::runtime::process::ProcessRuntime;

/// A workload does not wait longer for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Shows it.
#[derive(Debug)]
pub(crate) struct Storage {
    pub(crate) caller: Caller,
    pub(crate) node_id: String,
    /// The folder of all volumes.
    pub(crate) volumes: PathBuf,
    pub(crate) process: Arc<ProcessRuntime>,
}

impl Storage {
    /// Shows a workload that runs what its team shares. Where the agent cannot share files at all there is no such folder. Gives what its users are to know: why it is not there; empty = it is.
    pub(crate) async fn show(&self, job: &Job) -> String {
        if job.spec().volume_id.is_empty() || !self.process.shares_files() {
            return String::new();
        }
        let why = match tokio::time::timeout(PATIENCE, self.try_show(job)).await {
            Ok(Ok(None)) => return String::new(),
            Ok(Ok(Some(why))) => why,
            Ok(Err(error)) => {
                let cause = chassis::error::chain(&error);
                tracing::warn!(attempt = job.id(), error = cause, "/storage is not shown");
                error.public_text()
            }
            Err(_) => format!("that took longer than {PATIENCE:?}"),
        };
        format!("/storage, which the team shares, is not seen here: {why}")
    }

    async fn try_show(&self, job: &Job) -> Result<Option<String>> {
        let request = OpenStorageRequest {
            node_id: self.node_id.clone(),
            volume_id: job.spec().volume_id.clone(),
        };
        let mut service = VolumeServiceClient::new(self.caller.clone());
        let storage = service.open_storage(request).await?.into_inner().storage;
        let storage = storage.unwrap_or_default();
        match storage.state() {
            VolumeState::Ready if storage.node_id == self.node_id => {}
            VolumeState::Ready => {
                return Ok(Some(format!("it lies on node {}", storage.node_id)));
            }
            VolumeState::Lost => return Ok(Some(storage.reason)),
            VolumeState::Deleting | VolumeState::Deleted | VolumeState::Unspecified => {
                return Ok(Some("it is being deleted".to_owned()));
            }
        }
        let id: VolumeId = storage
            .id
            .parse()
            .map_err(|error: ParseIdError| Error::invalid("storage.id", error.to_string()))?;
        let folder = self.volumes.join(id.to_string());
        let shown = self.process.show_storage(job, &folder).await;
        shown.map(|()| None).or_else(|why| Ok(Some(why)))
    }
}
