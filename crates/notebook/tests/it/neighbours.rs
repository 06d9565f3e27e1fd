//! Inventory and volume, played in memory.

use std::collections::HashMap;
use std::sync::Mutex;

use chassis::Error;
use contracts::billing::v1 as billing;
use contracts::billing::v1::billing_service_server::BillingService;
use contracts::common::v1::Resources;
use contracts::inventory::v1 as inventory;
use contracts::inventory::v1::inventory_service_server::InventoryService;
use contracts::volume::v1 as volume;
use contracts::volume::v1::volume_service_server::VolumeService;
use kernel::id::VolumeId;
use tonic::{Request, Response, Status};

/// An inventory with a small catalogue.
#[derive(Debug)]
pub(crate) struct Inventory {
    pub(crate) machine_types: Mutex<Vec<inventory::MachineType>>,
    /// Environments that are deleted: found by their digest only.
    pub(crate) gone: Mutex<Vec<String>>,
}

fn with_gpus(name: &str, model: &str, gpus: u32, available: bool) -> inventory::MachineType {
    let mut machine = machine_type(name, 90_000, available);
    if let Some(resources) = &mut machine.resources {
        resources.gpus = gpus;
        resources.gpu_model = model.to_owned();
    }
    machine
}

fn machine_type(name: &str, memory_mib: u32, available: bool) -> inventory::MachineType {
    inventory::MachineType {
        name: name.to_owned(),
        resources: Some(Resources {
            milli_cores: 1_000,
            memory_mib,
            disk_gib: 5,
            ..Resources::default()
        }),
        free: name.starts_with("Free"),
        max_duration_seconds: if name.starts_with("Free") { 21_600 } else { 0 },
        available,
        hostable: available,
        ..inventory::MachineType::default()
    }
}

impl Inventory {
    /// All nodes are there, and none takes work.
    pub(crate) fn close(&self) {
        for machine_type in self.machine_types.lock().unwrap().iter_mut() {
            machine_type.available = false;
        }
    }
}

impl Default for Inventory {
    fn default() -> Self {
        let machine_types = vec![
            machine_type("C1", 512, true),
            machine_type("Free-CPU", 4_096, true),
            machine_type("C3", 4_096, true),
            machine_type("C10", 262_144, false),
            with_gpus("V100", "V100", 1, true),
            with_gpus("A100", "A100", 1, true),
            with_gpus("A100x2", "A100", 2, false),
        ];
        Self {
            machine_types: Mutex::new(machine_types),
            gone: Mutex::default(),
        }
    }
}

/// Volumes; one that is attached cannot be deleted.
#[derive(Debug, Default)]
pub(crate) struct Volumes {
    pub(crate) rows: Mutex<HashMap<String, volume::Volume>>,
    by_request: Mutex<HashMap<String, String>>,
    pub(crate) deleted: Mutex<Vec<String>>,
    pub(crate) snapshots: Mutex<Vec<volume::Snapshot>>,
    /// What was copied, each once: source and snapshot.
    pub(crate) forks: Mutex<Vec<(String, String)>>,
}

impl Volumes {
    /// What copied from it or to it is over, well or not.
    pub(crate) fn end_copy(&self, id: &str) {
        let mut rows = self.rows.lock().unwrap();
        rows.get_mut(id).unwrap().copy_id.clear();
    }

    fn get(&self, id: &str) -> Result<volume::Volume, Status> {
        let rows = self.rows.lock().unwrap();
        let found = rows.get(id).cloned();
        found.ok_or_else(|| Error::not_found("volume", id).into())
    }

    /// Its node was given up.
    pub(crate) fn lose(&self, id: &str, reason: &str) -> volume::Volume {
        let mut rows = self.rows.lock().unwrap();
        let row = rows.get_mut(id).unwrap();
        row.set_state(volume::VolumeState::Lost);
        row.attachment = None;
        row.reason = reason.to_owned();
        row.revision += 1;
        row.clone()
    }

    /// Its node has measured it, against a quota of 10 GiB.
    pub(crate) fn fill(&self, id: &str, used: u64, fill: volume::VolumeFill) -> volume::Volume {
        let mut rows = self.rows.lock().unwrap();
        let row = rows.get_mut(id).unwrap();
        (row.quota_bytes, row.used_bytes) = (10 << 30, used);
        row.set_fill(fill);
        row.revision += 1;
        row.clone()
    }

