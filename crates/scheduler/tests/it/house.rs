//! The scheduler with all that is around it, and short words for what tests do with it.

use std::sync::Arc;

use chassis::auth::Principal;
use contracts::agent::v1::Report;
use contracts::common::v1::{Resources, Role};
use contracts::inventory::v1::inventory_service_server::InventoryServiceServer;
use contracts::inventory::v1::{Gpu, Hardware, Node, NodeChanged, NodeLiveness, NodeSchedulable};
use contracts::scheduler::v1::scheduler_service_client::SchedulerServiceClient;
use contracts::scheduler::v1::{
    ExplainWorkloadRequest, ExplainWorkloadResponse, GetNodeWorkRequest, GetNodeWorkResponse,
    GetWorkloadRequest, OnSilence, StopWorkloadRequest, SubmitWorkloadRequest, Workload,
    WorkloadSpec,
};
use contracts::volume::v1::volume_service_server::VolumeServiceServer;
use kernel::Timestamp;
use kernel::id::{NodeId, TeamId};
use kernel::time::{ManualClock, from_micros};
use scheduler::SchedulerConfig;
use sea_orm::{ConnectionTrait as _, DatabaseConnection, Statement};
use secrecy::ExposeSecret as _;
use testkit::{Database, Engine, Identity, Nats, Service, TestChannel, eventually, person};
use tokio::sync::OnceCell;
use tonic::Status;
use tonic::service::Routes;

use crate::agent::{Agent, hello};
use crate::neighbours::{Inventory, Volumes};

pub(crate) type Client = SchedulerServiceClient<TestChannel>;

/// A leader renews often, as long as a test does not want one that does not notice the loss of its lease.
pub(crate) const OFTEN_MS: u32 = 20;

/// Everything that runs; the clock stands until a test moves it.
pub(crate) struct House {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) identity: Identity,
    pub(crate) nats: Nats,
    pub(crate) database: Database,
    pub(crate) inventory: Arc<Inventory>,
    pub(crate) volumes: Arc<Volumes>,
    pub(crate) replicas: Vec<Service>,
    /// The team that submits.
    pub(crate) team: TeamId,
    pub(crate) config: SchedulerConfig,
    tables: OnceCell<DatabaseConnection>,
    _played: [Service; 2],
}

impl House {
    /// With one replica, which leads.
    pub(crate) async fn open(engine: Engine) -> Self {
        let mut house = Self::empty(engine).await;
        house.add_replica(OFTEN_MS).await;
        house
    }

    /// Without a replica.
    pub(crate) async fn empty(engine: Engine) -> Self {
        Self::empty_at(engine, from_micros(1_700_000_000_000_000)).await
    }

    /// Without a replica, at some time: that of the machine where replicas are programs of their own.
    pub(crate) async fn empty_at(engine: Engine, now: Timestamp) -> Self {
        let clock = Arc::new(ManualClock::new(now));
        let identity = Identity::start(clock.clone()).await;
        let (nats, database) = (Nats::start(), engine.database());
        let (inventory, volumes) = (Arc::<Inventory>::default(), Arc::<Volumes>::default());
        let routes = Routes::new(InventoryServiceServer::from_arc(inventory.clone()));
        let played_inventory = identity.serve("inventory", routes).await;
        let routes = Routes::new(VolumeServiceServer::from_arc(volumes.clone()));
        let played_volume = identity.serve("volume", routes).await;
        let config = SchedulerConfig {
            service: identity.config("scheduler", database.url(), &nats),
            inventory: played_inventory.address().clone(),
            volume: played_volume.address().clone(),
            compare_ms: 50,
            ..SchedulerConfig::default()
        };
        Self {
            clock,
            identity,
            nats,
            database,
            inventory,
            volumes,
            replicas: Vec::new(),
            team: TeamId::generate(),
            config,
            tables: OnceCell::new(),
            _played: [played_inventory, played_volume],
        }
    }

