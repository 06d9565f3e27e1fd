//! The control plane, as far as agents see it: scheduler, inventory and volume, played by the tests.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use chassis::auth::{Principal, Verifier, caller};
use chassis::authority::Authority;
use chassis::config::TlsConfig;
use chassis::grpc::{Listener, Server, connect};
use chassis::tls::Trust;
use chassis::{Address, Error};
use chrono::TimeDelta;
use contracts::agent::v1::link_service_server::{LinkService, LinkServiceServer};
use contracts::agent::v1::open_link_request::Message as Up;
use contracts::agent::v1::open_link_response::Message as Down;
use contracts::agent::v1::{
    Ack, Assignment, Hello, Notice, OpenLinkRequest, OpenLinkResponse, Report, Stop, Wanted,
};
use contracts::identity::v1::identity_service_client::IdentityServiceClient;
use contracts::inventory::v1 as inventory;
use contracts::inventory::v1::inventory_service_server::{
    InventoryService, InventoryServiceServer,
};
use contracts::scheduler::v1::{AttemptEnd, AttemptState};
use contracts::volume::v1 as volume;
use contracts::volume::v1::volume_service_server::{VolumeService, VolumeServiceServer};
use futures::Stream;
use kernel::Clock as _;
use kernel::id::NodeId;
use kernel::time::SystemClock;
use secrecy::ExposeSecret as _;
use testkit::{Identity, Service, eventually};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::{Request, Response, Status, Streaming};

/// A control plane for one node.
pub(crate) struct Control {
    pub(crate) identity: Identity,
    pub(crate) node: NodeId,
    pub(crate) played: Arc<Played>,
    service: Service,
}

/// What is played, and what was seen.
#[derive(Default)]
pub(crate) struct Played {
    node_key: Mutex<String>,
    node: Mutex<String>,
    line: Mutex<Option<Line>>,
    pub(crate) epoch: AtomicU64,
    pub(crate) deaf: AtomicBool,
    /// The node was given up: its line is refused.
    pub(crate) given_up: AtomicBool,
    /// How often it was refused.
    pub(crate) refused: AtomicUsize,
    pub(crate) joins: AtomicUsize,
    /// How many joins are answered with an error after they were done.
    pub(crate) lost_answers: AtomicUsize,
    wanted: Mutex<Wanted>,
    hellos: Mutex<Vec<Hello>>,
    reports: Mutex<Vec<Report>>,
    heartbeats: Mutex<Vec<inventory::HeartbeatRequest>>,
    edges: Mutex<Vec<inventory::Edge>>,
    deletions: Mutex<BTreeSet<String>>,
    copies: Mutex<Vec<volume::FileCopy>>,
    copied: Mutex<Vec<volume::ConfirmCopyRequest>>,
    /// How much volumes may take, and how much they do.
    pub(crate) quotas: Mutex<Vec<volume::VolumeQuota>>,
    pub(crate) uses: Mutex<BTreeMap<String, u64>>,
    /// What teams share, by the volumes of their workloads.
    pub(crate) storages: Mutex<BTreeMap<String, volume::Volume>>,
    join_requests: Mutex<BTreeSet<String>>,
    authority: OnceLock<Authority>,
    /// How many certificates were renewed.
    pub(crate) renewals: AtomicUsize,
}

impl Played {
    /// A certificate of a node, as it was issued so long ago, and the authority.
    pub(crate) fn issue(
        &self,
        request: &str,
        node: &str,
        ago: TimeDelta,
    ) -> Result<(String, String), Error> {
        let authority = self.authority.get().unwrap();
        let chain = authority.sign_node(request, node, SystemClock.now() - ago)?;
        Ok((chain, authority.certificate_pem().to_owned()))
    }
}

/// An agent's line.
#[derive(Clone)]
struct Line {
    sender: mpsc::Sender<Result<OpenLinkResponse, Status>>,
    end: CancellationToken,
}