    /// From now on it lies on `node_id`, attached or not.
    pub(crate) fn place(&self, id: &str, node_id: &str, attached: bool) {
        let mut rows = self.rows.lock().unwrap();
        let row = rows.get_mut(id).unwrap();
        row.node_id = node_id.to_owned();
        row.attachment = attached.then(volume::Attachment::default);
    }
}

testkit::play! {
    InventoryService as Inventory, inventory: {
        async fn list_machine_types(
            &self,
            _: Request<inventory::ListMachineTypesRequest>,
        ) -> Result<Response<inventory::ListMachineTypesResponse>, Status> {
            let machine_types = self.machine_types.lock().unwrap().clone();
            Ok(Response::new(inventory::ListMachineTypesResponse { machine_types }))
        }

        async fn list_environments(
            &self,
            _: Request<inventory::ListEnvironmentsRequest>,
        ) -> Result<Response<inventory::ListEnvironmentsResponse>, Status> {
            let environments = environments();
            Ok(Response::new(inventory::ListEnvironmentsResponse { environments }))
        }

        async fn get_environment(
            &self,
            request: Request<inventory::GetEnvironmentRequest>,
        ) -> Result<Response<inventory::GetEnvironmentResponse>, Status> {
            let asked = request.into_inner();
            let fits = |one: &inventory::Environment| match asked.digest.as_str() {
                "" => one.name == asked.environment && !self.gone.lock().unwrap().contains(&one.name),
                digest => one.digest == digest,
            };
            let known = environments().into_iter().chain(team_environments());
            let found = known.into_iter().find(fits);
            let missing = || Error::not_found("environment", &asked.environment);
            let environment = Some(found.ok_or_else(missing)?);
            Ok(Response::new(inventory::GetEnvironmentResponse { environment }))
        }
    }
    without
    create_join_token(CreateJoinTokenRequest) -> CreateJoinTokenResponse,
    join_node(JoinNodeRequest) -> JoinNodeResponse,
    renew_node_certificate(RenewNodeCertificateRequest) -> RenewNodeCertificateResponse,
    heartbeat(HeartbeatRequest) -> HeartbeatResponse,
    create_environment(CreateEnvironmentRequest) -> CreateEnvironmentResponse,
    delete_environment(DeleteEnvironmentRequest) -> DeleteEnvironmentResponse,
    share_environment(ShareEnvironmentRequest) -> ShareEnvironmentResponse,
    list_nodes(ListNodesRequest) -> ListNodesResponse,
    register_edge(RegisterEdgeRequest) -> RegisterEdgeResponse,
    set_node_schedulable(SetNodeSchedulableRequest) -> SetNodeSchedulableResponse,
    give_up_node(GiveUpNodeRequest) -> GiveUpNodeResponse,
    delete_node(DeleteNodeRequest) -> DeleteNodeResponse,
}

fn environment(name: &str) -> inventory::Environment {
    inventory::Environment {
        name: name.to_owned(),
        digest: format!("sha256:{name}"),
        lock: "jupyterlab==4.5.1".to_owned(),
        state: inventory::EnvironmentState::Ready.into(),
        ..inventory::Environment::default()
    }
}

/// Those that come with Quire.
fn environments() -> Vec<inventory::Environment> {
    ["python", "torch"].map(environment).to_vec()
}

/// Those of a team: one that is ready, one that is not yet, and one that never will be.
fn team_environments() -> Vec<inventory::Environment> {
    use inventory::EnvironmentState::{Failed, Ready, Resolving};
    let of_team = |(name, state): (&str, inventory::EnvironmentState)| inventory::Environment {
        team_id: "te-any".to_owned(),
        state: state.into(),
        reason: "no such version".to_owned(),
        ..environment(name)
    };
    [("frames", Ready), ("soon", Resolving), ("never", Failed)]
        .map(of_team)
        .to_vec()
}

