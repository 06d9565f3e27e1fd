//! The calls of volume: decode, call the app, encode.

use chassis::Error;
use chassis::auth::caller;
use contracts::volume::v1::volume_service_server::VolumeService;
use contracts::volume::v1::{
    AttachVolumeRequest, AttachVolumeResponse, ClaimVolumeRequest, ClaimVolumeResponse,
    ConfirmCopyRequest, ConfirmCopyResponse, ConfirmDeletionRequest, ConfirmDeletionResponse,
    CreateSnapshotRequest, CreateSnapshotResponse, CreateVolumeRequest, CreateVolumeResponse,
    DeleteSnapshotRequest, DeleteSnapshotResponse, DeleteVolumeRequest, DeleteVolumeResponse,
    DetachVolumeRequest, DetachVolumeResponse, ForkVolumeRequest, ForkVolumeResponse,
    GetVolumeRequest, GetVolumeResponse, KeepVolumeRequest, KeepVolumeResponse,
    ListLostVolumesRequest, ListLostVolumesResponse, ListNodeCopiesRequest, ListNodeCopiesResponse,
    ListNodeDeletionsRequest, ListNodeDeletionsResponse, ListNodeVolumesRequest,
    ListNodeVolumesResponse, ListSnapshotsRequest, ListSnapshotsResponse, ListVolumesRequest,
    ListVolumesResponse, LoseNodeVolumesRequest, LoseNodeVolumesResponse, OpenStorageRequest,
    OpenStorageResponse, ReportVolumeUseRequest, ReportVolumeUseResponse, ResizeVolumeRequest,
    ResizeVolumeResponse, RestoreSnapshotRequest, RestoreSnapshotResponse,
};
use tonic::{Request, Response, Status};

use crate::app::{App, Fork};
use crate::wire::{self, read_id};

/// Most volumes whose use is told in one call.
const MOST_USES: usize = 1_000;

#[tonic::async_trait]
impl VolumeService for App {
    async fn create_volume(
        &self,
        request: Request<CreateVolumeRequest>,
    ) -> Result<Response<CreateVolumeResponse>, Status> {
        let team = caller(&request)?.team(&request.get_ref().team_id)?;
        let asked = request.into_inner();
        let volume = self
            .create(team, asked.project_id, asked.owner_id, &asked.request_id)
            .await?;
        Ok(Response::new(CreateVolumeResponse {
            volume: Some(wire::volume(volume)),
        }))
    }

    async fn get_volume(
        &self,
        request: Request<GetVolumeRequest>,
    ) -> Result<Response<GetVolumeResponse>, Status> {
        let principal = caller(&request)?;
        let volume = self
            .get(&principal, read_id("id", &request.get_ref().id)?)
            .await?;
        Ok(Response::new(GetVolumeResponse {
            volume: Some(wire::volume(volume)),
        }))
    }

    async fn list_volumes(
        &self,
        request: Request<ListVolumesRequest>,
    ) -> Result<Response<ListVolumesResponse>, Status> {
        let (volumes, page) = self
            .list(caller(&request)?.user()?, request.get_ref())
            .await?;
        Ok(Response::new(ListVolumesResponse {
            volumes: volumes.into_iter().map(wire::volume).collect(),
            page: Some(page),
        }))
    }

    async fn claim_volume(
        &self,
        request: Request<ClaimVolumeRequest>,
    ) -> Result<Response<ClaimVolumeResponse>, Status> {
        let asked = request.get_ref();
        let volume = self
            .claim(read_id("id", &asked.id)?, &asked.owner_id)
            .await?;
        Ok(Response::new(ClaimVolumeResponse {
            volume: Some(wire::volume(volume)),
        }))
    }

    async fn keep_volume(
        &self,
        request: Request<KeepVolumeRequest>,
    ) -> Result<Response<KeepVolumeResponse>, Status> {
        let asked = request.get_ref();
        let volume = self
            .keep(read_id("id", &asked.id)?, &asked.owner_id, &asked.label)
            .await?;
        Ok(Response::new(KeepVolumeResponse {
            volume: Some(wire::volume(volume)),
        }))
    }

    async fn attach_volume(
        &self,
        request: Request<AttachVolumeRequest>,
    ) -> Result<Response<AttachVolumeResponse>, Status> {
        let AttachVolumeRequest {
            id,
            attachment,
            node_id,
        } = request.into_inner();
        let (id, node) = (read_id("id", &id)?, read_id("node_id", &node_id)?);
        let volume = self
            .attach(id, wire::read_attachment(attachment)?, node)
            .await?;
        Ok(Response::new(AttachVolumeResponse {
            volume: Some(wire::volume(volume)),
        }))
    }