impl Control {
    pub(crate) async fn start() -> Self {
        let clock = Arc::new(SystemClock);
        let identity = Identity::start(clock.clone()).await;
        let node = NodeId::generate();
        let played = Arc::new(Played::default());
        played.epoch.store(1, Ordering::SeqCst);
        let key = identity
            .key(Principal::Agent(node))
            .expose_secret()
            .to_owned();
        *played.node_key.lock().unwrap() = key;
        *played.node.lock().unwrap() = node.to_string();
        let known = identity.authority();
        let authority = Authority::from_pem(known.certificate_pem(), &known.key_pem()).unwrap();
        assert!(played.authority.set(authority).is_ok());
        let keys = Arc::new(IdentityServiceClient::new(
            connect(identity.address(), &Trust::public()).unwrap(),
        ));
        let mut routes = Routes::builder();
        let player = Player(played.clone());
        routes
            .add_service(LinkServiceServer::new(player.clone()))
            .add_service(InventoryServiceServer::new(player.clone()))
            .add_service(VolumeServiceServer::new(player));
        let server = Server::new("control", Verifier::new(keys, clock), routes.routes());
        let service = Service::start(|cancel, ready| async move {
            let any = Address::Http("127.0.0.1:0".to_owned());
            let listener = Listener::bind(&any, &TlsConfig::default()).await?;
            ready(listener.address());
            server.run(listener, cancel).await
        })
        .await;
        Self {
            identity,
            node,
            played,
            service,
        }
    }

    pub(crate) fn address(&self) -> &Address {
        self.service.address()
    }

    /// Tells the agent, once it is connected.
    pub(crate) async fn tell(&self, message: Down) {
        eventually("the agent's line", || async {
            let line = lock(&self.played.line).clone()?;
            let epoch = self.played.epoch.load(Ordering::SeqCst);
            line.sender
                .send(Ok(OpenLinkResponse {
                    epoch,
                    message: Some(message.clone()),
                }))
                .await
                .ok()
        })
        .await;
    }

    pub(crate) async fn assign(&self, assignment: &Assignment) {
        self.tell(Down::Assign(assignment.clone())).await;
    }

    pub(crate) async fn stop(&self, assignment: &Assignment, reason: &str) {
        let stop = Stop {
            attempt_id: assignment.attempt_id.clone(),
            generation: assignment.generation,
            reason: reason.to_owned(),
            end: AttemptEnd::Stopped.into(),
        };
        self.tell(Down::Stop(stop)).await;
    }

    /// Says that an attempt will be told to end, as often as it is called.
    pub(crate) async fn notice(&self, assignment: &Assignment, stop_in_ms: u32) {
        self.tell(Down::Notice(notice(assignment, stop_in_ms)))
            .await;
    }

    pub(crate) async fn acknowledge(&self, report: &Report) {
        self.tell(Down::Ack(ack(report))).await;
    }

    /// What a leader answers to the next greeting.
    pub(crate) fn want(&self, wanted: Wanted) {
        *lock(&self.played.wanted) = wanted;
    }

    /// Breaks the line.
    pub(crate) fn hang_up(&self) {
        if let Some(line) = lock(&self.played.line).take() {
            line.end.cancel();
        }
    }

    pub(crate) fn reports(&self, assignment: &Assignment) -> Vec<Report> {
        let all = lock(&self.played.reports);
        all.iter()
            .filter(|report| report.attempt_id == assignment.attempt_id)
            .cloned()
            .collect()
    }

    pub(crate) fn hellos(&self) -> Vec<Hello> {
        lock(&self.played.hellos).clone()
    }

    pub(crate) fn heartbeats(&self) -> Vec<inventory::HeartbeatRequest> {
        lock(&self.played.heartbeats).clone()
    }

    /// What the next heartbeats are answered about edges.
    pub(crate) fn list_edges(&self, edges: Vec<inventory::Edge>) {
        *lock(&self.played.edges) = edges;
    }

    /// How many different joins were asked for.
    pub(crate) fn distinct_joins(&self) -> usize {
        lock(&self.played.join_requests).len()
    }

    /// Has the node copy, and waits for what it says of that.
    pub(crate) async fn copy(&self, copy: volume::FileCopy) -> volume::ConfirmCopyRequest {
        let id = copy.id.clone();
        lock(&self.played.copies).push(copy);
        eventually("the copy", || async {
            let copied = lock(&self.played.copied);
            copied.iter().find(|said| said.copy_id == id).cloned()
        })
        .await
    }

