//! Two replicas of inventory on one database, and the people and programs that call them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use chassis::auth::Principal;
use contracts::common::v1::Role;
use contracts::identity::v1::ExchangeKeyRequest;
use contracts::identity::v1::identity_service_client::IdentityServiceClient;
use contracts::inventory::v1::inventory_service_client::InventoryServiceClient;
use contracts::inventory::v1::{
    CreateJoinTokenRequest, Gpu, Hardware, HeartbeatRequest, JoinNodeRequest, ListNodesRequest,
    Node,
};
use inventory::InventoryConfig;
use kernel::id::{NodeId, TeamId};
use kernel::time::{ManualClock, from_micros};
use tempfile::TempDir;
use testkit::{Database, Engine, Identity, Nats, Service, TestChannel, person};
use tonic::Status;

pub(crate) type Client = InventoryServiceClient<TestChannel>;

/// Everything that runs; the clock stands until a test moves it.
pub(crate) struct House {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) identity: Identity,
    pub(crate) nats: Nats,
    pub(crate) database: Database,
    replicas: Vec<Service>,
    _resolver: TempDir,
}

/// Plays the resolver of packages, as a program: all can be had in version 1.0, except `impossible`.
fn stand_in() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let script = "#!/bin/sh\n\
        if grep -q impossible requirements.in; then\n\
        printf 'warning: a stand-in\\nerror: No solution found:\\n  cause: there is no version of impossible\\n' >&2\n\
        exit 1\nfi\n\
        for name in polars duckdb; do\n\
        if grep -q \"^$name\" requirements.in; then\n\
        printf '%s==1.0 \\\\\\n    --hash=sha256:aa\\n' $name >> lock.txt\nfi\ndone\n";
    let file = folder.path().join("uv");
    fs::write(&file, script).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

impl House {
    pub(crate) async fn open(engine: Engine) -> Self {
        let clock = Arc::new(ManualClock::new(from_micros(1_700_000_000_000_000)));
        let identity = Identity::start(clock.clone()).await;
        let (nats, database) = (Nats::start(), engine.database());
        let resolver = stand_in();
        let mut replicas = Vec::new();
        for _ in 0..2 {
            let service = identity.config("inventory", database.url(), &nats);
            let config = InventoryConfig {
                service,
                heartbeat_ms: 20,
                silence_timeout_ms: 8_000,
                uv: resolver.path().join("uv").display().to_string(),
                ..InventoryConfig::default()
            };
            let clock = clock.clone();
            replicas.push(
                Service::start(|cancel, ready| inventory::run(config, clock, cancel, ready)).await,
            );
        }
        Self {
            clock,
            identity,
            nats,
            database,
            replicas,
            _resolver: resolver,
        }
    }

    /// A client of the replica with this number for `principal`.
    pub(crate) fn client_of(&self, replica: usize, principal: &Principal) -> Client {
        Client::new(self.replicas[replica].channel(&self.identity.token(principal)))
    }

    pub(crate) fn client(&self, principal: &Principal) -> Client {
        self.client_of(0, principal)
    }

    pub(crate) fn operator(&self) -> Client {
        self.client(&operator())
    }

    /// A client without a token, as a node has that joins.
    pub(crate) fn stranger(&self, replica: usize) -> Client {
        Client::new(self.replicas[replica].channel(""))
    }

    /// Whether identity still gives tokens for a node's key.
    pub(crate) async fn key_works(&self, key: &str) -> bool {
        let identity = self
            .identity
            .config("test", self.database.url(), &self.nats)
            .identity;
        let mut client = IdentityServiceClient::new(
            chassis::grpc::connect(&identity, &chassis::tls::Trust::public()).unwrap(),
        );
        let key = key.to_owned();
        client
            .exchange_key(ExchangeKeyRequest { key })
            .await
            .is_ok()
    }

    pub(crate) async fn join_token(&self) -> String {
        let asked = CreateJoinTokenRequest::default();
        self.operator()
            .create_join_token(asked)
            .await
            .unwrap()
            .into_inner()
            .token
    }

    /// A new node, with the agent's client.
    pub(crate) async fn join(&self, name: &str) -> Member {
        let token = self.join_token().await;
        let joined = self
            .stranger(0)
            .join_node(ask(&token, name, name))
            .await
            .unwrap()
            .into_inner();
        let principal = Principal::Agent(joined.node_id.parse::<NodeId>().unwrap());
        Member {
            id: joined.node_id,
            client: self.client(&principal),
        }
    }

    pub(crate) async fn nodes(&self) -> Vec<Node> {
        self.operator()
            .list_nodes(ListNodesRequest {})
            .await
            .unwrap()
            .into_inner()
            .nodes
    }

    pub(crate) async fn node(&self, id: &str) -> Node {
        self.nodes()
            .await
            .into_iter()
            .find(|node| node.id == id)
            .unwrap()
    }
}

pub(crate) fn operator() -> Principal {
    person(TeamId::generate(), Role::Operator)
}

pub(crate) fn ask(token: &str, name: &str, request_id: &str) -> JoinNodeRequest {
    JoinNodeRequest {
        token: token.to_owned(),
        name: name.to_owned(),
        cpu_overcommit: 2,
        request_id: request_id.to_owned(),
        certificate_request: String::new(),
    }
}

/// A node that has joined.
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) client: Client,
}

impl Member {
    /// What it says of itself.
    pub(crate) fn report(&self) -> HeartbeatRequest {
        let gpu = |index| Gpu {
            index,
            uuid: format!("GPU-{index}"),
            model: "H100".to_owned(),
            memory_mib: 81_920,
        };
        let hardware = Hardware {
            milli_cores: 64_000,
            memory_mib: 1_048_576,
            disk_gib: 1_000,
            gpus: vec![gpu(0), gpu(1)],
        };
        HeartbeatRequest {
            node_id: self.id.clone(),
            boot_id: "boot-1".to_owned(),
            hardware: Some(hardware),
            missing_isolation: vec!["network namespaces: not permitted here".to_owned()],
        }
    }

    pub(crate) async fn beat(&mut self) {
        self.say(self.report()).await.unwrap();
    }

    pub(crate) async fn say(&mut self, report: HeartbeatRequest) -> Result<u32, Status> {
        Ok(self.client.heartbeat(report).await?.into_inner().next_in_ms)
    }
}
