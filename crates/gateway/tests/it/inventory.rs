//! Plays inventory.

use chassis::Error;
use contracts::common::v1::Resources;
use contracts::inventory::v1::inventory_service_server::InventoryService;
use contracts::inventory::v1::*;
use tonic::{Request, Response, Status};

type Reply<T> = Result<Response<T>, Status>;

/// Plays inventory: one node, two machine types, one environment.
#[derive(Default)]
pub(crate) struct Inventory;

fn environment(name: &str) -> Environment {
    Environment {
        name: name.to_owned(),
        state: EnvironmentState::Ready.into(),
        ..Environment::default()
    }
}

/// One of a team.
fn frames() -> Environment {
    Environment {
        id: "en-1".to_owned(),
        team_id: "te-1".to_owned(),
        requirements: vec!["polars".to_owned()],
        base: "python".to_owned(),
        digest: "aa".to_owned(),
        packages: 97,
        created_at: Some(prost_types::Timestamp::default()),
        ..environment("frames")
    }
}

fn node(schedulable: NodeSchedulable) -> Node {
    let time = Some(prost_types::Timestamp {
        seconds: 1_790_000_000,
        nanos: 0,
    });
    let gpu = Gpu {
        index: 0,
        uuid: "GPU-1".to_owned(),
        model: "H100".to_owned(),
        memory_mib: 81_920,
    };
    Node {
        id: "no-1".to_owned(),
        name: "box".to_owned(),
        hardware: Some(Hardware {
            milli_cores: 8_000,
            memory_mib: 1_024,
            disk_gib: 10,
            gpus: vec![gpu],
        }),
        cpu_overcommit: 1,
        liveness: NodeLiveness::Ready.into(),
        schedulable: schedulable.into(),
        last_seen_at: time,
        created_at: time,
        ..Node::default()
    }
}

fn machine_type(name: &str, milli_cores: u32) -> MachineType {
    let resources = Some(Resources {
        milli_cores,
        ..Resources::default()
    });
    MachineType {
        name: name.to_owned(),
        resources,
        available: true,
        ..MachineType::default()
    }
}

#[tonic::async_trait]
impl InventoryService for Inventory {
    async fn create_join_token(
        &self,
        request: Request<CreateJoinTokenRequest>,
    ) -> Reply<CreateJoinTokenResponse> {
        let ttl = i64::from(request.into_inner().ttl_seconds);
        let expires_at = Some(prost_types::Timestamp {
            seconds: 1_790_000_000 + ttl,
            nanos: 0,
        });
        Ok(Response::new(CreateJoinTokenResponse {
            token: "qj_1".to_owned(),
            expires_at,
            notice: String::new(),
        }))
    }

    async fn join_node(&self, request: Request<JoinNodeRequest>) -> Reply<JoinNodeResponse> {
        // Anyone may join, and a token that has ended must not come along.
        assert!(request.metadata().get("authorization").is_none());
        let node_key = format!("qn_of_{}", request.into_inner().name);
        Ok(Response::new(JoinNodeResponse {
            node_id: "no-1".to_owned(),
            node_key,
            ..JoinNodeResponse::default()
        }))
    }

    async fn renew_node_certificate(
        &self,
        _: Request<RenewNodeCertificateRequest>,
    ) -> Reply<RenewNodeCertificateResponse> {
        Err(Status::unimplemented("no test asks for this"))
    }

    async fn heartbeat(&self, _: Request<HeartbeatRequest>) -> Reply<HeartbeatResponse> {
        Ok(Response::new(HeartbeatResponse {
            next_in_ms: 5_000,
            edges: Vec::new(),
        }))
    }

    async fn register_edge(&self, _: Request<RegisterEdgeRequest>) -> Reply<RegisterEdgeResponse> {
        Err(Error::not_found("call", "RegisterEdge").into())
    }

    async fn list_nodes(&self, _: Request<ListNodesRequest>) -> Reply<ListNodesResponse> {
        Ok(Response::new(ListNodesResponse {
            nodes: vec![node(NodeSchedulable::Open)],
        }))
    }

    async fn set_node_schedulable(
        &self,
        request: Request<SetNodeSchedulableRequest>,
    ) -> Reply<SetNodeSchedulableResponse> {
        let request = request.into_inner();
        if request.node != "box" {
            return Err(Error::not_found("node", &request.node).into());
        }
        Ok(Response::new(SetNodeSchedulableResponse {
            node: Some(node(request.schedulable())),
        }))
    }

    async fn list_machine_types(
        &self,
        _: Request<ListMachineTypesRequest>,
    ) -> Reply<ListMachineTypesResponse> {
        let machine_types = vec![
            machine_type("C9", 1_000),
            machine_type("C10", 2_000),
            machine_type("C1", 4_000),
        ];
        Ok(Response::new(ListMachineTypesResponse { machine_types }))
    }

    async fn list_environments(
        &self,
        _: Request<ListEnvironmentsRequest>,
    ) -> Reply<ListEnvironmentsResponse> {
        let environments = vec![environment("python"), frames()];
        Ok(Response::new(ListEnvironmentsResponse { environments }))
    }

    async fn get_environment(
        &self,
        request: Request<GetEnvironmentRequest>,
    ) -> Reply<GetEnvironmentResponse> {
        if request.into_inner().environment == "nowhere" {
            return Err(Error::not_found("environment", "it").into());
        }
        let environment = Some(frames());
        Ok(Response::new(GetEnvironmentResponse { environment }))
    }

    async fn create_environment(
        &self,
        request: Request<CreateEnvironmentRequest>,
    ) -> Reply<CreateEnvironmentResponse> {
        let asked = request.into_inner();
        let environment = Some(Environment {
            name: asked.name,
            requirements: asked.requirements,
            base: asked.base,
            python_version: asked.python_version,
            state: EnvironmentState::Resolving.into(),
            digest: String::new(),
            ..frames()
        });
        Ok(Response::new(CreateEnvironmentResponse { environment }))
    }

    async fn delete_environment(
        &self,
        _: Request<DeleteEnvironmentRequest>,
    ) -> Reply<DeleteEnvironmentResponse> {
        let environment = Some(frames());
        Ok(Response::new(DeleteEnvironmentResponse { environment }))
    }

    async fn share_environment(
        &self,
        request: Request<ShareEnvironmentRequest>,
    ) -> Reply<ShareEnvironmentResponse> {
        let environment = Some(Environment {
            shared: request.into_inner().shared,
            ..frames()
        });
        Ok(Response::new(ShareEnvironmentResponse { environment }))
    }

    async fn give_up_node(&self, request: Request<GiveUpNodeRequest>) -> Reply<GiveUpNodeResponse> {
        if request.into_inner().node != "box" {
            return Err(Error::Precondition("it answers".to_owned()).into());
        }
        let given_up_at = Some(prost_types::Timestamp {
            seconds: 1_790_000_000,
            nanos: 0,
        });
        Ok(Response::new(GiveUpNodeResponse {
            node: Some(Node {
                given_up_at,
                ..node(NodeSchedulable::Open)
            }),
        }))
    }

    async fn delete_node(&self, _: Request<DeleteNodeRequest>) -> Reply<DeleteNodeResponse> {
        Err(Status::unimplemented("the scheduler asks for this"))
    }
}