    async fn detach_volume(
        &self,
        request: Request<DetachVolumeRequest>,
    ) -> Result<Response<DetachVolumeResponse>, Status> {
        let asked = request.get_ref();
        let volume = self
            .detach(
                read_id("id", &asked.id)?,
                read_id("attempt_id", &asked.attempt_id)?,
            )
            .await?;
        Ok(Response::new(DetachVolumeResponse {
            volume: Some(wire::volume(volume)),
        }))
    }

    async fn delete_volume(
        &self,
        request: Request<DeleteVolumeRequest>,
    ) -> Result<Response<DeleteVolumeResponse>, Status> {
        let principal = caller(&request)?;
        let id = read_id("id", &request.get_ref().id)?;
        let volume = self.delete(&principal, id).await?;
        Ok(Response::new(DeleteVolumeResponse {
            volume: Some(wire::volume(volume)),
        }))
    }

    async fn list_node_volumes(
        &self,
        request: Request<ListNodeVolumesRequest>,
    ) -> Result<Response<ListNodeVolumesResponse>, Status> {
        let node = read_id("node_id", &request.get_ref().node_id)?;
        let volumes = self.on_node(node).await?;
        Ok(Response::new(ListNodeVolumesResponse {
            volumes: volumes.into_iter().map(wire::volume).collect(),
        }))
    }

    async fn lose_node_volumes(
        &self,
        request: Request<LoseNodeVolumesRequest>,
    ) -> Result<Response<LoseNodeVolumesResponse>, Status> {
        let asked = request.get_ref();
        self.lose_node(read_id("node_id", &asked.node_id)?, &asked.reason)
            .await?;
        Ok(Response::new(LoseNodeVolumesResponse {}))
    }

    async fn list_lost_volumes(
        &self,
        request: Request<ListLostVolumesRequest>,
    ) -> Result<Response<ListLostVolumesResponse>, Status> {
        let volumes = self.lost_after(&request.get_ref().after).await?;
        Ok(Response::new(ListLostVolumesResponse {
            volumes: volumes.into_iter().map(wire::volume).collect(),
        }))
    }

    async fn list_node_deletions(
        &self,
        request: Request<ListNodeDeletionsRequest>,
    ) -> Result<Response<ListNodeDeletionsResponse>, Status> {
        let node = caller(&request)?.require_node(&request.get_ref().node_id)?;
        let (volumes, snapshots) = self.node_deletions(node).await?;
        let volume_ids = volumes.into_iter().map(|volume| volume.id.into());
        let snapshot_ids = snapshots.into_iter().map(|snapshot| snapshot.id.into());
        Ok(Response::new(ListNodeDeletionsResponse {
            volume_ids: volume_ids.collect(),
            snapshot_ids: snapshot_ids.collect(),
        }))
    }

    async fn confirm_deletion(
        &self,
        request: Request<ConfirmDeletionRequest>,
    ) -> Result<Response<ConfirmDeletionResponse>, Status> {
        let node = caller(&request)?.require_node(&request.get_ref().node_id)?;
        let asked = request.get_ref();
        if asked.snapshot_id.is_empty() {
            let id = read_id("volume_id", &asked.volume_id)?;
            App::confirm_deletion(self, node, id).await?;
        } else {
            let id = read_id("snapshot_id", &asked.snapshot_id)?;
            self.confirm_snapshot_deletion(node, id).await?;
        }
        Ok(Response::new(ConfirmDeletionResponse {}))
    }

    async fn create_snapshot(
        &self,
        request: Request<CreateSnapshotRequest>,
    ) -> Result<Response<CreateSnapshotResponse>, Status> {
        let principal = caller(&request)?;
        let asked = request.get_ref();
        let id = read_id("volume_id", &asked.volume_id)?;
        let made =
            App::create_snapshot(self, &principal, id, &asked.name, &asked.request_id).await?;
        Ok(Response::new(CreateSnapshotResponse {
            snapshot: Some(wire::snapshot(made)),
        }))
    }

    async fn list_snapshots(
        &self,
        request: Request<ListSnapshotsRequest>,
    ) -> Result<Response<ListSnapshotsResponse>, Status> {
        let principal = caller(&request)?;
        let id = read_id("volume_id", &request.get_ref().volume_id)?;
        let snapshots = self.snapshots(&principal, id).await?;
        Ok(Response::new(ListSnapshotsResponse {
            snapshots: snapshots.into_iter().map(wire::snapshot).collect(),
        }))
    }

