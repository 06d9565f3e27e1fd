//! Plays volume.

use chassis::Error;
use contracts::volume::v1 as wire;
use contracts::volume::v1::volume_service_server::VolumeService;
use tonic::{Request, Response, Status};

/// Plays volume: one volume, which nobody uses.
pub(crate) struct Volumes;

fn volume() -> wire::Volume {
    wire::Volume {
        id: "box".to_owned(),
        state: wire::VolumeState::Ready.into(),
        label: "files of first".to_owned(),
        created_at: Some(prost_types::Timestamp::default()),
        quota_bytes: 10 << 30,
        used_bytes: 9 << 30,
        fill: wire::VolumeFill::NearlyFull.into(),
        ..wire::Volume::default()
    }
}

fn find(id: &str) -> Result<Option<wire::Volume>, Status> {
    let found = (id == "box").then(volume);
    found
        .map(Some)
        .ok_or_else(|| Error::not_found("volume", id).into())
}

fn snapshot(volume_id: &str, name: &str) -> Result<Option<wire::Snapshot>, Status> {
    find(volume_id)?;
    Ok(Some(wire::Snapshot {
        id: "sn-1".to_owned(),
        volume_id: volume_id.to_owned(),
        name: name.to_owned(),
        state: wire::SnapshotState::Ready.into(),
        created_at: Some(prost_types::Timestamp::default()),
        ..wire::Snapshot::default()
    }))
}

testkit::play! {
    VolumeService as Volumes, wire: {
        async fn list_volumes(
            &self,
            _: Request<wire::ListVolumesRequest>,
        ) -> Result<Response<wire::ListVolumesResponse>, Status> {
            Ok(Response::new(wire::ListVolumesResponse { volumes: vec![volume()], page: None }))
        }

        async fn get_volume(
            &self,
            request: Request<wire::GetVolumeRequest>,
        ) -> Result<Response<wire::GetVolumeResponse>, Status> {
            let volume = find(&request.get_ref().id)?;
            Ok(Response::new(wire::GetVolumeResponse { volume }))
        }

        async fn delete_volume(
            &self,
            request: Request<wire::DeleteVolumeRequest>,
        ) -> Result<Response<wire::DeleteVolumeResponse>, Status> {
            let mut volume = find(&request.get_ref().id)?;
            if let Some(volume) = &mut volume {
                volume.set_state(wire::VolumeState::Deleting);
            }
            Ok(Response::new(wire::DeleteVolumeResponse { volume }))
        }

        async fn resize_volume(
            &self,
            request: Request<wire::ResizeVolumeRequest>,
        ) -> Result<Response<wire::ResizeVolumeResponse>, Status> {
            let mut volume = find(&request.get_ref().id)?;
            if let Some(volume) = &mut volume {
                volume.quota_bytes = request.get_ref().quota_bytes;
            }
            Ok(Response::new(wire::ResizeVolumeResponse { volume }))
        }

        async fn create_snapshot(
            &self,
            request: Request<wire::CreateSnapshotRequest>,
        ) -> Result<Response<wire::CreateSnapshotResponse>, Status> {
            let asked = request.get_ref();
            let snapshot = snapshot(&asked.volume_id, &asked.name)?;
            Ok(Response::new(wire::CreateSnapshotResponse { snapshot }))
        }

        async fn list_snapshots(
            &self,
            request: Request<wire::ListSnapshotsRequest>,
        ) -> Result<Response<wire::ListSnapshotsResponse>, Status> {
            let snapshots = snapshot(&request.get_ref().volume_id, "first")?;
            let snapshots = snapshots.into_iter().collect();
            Ok(Response::new(wire::ListSnapshotsResponse { snapshots }))
        }

        async fn restore_snapshot(
            &self,
            request: Request<wire::RestoreSnapshotRequest>,
        ) -> Result<Response<wire::RestoreSnapshotResponse>, Status> {
            let kept = snapshot(&request.get_ref().volume_id, "before-restore")?;
            Ok(Response::new(wire::RestoreSnapshotResponse { kept }))
        }

        async fn delete_snapshot(
            &self,
            request: Request<wire::DeleteSnapshotRequest>,
        ) -> Result<Response<wire::DeleteSnapshotResponse>, Status> {
            let asked = request.get_ref();
            let snapshot = snapshot(&asked.volume_id, &asked.snapshot)?;
            Ok(Response::new(wire::DeleteSnapshotResponse { snapshot }))
        }
    }
    without
    create_volume(CreateVolumeRequest) -> CreateVolumeResponse,
    fork_volume(ForkVolumeRequest) -> ForkVolumeResponse,
    list_node_copies(ListNodeCopiesRequest) -> ListNodeCopiesResponse,
    confirm_copy(ConfirmCopyRequest) -> ConfirmCopyResponse,
    claim_volume(ClaimVolumeRequest) -> ClaimVolumeResponse,
    keep_volume(KeepVolumeRequest) -> KeepVolumeResponse,
    attach_volume(AttachVolumeRequest) -> AttachVolumeResponse,
    detach_volume(DetachVolumeRequest) -> DetachVolumeResponse,
    list_node_volumes(ListNodeVolumesRequest) -> ListNodeVolumesResponse,
    lose_node_volumes(LoseNodeVolumesRequest) -> LoseNodeVolumesResponse,
    list_lost_volumes(ListLostVolumesRequest) -> ListLostVolumesResponse,
    report_volume_use(ReportVolumeUseRequest) -> ReportVolumeUseResponse,
    open_storage(OpenStorageRequest) -> OpenStorageResponse,
    list_node_deletions(ListNodeDeletionsRequest) -> ListNodeDeletionsResponse,
    confirm_deletion(ConfirmDeletionRequest) -> ConfirmDeletionResponse,
}
