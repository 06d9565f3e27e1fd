//! The services that the scheduler calls, played in memory.

use std::collections::HashMap;
use std::sync::Mutex;

use chassis::Error;
use contracts::inventory::v1 as inventory;
use contracts::inventory::v1::inventory_service_server::InventoryService;
use contracts::volume::v1 as volume;
use contracts::volume::v1::volume_service_server::VolumeService;
use tonic::{Request, Response, Status};

/// An inventory that knows what a test tells it.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    pub(crate) nodes: Mutex<HashMap<String, inventory::Node>>,
    /// Nodes that the scheduler had deleted, with the revision that it knew.
    pub(crate) deleted: Mutex<Vec<(String, u64)>>,
    /// It deletes, and its answer is lost.
    pub(crate) loses_answers: Mutex<bool>,
}

/// Volumes with one writer at a time, each on the node of its first.
#[derive(Debug, Default)]
pub(crate) struct Volumes {
    rows: Mutex<HashMap<String, volume::Volume>>,
    /// It does not answer.
    pub(crate) down: Mutex<bool>,
}

impl Volumes {
    pub(crate) fn row(&self, id: &str) -> volume::Volume {
        let mut rows = self.rows.lock().unwrap();
        let new = || volume::Volume {
            id: id.to_owned(),
            ..volume::Volume::default()
        };
        rows.entry(id.to_owned()).or_insert_with(new).clone()
    }

    /// Its owner deleted it.
    pub(crate) fn forget(&self, id: &str) {
        self.rows.lock().unwrap().remove(id);
    }

    fn change(
        &self,
        id: &str,
        change: impl FnOnce(&mut volume::Volume) -> Result<(), Error>,
    ) -> Result<Option<volume::Volume>, Status> {
        if *self.down.lock().unwrap() {
            return Err(Error::Unavailable("volume is down".to_owned()).into());
        }
        let mut row = self.row(id);
        change(&mut row)?;
        self.rows.lock().unwrap().insert(id.to_owned(), row.clone());
        Ok(Some(row))
    }
}

fn attach(row: &mut volume::Volume, asked: &volume::AttachVolumeRequest) -> Result<(), Error> {
    if !row.node_id.is_empty() && row.node_id != asked.node_id {
        return Err(Error::Precondition("it lies on another node".to_owned()));
    }
    if row.attachment.is_some() && row.attachment != asked.attachment {
        return Err(Error::Precondition("it is attached".to_owned()));
    }
    row.node_id.clone_from(&asked.node_id);
    row.attachment.clone_from(&asked.attachment);
    Ok(())
}

testkit::play! {
    InventoryService as Inventory, inventory: {
        async fn list_nodes(
            &self,
            _: Request<inventory::ListNodesRequest>,
        ) -> Result<Response<inventory::ListNodesResponse>, Status> {
            let nodes = self.nodes.lock().unwrap().values().cloned().collect();
            Ok(Response::new(inventory::ListNodesResponse { nodes }))
        }

        async fn delete_node(
            &self,
            request: Request<inventory::DeleteNodeRequest>,
        ) -> Result<Response<inventory::DeleteNodeResponse>, Status> {
            let asked = request.into_inner();
            self.nodes.lock().unwrap().remove(&asked.node_id);
            self.deleted.lock().unwrap().push((asked.node_id, asked.revision));
            if *self.loses_answers.lock().unwrap() {
                return Err(Error::Unavailable("lost".to_owned()).into());
            }
            Ok(Response::new(inventory::DeleteNodeResponse {}))
        }
    }
    without
    create_join_token(CreateJoinTokenRequest) -> CreateJoinTokenResponse,
    join_node(JoinNodeRequest) -> JoinNodeResponse,
    renew_node_certificate(RenewNodeCertificateRequest) -> RenewNodeCertificateResponse,
    heartbeat(HeartbeatRequest) -> HeartbeatResponse,
    register_edge(RegisterEdgeRequest) -> RegisterEdgeResponse,
    set_node_schedulable(SetNodeSchedulableRequest) -> SetNodeSchedulableResponse,
    give_up_node(GiveUpNodeRequest) -> GiveUpNodeResponse,
    list_machine_types(ListMachineTypesRequest) -> ListMachineTypesResponse,
    list_environments(ListEnvironmentsRequest) -> ListEnvironmentsResponse,
    get_environment(GetEnvironmentRequest) -> GetEnvironmentResponse,
    create_environment(CreateEnvironmentRequest) -> CreateEnvironmentResponse,
    delete_environment(DeleteEnvironmentRequest) -> DeleteEnvironmentResponse,
    share_environment(ShareEnvironmentRequest) -> ShareEnvironmentResponse,
}