testkit::play! {
    VolumeService as Volumes, volume: {
        async fn create_volume(
            &self,
            request: Request<volume::CreateVolumeRequest>,
        ) -> Result<Response<volume::CreateVolumeResponse>, Status> {
            let asked = request.into_inner();
            let mut by_request = self.by_request.lock().unwrap();
            let id = by_request.entry(asked.request_id).or_insert_with(|| VolumeId::generate().into());
            let new = volume::Volume {
                id: id.clone(),
                team_id: asked.team_id,
                project_id: asked.project_id,
                owner_id: asked.owner_id,
                state: volume::VolumeState::Ready.into(),
                ..volume::Volume::default()
            };
            let volume = self.rows.lock().unwrap().entry(id.clone()).or_insert(new).clone();
            Ok(Response::new(volume::CreateVolumeResponse { volume: Some(volume) }))
        }

        async fn get_volume(
            &self,
            request: Request<volume::GetVolumeRequest>,
        ) -> Result<Response<volume::GetVolumeResponse>, Status> {
            let volume = self.get(&request.get_ref().id)?;
            Ok(Response::new(volume::GetVolumeResponse { volume: Some(volume) }))
        }

        async fn claim_volume(
            &self,
            request: Request<volume::ClaimVolumeRequest>,
        ) -> Result<Response<volume::ClaimVolumeResponse>, Status> {
            let asked = request.into_inner();
            self.get(&asked.id)?;
            let mut rows = self.rows.lock().unwrap();
            let row = rows.get_mut(&asked.id).unwrap();
            if !row.owner_id.is_empty() && row.owner_id != asked.owner_id {
                return Err(Error::Precondition(format!("used by {}", row.owner_id)).into());
            }
            row.owner_id = asked.owner_id;
            let volume = Some(row.clone());
            Ok(Response::new(volume::ClaimVolumeResponse { volume }))
        }

        async fn keep_volume(
            &self,
            request: Request<volume::KeepVolumeRequest>,
        ) -> Result<Response<volume::KeepVolumeResponse>, Status> {
            let asked = request.into_inner();
            self.get(&asked.id)?;
            let mut rows = self.rows.lock().unwrap();
            let row = rows.get_mut(&asked.id).unwrap();
            if row.owner_id == asked.owner_id {
                row.owner_id.clear();
                row.label = asked.label;
            }
            let volume = Some(row.clone());
            Ok(Response::new(volume::KeepVolumeResponse { volume }))
        }

        async fn delete_volume(
            &self,
            request: Request<volume::DeleteVolumeRequest>,
        ) -> Result<Response<volume::DeleteVolumeResponse>, Status> {
            let volume = self.get(&request.get_ref().id)?;
            if volume.attachment.is_some() {
                return Err(Error::Precondition("it is attached".to_owned()).into());
            }
            self.deleted.lock().unwrap().push(volume.id.clone());
            Ok(Response::new(volume::DeleteVolumeResponse { volume: Some(volume) }))
        }

        async fn list_snapshots(
            &self,
            request: Request<volume::ListSnapshotsRequest>,
        ) -> Result<Response<volume::ListSnapshotsResponse>, Status> {
            let id = &request.get_ref().volume_id;
            self.get(id)?;
            let mut snapshots = self.snapshots.lock().unwrap().clone();
            snapshots.retain(|snapshot| snapshot.volume_id == *id);
            Ok(Response::new(volume::ListSnapshotsResponse { snapshots }))
        }

        async fn create_snapshot(
            &self,
            request: Request<volume::CreateSnapshotRequest>,
        ) -> Result<Response<volume::CreateSnapshotResponse>, Status> {
            let asked = request.into_inner();
            if self.get(&asked.volume_id)?.attachment.is_some() {
                return Err(Error::Unavailable("it is in use".to_owned()).into());
            }
            let mut snapshots = self.snapshots.lock().unwrap();
            // The request stands for the identifier: the same gives the same.
            let made = snapshots.iter().find(|made| made.id == asked.request_id).cloned();
            let snapshot = made.unwrap_or_else(|| volume::Snapshot {
                id: asked.request_id,
                name: asked.name,
                volume_id: asked.volume_id,
                state: volume::SnapshotState::Making.into(),
                ..volume::Snapshot::default()
            });
            if !snapshots.contains(&snapshot) {
                snapshots.push(snapshot.clone());
            }
            Ok(Response::new(volume::CreateSnapshotResponse { snapshot: Some(snapshot) }))
        }

        async fn fork_volume(
            &self,
            request: Request<volume::ForkVolumeRequest>,
        ) -> Result<Response<volume::ForkVolumeResponse>, Status> {
            let asked = request.into_inner();
            let source = self.get(&asked.source_id)?;
            if source.attachment.is_some() && asked.snapshot.is_empty() {
                return Err(Error::Unavailable("it is in use".to_owned()).into());
            }
            let mut by_request = self.by_request.lock().unwrap();
            let id = by_request.entry(asked.request_id).or_insert_with(|| VolumeId::generate().into());
            let mut rows = self.rows.lock().unwrap();
            let volume = rows.entry(id.clone()).or_insert_with(|| {
                self.forks.lock().unwrap().push((asked.source_id, asked.snapshot));
                volume::Volume {
                    id: id.clone(),
                    project_id: asked.project_id,
                    owner_id: asked.owner_id,
                    copy_id: "cp-1".to_owned(),
                    ..source
                }
            });
            let volume = Some(volume.clone());
            Ok(Response::new(volume::ForkVolumeResponse { volume }))
        }

        async fn list_lost_volumes(
            &self,
            request: Request<volume::ListLostVolumesRequest>,
        ) -> Result<Response<volume::ListLostVolumesResponse>, Status> {
            let after = &request.get_ref().after;
            let rows = self.rows.lock().unwrap();
            let mut volumes: Vec<_> = rows
                .values()
                .filter(|row| row.state() == volume::VolumeState::Lost && row.id > *after)
                .cloned()
                .collect();
            volumes.sort_by(|a, b| a.id.cmp(&b.id));
            // Pages of one: whoever reads them must go on.
            volumes.truncate(1);
            Ok(Response::new(volume::ListLostVolumesResponse { volumes }))
        }
    }
    without
    list_volumes(ListVolumesRequest) -> ListVolumesResponse,
    list_node_volumes(ListNodeVolumesRequest) -> ListNodeVolumesResponse,
    lose_node_volumes(LoseNodeVolumesRequest) -> LoseNodeVolumesResponse,
    attach_volume(AttachVolumeRequest) -> AttachVolumeResponse,
    detach_volume(DetachVolumeRequest) -> DetachVolumeResponse,
    restore_snapshot(RestoreSnapshotRequest) -> RestoreSnapshotResponse,
    delete_snapshot(DeleteSnapshotRequest) -> DeleteSnapshotResponse,
    list_node_copies(ListNodeCopiesRequest) -> ListNodeCopiesResponse,
    confirm_copy(ConfirmCopyRequest) -> ConfirmCopyResponse,
    list_node_deletions(ListNodeDeletionsRequest) -> ListNodeDeletionsResponse,
    resize_volume(ResizeVolumeRequest) -> ResizeVolumeResponse,
    report_volume_use(ReportVolumeUseRequest) -> ReportVolumeUseResponse,
    open_storage(OpenStorageRequest) -> OpenStorageResponse,
    confirm_deletion(ConfirmDeletionRequest) -> ConfirmDeletionResponse,
}