    pub(crate) async fn add_replica(&mut self, renew_ms: u32) {
        let (clock, mut config) = (self.clock.clone(), self.config.clone());
        config.renew_ms = renew_ms;
        let start = |cancel, ready| scheduler::run(config, clock, cancel, ready);
        self.replicas.push(Service::start(start).await);
    }

    /// A client of the replica with this number for `principal`.
    pub(crate) fn client_of(&self, replica: usize, principal: &Principal) -> Client {
        Client::new(self.replicas[replica].channel(&self.identity.token(principal)))
    }

    /// What submits and stops.
    pub(crate) fn client(&self) -> Client {
        self.client_of(0, &Principal::Service("notebook".to_owned()))
    }

    pub(crate) fn viewer(&self, team: TeamId) -> Client {
        self.client_of(0, &person(team, Role::Viewer))
    }

    /// A new node that the scheduler knows.
    pub(crate) async fn node(&self, name: &str, milli_cores: u32, memory_mib: u32) -> Node {
        self.tell(node(name, milli_cores, memory_mib, 0)).await
    }

    /// Inventory says that the node is so, and the scheduler takes it over.
    pub(crate) async fn tell(&self, node: Node) -> Node {
        let known = node.clone();
        self.inventory
            .nodes
            .lock()
            .unwrap()
            .insert(node.id.clone(), known);
        let event = NodeChanged {
            node: Some(node.clone()),
            ..NodeChanged::default()
        };
        self.nats.publish(&event, &node.id).await;
        self.knows(&node).await;
        node
    }

    pub(crate) async fn knows(&self, node: &Node) {
        let query = format!(
            "SELECT COUNT(*) FROM nodes WHERE id = '{}' AND revision >= {}",
            node.id, node.revision
        );
        eventually("the node's row", || async {
            (self.number(&query).await == 1).then_some(())
        })
        .await;
    }

    /// The same node as inventory says it next, and the scheduler takes it over.
    pub(crate) async fn liveness(&self, node: &Node, liveness: NodeLiveness) -> Node {
        let mut next = node.clone();
        next.liveness = liveness.into();
        next.revision += 1;
        self.tell(next).await
    }

    /// A client of the installation's operator.
    pub(crate) fn operator(&self) -> Client {
        self.client_of(0, &person(self.team, Role::Operator))
    }

    /// What is still on a node.
    pub(crate) async fn work(&self, node: &str) -> GetNodeWorkResponse {
        let asked = GetNodeWorkRequest {
            node: node.to_owned(),
        };
        let answer = self.operator().get_node_work(asked).await.unwrap();
        answer.into_inner()
    }

    pub(crate) fn request(&self, request_id: &str, spec: WorkloadSpec) -> SubmitWorkloadRequest {
        SubmitWorkloadRequest {
            team_id: self.team.into(),
            project_id: "pr-1".to_owned(),
            user_id: "us-1".to_owned(),
            owner_id: "nb-1".to_owned(),
            request_id: request_id.to_owned(),
            spec: Some(spec),
        }
    }

    pub(crate) async fn try_submit(
        &self,
        request: SubmitWorkloadRequest,
    ) -> Result<Workload, Status> {
        let answer = self.client().submit_workload(request).await?;
        Ok(answer.into_inner().workload.unwrap())
    }

    pub(crate) async fn submit(&self, request_id: &str, spec: WorkloadSpec) -> Workload {
        self.try_submit(self.request(request_id, spec))
            .await
            .unwrap()
    }

    pub(crate) async fn stop(&self, id: &str, reason: &str) -> Workload {
        let asked = StopWorkloadRequest {
            id: id.to_owned(),
            reason: reason.to_owned(),
        };
        let answer = self.client().stop_workload(asked).await.unwrap();
        answer.into_inner().workload.unwrap()
    }

    pub(crate) async fn workload(&self, id: &str) -> Workload {
        let asked = GetWorkloadRequest { id: id.to_owned() };
        let answer = self.client().get_workload(asked).await.unwrap();
        answer.into_inner().workload.unwrap()
    }

