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
        ..wire::Volume::default()
    }
}

fn find(id: &str) -> Result<Option<wire::Volume>, Status> {
    let found = (id == "box").then(volume);
    found
        .map(Some)
        .ok_or_else(|| Error::not_found("volume", id).into())
}

testkit::play! {
    VolumeService as Volumes, wire: {
        async fn list_volumes(
            &self,
            _: Request<wire::ListVolumesRequest>,
        ) -> Result<Response<wire::ListVolumesResponse>, Status> {
            Ok(Response::new(wire::ListVolumesResponse { volumes: vec![volume()] }))
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
    }
    without
    create_volume(CreateVolumeRequest) -> CreateVolumeResponse,
    create_snapshot(CreateSnapshotRequest) -> CreateSnapshotResponse,
    list_snapshots(ListSnapshotsRequest) -> ListSnapshotsResponse,
    restore_snapshot(RestoreSnapshotRequest) -> RestoreSnapshotResponse,
    delete_snapshot(DeleteSnapshotRequest) -> DeleteSnapshotResponse,
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
    list_node_deletions(ListNodeDeletionsRequest) -> ListNodeDeletionsResponse,
    confirm_deletion(ConfirmDeletionRequest) -> ConfirmDeletionResponse,
}