/// Billing with a price list.
#[derive(Debug)]
pub(crate) struct Billing {
    pub(crate) prices: Mutex<Vec<(&'static str, i64)>>,
    pub(crate) away: Mutex<bool>,
}

impl Default for Billing {
    fn default() -> Self {
        let prices = vec![
            ("C1", 4_500_000),
            ("C3", 18_000_000),
            ("V100", 2_300_000_000),
            ("A100", 3_090_000_000),
        ];
        Self {
            prices: Mutex::new(prices),
            away: Mutex::default(),
        }
    }
}

testkit::play! {
    BillingService as Billing, billing: {
        async fn list_prices(
            &self,
            _: Request<billing::ListPricesRequest>,
        ) -> Result<Response<billing::ListPricesResponse>, Status> {
            if *self.away.lock().unwrap() {
                return Err(Error::Unavailable("billing is away".to_owned()).into());
            }
            let price = |(machine_type, nanos_per_hour): &(&str, i64)| billing::Price {
                machine_type: (*machine_type).to_owned(),
                nanos_per_hour: *nanos_per_hour,
                currency: "USD".to_owned(),
                ..billing::Price::default()
            };
            let prices = self.prices.lock().unwrap().iter().map(price).collect();
            Ok(Response::new(billing::ListPricesResponse { prices }))
        }
    }
    without
    set_price(SetPriceRequest) -> SetPriceResponse,
    get_usage(GetUsageRequest) -> GetUsageResponse,
    get_resource_costs(GetResourceCostsRequest) -> GetResourceCostsResponse,
    get_invoice(GetInvoiceRequest) -> GetInvoiceResponse,
    run_audit(RunAuditRequest) -> RunAuditResponse,
}