    pub(crate) async fn explain(&self, id: &str) -> ExplainWorkloadResponse {
        let asked = ExplainWorkloadRequest { id: id.to_owned() };
        self.client()
            .explain_workload(asked)
            .await
            .unwrap()
            .into_inner()
    }

    /// Waits until the workload is as `condition` says.
    pub(crate) async fn until(
        &self,
        id: &str,
        what: &str,
        condition: impl Fn(&Workload) -> bool,
    ) -> Workload {
        eventually(what, || async {
            Some(self.workload(id).await).filter(&condition)
        })
        .await
    }

    /// The channel of the agent of `node_id` to a replica.
    pub(crate) fn agent_channel(&self, replica: usize, node_id: &str) -> TestChannel {
        let principal = Principal::Agent(node_id.parse().unwrap());
        self.replicas[replica].channel(&self.identity.token(&principal))
    }

    /// The node's agent, connected and holding nothing; what is wanted of it comes as assignments.
    pub(crate) async fn agent(&self, node: &Node) -> Agent {
        self.agent_that_holds(node, Vec::new()).await
    }

    /// The node's agent, connected and holding these.
    pub(crate) async fn agent_that_holds(&self, node: &Node, held: Vec<Report>) -> Agent {
        // The leader may still be on its way to the lease.
        eventually("a leader", || async {
            let channel = self.agent_channel(0, &node.id);
            Agent::open(channel, hello(&node.id, 0, held.clone()))
                .await
                .ok()
        })
        .await
    }

    /// The tables, past the scheduler.
    pub(crate) async fn tables(&self) -> &DatabaseConnection {
        let connect = || async {
            let url = self.database.url();
            sea_orm::Database::connect(url.expose_secret())
                .await
                .unwrap()
        };
        self.tables.get_or_init(connect).await
    }

    /// The one number that a query gives.
    pub(crate) async fn number(&self, query: &str) -> i64 {
        let tables = self.tables().await;
        let statement = Statement::from_string(tables.get_database_backend(), query);
        let row = tables.query_one_raw(statement).await.unwrap().unwrap();
        row.try_get_by_index(0).unwrap()
    }
}

/// A new node as inventory says it first.
pub(crate) fn node(name: &str, milli_cores: u32, memory_mib: u32, gpus: u32) -> Node {
    let id = NodeId::generate();
    let gpu = |index| Gpu {
        index,
        uuid: format!("GPU-{name}-{index}"),
        model: "H100".to_owned(),
        memory_mib: 81_920,
    };
    Node {
        id: id.into(),
        name: name.to_owned(),
        hardware: Some(Hardware {
            milli_cores,
            memory_mib,
            disk_gib: 100,
            gpus: (0..gpus).map(gpu).collect(),
        }),
        cpu_overcommit: 1,
        liveness: NodeLiveness::Ready.into(),
        schedulable: NodeSchedulable::Open.into(),
        revision: 1,
        ..Node::default()
    }
}

/// A workload that keeps its place, with two retries.
pub(crate) fn spec(milli_cores: u32, memory_mib: u32) -> WorkloadSpec {
    WorkloadSpec {
        kind: "notebook".to_owned(),
        machine_type: "C3".to_owned(),
        resources: Some(Resources {
            milli_cores,
            memory_mib,
            disk_gib: 1,
            ..Resources::default()
        }),
        command: vec!["jupyter".to_owned()],
        on_silence: OnSilence::Keep.into(),
        retries: 2,
        ..WorkloadSpec::default()
    }
}

pub(crate) fn gpu_spec(gpus: u32) -> WorkloadSpec {
    let mut spec = spec(1_000, 1_024);
    if let Some(resources) = &mut spec.resources {
        resources.gpus = gpus;
        resources.gpu_model = "H100".to_owned();
    }
    spec
}