    pub(crate) fn delete_volume(&self, volume: &str) {
        lock(&self.played.deletions).insert(volume.to_owned());
    }

    pub(crate) fn deletes(&self, volume: &str) -> bool {
        lock(&self.played.deletions).contains(volume)
    }

    /// The first report of the attempt that `wanted` likes.
    pub(crate) async fn report(
        &self,
        assignment: &Assignment,
        what: &str,
        wanted: impl Fn(&Report) -> bool,
    ) -> Report {
        let waited = tokio::time::timeout(std::time::Duration::from_secs(150), async {
            loop {
                if let Some(report) = self
                    .reports(assignment)
                    .into_iter()
                    .find(|report| wanted(report))
                {
                    return report;
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        });
        waited
            .await
            .unwrap_or_else(|_| panic!("waited for {what}; seen: {:#?}", self.reports(assignment)))
    }

    pub(crate) async fn running(&self, assignment: &Assignment) -> Report {
        let report = self
            .report(assignment, "running", |report| {
                matches!(report.state(), AttemptState::Running | AttemptState::Ended)
            })
            .await;
        assert_eq!(report.state(), AttemptState::Running, "{report:?}");
        report
    }

    pub(crate) async fn ended(&self, assignment: &Assignment) -> Report {
        self.report(assignment, "the end", |report| {
            report.state() == AttemptState::Ended
        })
        .await
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

fn ack(report: &Report) -> Ack {
    Ack {
        attempt_id: report.attempt_id.clone(),
        generation: report.generation,
        sequence: report.sequence,
    }
}

/// That an attempt will be told to end.
pub(crate) fn notice(assignment: &Assignment, stop_in_ms: u32) -> Notice {
    Notice {
        attempt_id: assignment.attempt_id.clone(),
        generation: assignment.generation,
        reason: "room is needed".to_owned(),
        stop_in_ms,
    }
}

/// Answers the calls of agents.
#[derive(Clone)]
struct Player(Arc<Played>);

impl Player {
    /// Serves one line until either side ends it.
    async fn serve(self, mut incoming: Streaming<OpenLinkRequest>, line: Line) {
        loop {
            let message = tokio::select! {
                () = line.end.cancelled() => return,
                message = incoming.message() => message,
            };
            let Ok(Some(message)) = message else { return };
            if let Some(answer) = self.answer(message, &line) {
                let epoch = self.0.epoch.load(Ordering::SeqCst);
                line.sender
                    .send(Ok(OpenLinkResponse {
                        epoch,
                        message: Some(answer),
                    }))
                    .await
                    .ok();
            }
        }
    }

    fn answer(&self, message: OpenLinkRequest, line: &Line) -> Option<Down> {
        match message.message? {
            Up::Hello(hello) => {
                lock(&self.0.reports).extend(hello.held.clone());
                lock(&self.0.hellos).push(hello);
                *lock(&self.0.line) = Some(line.clone());
                Some(Down::Wanted(lock(&self.0.wanted).clone()))
            }
            Up::Report(report) => {
                lock(&self.0.reports).push(report.clone());
                (!self.0.deaf.load(Ordering::SeqCst)).then(|| Down::Ack(ack(&report)))
            }
        }
    }

    fn check<T>(&self, request: &Request<T>, named: &str) -> Result<(), Status> {
        caller(request)?.require_node(named)?;
        assert_eq!(named, *lock(&self.0.node));
        Ok(())
    }
}

type Answers = Pin<Box<dyn Stream<Item = Result<OpenLinkResponse, Status>> + Send>>;

#[tonic::async_trait]
impl LinkService for Player {
    type OpenLinkStream = Answers;

    async fn open_link(
        &self,
        request: Request<Streaming<OpenLinkRequest>>,
    ) -> Result<Response<Answers>, Status> {
        let node = lock(&self.0.node).clone();
        self.check(&request, &node)?;
        if self.0.given_up.load(Ordering::SeqCst) {
            self.0.refused.fetch_add(1, Ordering::SeqCst);
            return Err(Error::GivenUp { node }.into());
        }
        let (sender, answers) = mpsc::channel(64);
        let line = Line {
            sender,
            end: CancellationToken::new(),
        };
        tokio::spawn(self.clone().serve(request.into_inner(), line));
        Ok(Response::new(Box::pin(ReceiverStream::new(answers))))
    }
}

/// Calls that agents make; the others, which they do not make, are not here.
macro_rules! play {
    ($service:ident of $area:ident { $($calls:tt)* } without $($call:ident($request:ident) -> $response:ident,)*) => {
        #[tonic::async_trait]
        impl $service for Player {
            $($calls)*
            $(async fn $call(&self, _: Request<$area::$request>) -> Result<Response<$area::$response>, Status> {
                Err(Error::not_found("call", stringify!($call)).into())
            })*
        }
    };
}

play! {
    InventoryService of inventory {
        async fn join_node(
            &self,
            request: Request<inventory::JoinNodeRequest>,
        ) -> Result<Response<inventory::JoinNodeResponse>, Status> {
            let request = request.into_inner();
            if request.token != "token" {
                return Err(Error::Denied("the join token is not valid".to_owned()).into());
            }
            self.0.joins.fetch_add(1, Ordering::SeqCst);
            lock(&self.0.join_requests).insert(request.request_id);
            let lost = &self.0.lost_answers;
            if lost.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
                return Err(Error::Unavailable("the answer is lost".to_owned()).into());
            }
            let (node_id, node_key) = (lock(&self.0.node).clone(), lock(&self.0.node_key).clone());
            let (certificate_chain, authority) = self.0.issue(&request.certificate_request, &node_id, TimeDelta::zero())?;
            Ok(Response::new(inventory::JoinNodeResponse {
                node_id,
                node_key,
                certificate_chain,
                authority,
            }))
        }

        async fn renew_node_certificate(
            &self,
            request: Request<inventory::RenewNodeCertificateRequest>,
        ) -> Result<Response<inventory::RenewNodeCertificateResponse>, Status> {
            self.check(&request, &request.get_ref().node_id)?;
            let asked = request.into_inner();
            self.0.renewals.fetch_add(1, Ordering::SeqCst);
            let (certificate_chain, authority) = self.0.issue(&asked.certificate_request, &asked.node_id, TimeDelta::zero())?;
            Ok(Response::new(inventory::RenewNodeCertificateResponse {
                certificate_chain,
                authority,
            }))
        }

        async fn heartbeat(
            &self,
            request: Request<inventory::HeartbeatRequest>,
        ) -> Result<Response<inventory::HeartbeatResponse>, Status> {
            self.check(&request, &request.get_ref().node_id)?;
            lock(&self.0.heartbeats).push(request.into_inner());
            let edges = lock(&self.0.edges).clone();
            Ok(Response::new(inventory::HeartbeatResponse { next_in_ms: 200, edges }))
        }
    }
    without
    create_join_token(CreateJoinTokenRequest) -> CreateJoinTokenResponse,
    list_nodes(ListNodesRequest) -> ListNodesResponse,
    register_edge(RegisterEdgeRequest) -> RegisterEdgeResponse,
    set_node_schedulable(SetNodeSchedulableRequest) -> SetNodeSchedulableResponse,
    give_up_node(GiveUpNodeRequest) -> GiveUpNodeResponse,
    delete_node(DeleteNodeRequest) -> DeleteNodeResponse,
    list_machine_types(ListMachineTypesRequest) -> ListMachineTypesResponse,
    list_environments(ListEnvironmentsRequest) -> ListEnvironmentsResponse,
    get_environment(GetEnvironmentRequest) -> GetEnvironmentResponse,
    create_environment(CreateEnvironmentRequest) -> CreateEnvironmentResponse,
    delete_environment(DeleteEnvironmentRequest) -> DeleteEnvironmentResponse,
    share_environment(ShareEnvironmentRequest) -> ShareEnvironmentResponse,
}

play! {
    VolumeService of volume {
        async fn list_node_deletions(
            &self,
            request: Request<volume::ListNodeDeletionsRequest>,
        ) -> Result<Response<volume::ListNodeDeletionsResponse>, Status> {
            self.check(&request, &request.get_ref().node_id)?;
            let volume_ids = lock(&self.0.deletions).iter().cloned().collect();
            Ok(Response::new(volume::ListNodeDeletionsResponse { volume_ids, snapshot_ids: Vec::new() }))
        }

        async fn list_node_copies(
            &self,
            request: Request<volume::ListNodeCopiesRequest>,
        ) -> Result<Response<volume::ListNodeCopiesResponse>, Status> {
            self.check(&request, &request.get_ref().node_id)?;
            let copies = lock(&self.0.copies).clone();
            Ok(Response::new(volume::ListNodeCopiesResponse { copies }))
        }

        async fn confirm_copy(
            &self,
            request: Request<volume::ConfirmCopyRequest>,
        ) -> Result<Response<volume::ConfirmCopyResponse>, Status> {
            self.check(&request, &request.get_ref().node_id)?;
            lock(&self.0.copies).retain(|copy| copy.id != request.get_ref().copy_id);
            lock(&self.0.copied).push(request.into_inner());
            Ok(Response::new(volume::ConfirmCopyResponse {}))
        }

        async fn open_storage(
            &self,
            request: Request<volume::OpenStorageRequest>,
        ) -> Result<Response<volume::OpenStorageResponse>, Status> {
            self.check(&request, &request.get_ref().node_id)?;
            let storage = lock(&self.0.storages).get(&request.get_ref().volume_id).cloned();
            let missing = || Status::not_found("volume not found");
            Ok(Response::new(volume::OpenStorageResponse { storage: Some(storage.ok_or_else(missing)?) }))
        }

        async fn report_volume_use(
            &self,
            request: Request<volume::ReportVolumeUseRequest>,
        ) -> Result<Response<volume::ReportVolumeUseResponse>, Status> {
            self.check(&request, &request.get_ref().node_id)?;
            let uses = request.into_inner().uses.into_iter();
            lock(&self.0.uses).extend(uses.map(|of| (of.volume_id, of.used_bytes)));
            let quotas = lock(&self.0.quotas).clone();
            Ok(Response::new(volume::ReportVolumeUseResponse { quotas }))
        }

        async fn confirm_deletion(
            &self,
            request: Request<volume::ConfirmDeletionRequest>,
        ) -> Result<Response<volume::ConfirmDeletionResponse>, Status> {
            self.check(&request, &request.get_ref().node_id)?;
            lock(&self.0.deletions).remove(&request.get_ref().volume_id);
            Ok(Response::new(volume::ConfirmDeletionResponse {}))
        }
    }
    without
    create_volume(CreateVolumeRequest) -> CreateVolumeResponse,
    get_volume(GetVolumeRequest) -> GetVolumeResponse,
    list_volumes(ListVolumesRequest) -> ListVolumesResponse,
    create_snapshot(CreateSnapshotRequest) -> CreateSnapshotResponse,
    list_snapshots(ListSnapshotsRequest) -> ListSnapshotsResponse,
    restore_snapshot(RestoreSnapshotRequest) -> RestoreSnapshotResponse,
    delete_snapshot(DeleteSnapshotRequest) -> DeleteSnapshotResponse,
    fork_volume(ForkVolumeRequest) -> ForkVolumeResponse,
    claim_volume(ClaimVolumeRequest) -> ClaimVolumeResponse,
    keep_volume(KeepVolumeRequest) -> KeepVolumeResponse,
    attach_volume(AttachVolumeRequest) -> AttachVolumeResponse,
    detach_volume(DetachVolumeRequest) -> DetachVolumeResponse,
    delete_volume(DeleteVolumeRequest) -> DeleteVolumeResponse,
    list_node_volumes(ListNodeVolumesRequest) -> ListNodeVolumesResponse,
    lose_node_volumes(LoseNodeVolumesRequest) -> LoseNodeVolumesResponse,
    list_lost_volumes(ListLostVolumesRequest) -> ListLostVolumesResponse,
    resize_volume(ResizeVolumeRequest) -> ResizeVolumeResponse,
}