    async fn restore_snapshot(
        &self,
        request: Request<RestoreSnapshotRequest>,
    ) -> Result<Response<RestoreSnapshotResponse>, Status> {
        let principal = caller(&request)?;
        let asked = request.get_ref();
        let id = read_id("volume_id", &asked.volume_id)?;
        let kept =
            App::restore_snapshot(self, &principal, id, &asked.snapshot, &asked.request_id).await?;
        Ok(Response::new(RestoreSnapshotResponse {
            kept: Some(wire::snapshot(kept)),
        }))
    }

    async fn delete_snapshot(
        &self,
        request: Request<DeleteSnapshotRequest>,
    ) -> Result<Response<DeleteSnapshotResponse>, Status> {
        let principal = caller(&request)?;
        let asked = request.get_ref();
        let id = read_id("volume_id", &asked.volume_id)?;
        let going = App::delete_snapshot(self, principal.user()?, id, &asked.snapshot).await?;
        Ok(Response::new(DeleteSnapshotResponse {
            snapshot: Some(wire::snapshot(going)),
        }))
    }

    async fn fork_volume(
        &self,
        request: Request<ForkVolumeRequest>,
    ) -> Result<Response<ForkVolumeResponse>, Status> {
        let asked = request.into_inner();
        let volume = self
            .fork(Fork {
                source: read_id("source_id", &asked.source_id)?,
                snapshot: asked.snapshot,
                request_id: asked.request_id,
                owner: asked.owner_id,
                project: asked.project_id,
            })
            .await?;
        Ok(Response::new(ForkVolumeResponse {
            volume: Some(wire::volume(volume)),
        }))
    }

    async fn list_node_copies(
        &self,
        request: Request<ListNodeCopiesRequest>,
    ) -> Result<Response<ListNodeCopiesResponse>, Status> {
        let node = caller(&request)?.require_node(&request.get_ref().node_id)?;
        let copies = self.node_copies(node).await?;
        Ok(Response::new(ListNodeCopiesResponse {
            copies: copies.into_iter().map(wire::file_copy).collect(),
        }))
    }

    async fn confirm_copy(
        &self,
        request: Request<ConfirmCopyRequest>,
    ) -> Result<Response<ConfirmCopyResponse>, Status> {
        let asked = request.get_ref();
        let node = caller(&request)?.require_node(&asked.node_id)?;
        let id = read_id("copy_id", &asked.copy_id)?;
        App::confirm_copy(self, node, id, &asked.failure, asked.bytes).await?;
        Ok(Response::new(ConfirmCopyResponse {}))
    }

    async fn resize_volume(
        &self,
        request: Request<ResizeVolumeRequest>,
    ) -> Result<Response<ResizeVolumeResponse>, Status> {
        let principal = caller(&request)?;
        let asked = request.get_ref();
        let id = read_id("id", &asked.id)?;
        let volume = self
            .resize(principal.user()?, id, asked.quota_bytes)
            .await?;
        Ok(Response::new(ResizeVolumeResponse {
            volume: Some(wire::volume(volume)),
        }))
    }

    async fn report_volume_use(
        &self,
        request: Request<ReportVolumeUseRequest>,
    ) -> Result<Response<ReportVolumeUseResponse>, Status> {
        let asked = request.get_ref();
        let node = caller(&request)?.require_node(&asked.node_id)?;
        if asked.uses.len() > MOST_USES {
            let problem = format!("has more than {MOST_USES} volumes; report the others next");
            return Err(Error::invalid("uses", problem).into());
        }
        for measured in &asked.uses {
            let id = read_id("uses.volume_id", &measured.volume_id)?;
            self.measured(node, id, measured.used_bytes).await?;
        }
        let limited = self.limited_on(node).await?;
        Ok(Response::new(ReportVolumeUseResponse {
            quotas: limited.into_iter().map(wire::quota).collect(),
        }))
    }

    async fn open_storage(
        &self,
        request: Request<OpenStorageRequest>,
    ) -> Result<Response<OpenStorageResponse>, Status> {
        let asked = request.get_ref();
        let node = caller(&request)?.require_node(&asked.node_id)?;
        let own = read_id("volume_id", &asked.volume_id)?;
        let storage = App::open_storage(self, node, own).await?;
        Ok(Response::new(OpenStorageResponse {
            storage: Some(wire::volume(storage)),
        }))
    }
}