testkit::play! {
    VolumeService as Volumes, volume: {
        async fn get_volume(
            &self,
            request: Request<volume::GetVolumeRequest>,
        ) -> Result<Response<volume::GetVolumeResponse>, Status> {
            let volume = self.change(&request.get_ref().id, |_| Ok(()))?;
            Ok(Response::new(volume::GetVolumeResponse { volume }))
        }

        async fn attach_volume(
            &self,
            request: Request<volume::AttachVolumeRequest>,
        ) -> Result<Response<volume::AttachVolumeResponse>, Status> {
            let asked = request.get_ref();
            let volume = self.change(&asked.id, |row| attach(row, asked))?;
            Ok(Response::new(volume::AttachVolumeResponse { volume }))
        }

        async fn detach_volume(
            &self,
            request: Request<volume::DetachVolumeRequest>,
        ) -> Result<Response<volume::DetachVolumeResponse>, Status> {
            let asked = request.get_ref();
            let volume = self.change(&asked.id, |row| {
                row.attachment.take_if(|held| held.attempt_id == asked.attempt_id);
                Ok(())
            })?;
            Ok(Response::new(volume::DetachVolumeResponse { volume }))
        }

        async fn list_node_volumes(
            &self,
            request: Request<volume::ListNodeVolumesRequest>,
        ) -> Result<Response<volume::ListNodeVolumesResponse>, Status> {
            let node_id = &request.get_ref().node_id;
            let rows = self.rows.lock().unwrap();
            let volumes = rows.values().filter(|row| row.node_id == *node_id).cloned();
            Ok(Response::new(volume::ListNodeVolumesResponse { volumes: volumes.collect() }))
        }

        async fn lose_node_volumes(
            &self,
            request: Request<volume::LoseNodeVolumesRequest>,
        ) -> Result<Response<volume::LoseNodeVolumesResponse>, Status> {
            if *self.down.lock().unwrap() {
                return Err(Error::Unavailable("volume is down".to_owned()).into());
            }
            let asked = request.into_inner();
            let mut rows = self.rows.lock().unwrap();
            for row in rows.values_mut().filter(|row| row.node_id == asked.node_id) {
                row.set_state(volume::VolumeState::Lost);
                row.attachment = None;
                row.reason.clone_from(&asked.reason);
            }
            Ok(Response::new(volume::LoseNodeVolumesResponse {}))
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
    list_volumes(ListVolumesRequest) -> ListVolumesResponse,
    delete_volume(DeleteVolumeRequest) -> DeleteVolumeResponse,
    list_lost_volumes(ListLostVolumesRequest) -> ListLostVolumesResponse,
    resize_volume(ResizeVolumeRequest) -> ResizeVolumeResponse,
    report_volume_use(ReportVolumeUseRequest) -> ReportVolumeUseResponse,
    open_storage(OpenStorageRequest) -> OpenStorageResponse,
    list_node_deletions(ListNodeDeletionsRequest) -> ListNodeDeletionsResponse,
    confirm_deletion(ConfirmDeletionRequest) -> ConfirmDeletionResponse,
}
