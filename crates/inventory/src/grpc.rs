//! The calls of inventory: decode, call the app, encode.

use chassis::Error;
use chassis::auth::{Principal, caller};
use contracts::inventory::v1::inventory_service_server::InventoryService;
use contracts::inventory::v1::{
    CreateEnvironmentRequest, CreateEnvironmentResponse, CreateJoinTokenRequest,
    CreateJoinTokenResponse, DeleteEnvironmentRequest, DeleteEnvironmentResponse,
    DeleteNodeRequest, DeleteNodeResponse, GetEnvironmentRequest, GetEnvironmentResponse,
    GiveUpNodeRequest, GiveUpNodeResponse, HeartbeatRequest, HeartbeatResponse, JoinNodeRequest,
    JoinNodeResponse, ListEnvironmentsRequest, ListEnvironmentsResponse, ListMachineTypesRequest,
    ListMachineTypesResponse, ListNodesRequest, ListNodesResponse, RegisterEdgeRequest,
    RegisterEdgeResponse, RenewNodeCertificateRequest, RenewNodeCertificateResponse,
    SetNodeSchedulableRequest, SetNodeSchedulableResponse, ShareEnvironmentRequest,
    ShareEnvironmentResponse,
};
use contracts::to_wire_time;
use secrecy::ExposeSecret;
use tonic::{Request, Response, Status};

use crate::app::{App, Joined};
use crate::domain::edge::{Edge, REGISTER_EVERY};
use crate::domain::node::{NewNode, Report};
use crate::wire;

/// Said where a request for a token was answered before.
const TOKEN_GONE: &str = "this request made a token before; it was shown then and is not kept. Ask under another request_id for another";

#[tonic::async_trait]
impl InventoryService for App {
    async fn create_join_token(
        &self,
        request: Request<CreateJoinTokenRequest>,
    ) -> Result<Response<CreateJoinTokenResponse>, Status> {
        let asker = match caller(&request)? {
            Principal::User(user) => user.team.to_string(),
            Principal::Service(name) => name,
            Principal::Anonymous | Principal::Agent(_) => String::new(),
        };
        let asked = request.get_ref();
        let made = App::create_join_token(self, &asker, &asked.request_id, asked.ttl_seconds);
        let (token, expires_at) = made.await?;
        let notice = if token.is_none() { TOKEN_GONE } else { "" };
        Ok(Response::new(CreateJoinTokenResponse {
            token: token.map_or_else(String::new, |token| token.expose_secret().to_owned()),
            expires_at: Some(to_wire_time(expires_at)),
            notice: notice.to_owned(),
        }))
    }

    async fn join_node(
        &self,
        request: Request<JoinNodeRequest>,
    ) -> Result<Response<JoinNodeResponse>, Status> {
        let JoinNodeRequest {
            token,
            name,
            cpu_overcommit,
            request_id,
            certificate_request,
        } = request.into_inner();
        let new = NewNode {
            name,
            cpu_overcommit,
        };
        let Joined {
            node,
            key,
            certificate,
        } = App::join_node(self, &token.into(), &request_id, new, &certificate_request).await?;
        let certificate = certificate.unwrap_or_default();
        Ok(Response::new(JoinNodeResponse {
            node_id: node.into(),
            node_key: key.expose_secret().to_owned(),
            certificate_chain: certificate.certificate_chain,
            authority: certificate.authority,
        }))
    }

    async fn renew_node_certificate(
        &self,
        request: Request<RenewNodeCertificateRequest>,
    ) -> Result<Response<RenewNodeCertificateResponse>, Status> {
        let node = caller(&request)?.require_node(&request.get_ref().node_id)?;
        let issued = self
            .renew_certificate(node, &request.get_ref().certificate_request)
            .await?;
        Ok(Response::new(RenewNodeCertificateResponse {
            certificate_chain: issued.certificate_chain,
            authority: issued.authority,
        }))
    }

    async fn heartbeat(
        &self,
        request: Request<HeartbeatRequest>,
    ) -> Result<Response<HeartbeatResponse>, Status> {
        let node = caller(&request)?.require_node(&request.get_ref().node_id)?;
        let HeartbeatRequest {
            boot_id,
            hardware,
            missing_isolation,
            ..
        } = request.into_inner();
        let hardware = hardware
            .ok_or_else(|| Error::invalid("hardware", "is missing; say what the node has"))?;
        let report = Report {
            boot_id,
            hardware: wire::read_hardware(hardware),
            missing_isolation,
        };
        self.hear(node, report).await?;
        let edges = self.living_edges().await?;
        Ok(Response::new(HeartbeatResponse {
            next_in_ms: self.heartbeat_ms,
            edges: edges.iter().map(wire::edge).collect(),
        }))
    }

    async fn register_edge(
        &self,
        request: Request<RegisterEdgeRequest>,
    ) -> Result<Response<RegisterEdgeResponse>, Status> {
        let RegisterEdgeRequest {
            edge_id,
            relay_address,
        } = request.into_inner();
        App::register_edge(self, Edge::read(edge_id, &relay_address)?).await?;
        Ok(Response::new(RegisterEdgeResponse {
            next_in_ms: u32::try_from(REGISTER_EVERY.num_milliseconds()).unwrap_or(u32::MAX),
        }))
    }

    async fn list_nodes(
        &self,
        _: Request<ListNodesRequest>,
    ) -> Result<Response<ListNodesResponse>, Status> {
        let nodes = App::list_nodes(self).await?;
        Ok(Response::new(ListNodesResponse {
            nodes: nodes.into_iter().map(wire::node).collect(),
        }))
    }

    async fn set_node_schedulable(
        &self,
        request: Request<SetNodeSchedulableRequest>,
    ) -> Result<Response<SetNodeSchedulableResponse>, Status> {
        let asked = request.get_ref();
        let schedulable = wire::read_schedulable(asked.schedulable()).ok_or_else(|| {
            Error::invalid(
                "schedulable",
                "is missing; one of open, cordoned, draining is needed",
            )
        })?;
        let node = self
            .set_schedulable(&asked.node, schedulable, asked.deadline_seconds)
            .await?;
        Ok(Response::new(SetNodeSchedulableResponse {
            node: Some(wire::node(node)),
        }))
    }

    async fn give_up_node(
        &self,
        request: Request<GiveUpNodeRequest>,
    ) -> Result<Response<GiveUpNodeResponse>, Status> {
        let node = self.give_up(&request.get_ref().node).await?;
        Ok(Response::new(GiveUpNodeResponse {
            node: Some(wire::node(node)),
        }))
    }

    async fn delete_node(
        &self,
        request: Request<DeleteNodeRequest>,
    ) -> Result<Response<DeleteNodeResponse>, Status> {
        let asked = request.get_ref();
        let id = asked
            .node_id
            .parse()
            .map_err(|error: kernel::id::ParseIdError| {
                Error::invalid("node_id", error.to_string())
            })?;
        self.delete(id, asked.revision).await?;
        Ok(Response::new(DeleteNodeResponse {}))
    }

    async fn list_machine_types(
        &self,
        _: Request<ListMachineTypesRequest>,
    ) -> Result<Response<ListMachineTypesResponse>, Status> {
        let offers = App::list_machine_types(self).await?;
        let machine_types = offers.into_iter().map(wire::machine_type).collect();
        Ok(Response::new(ListMachineTypesResponse { machine_types }))
    }

    async fn list_environments(
        &self,
        request: Request<ListEnvironmentsRequest>,
    ) -> Result<Response<ListEnvironmentsResponse>, Status> {
        let team = caller(&request)?.team(&request.get_ref().team_id)?;
        let environments = App::list_environments(self, team).await?;
        Ok(Response::new(ListEnvironmentsResponse { environments }))
    }

    async fn get_environment(
        &self,
        request: Request<GetEnvironmentRequest>,
    ) -> Result<Response<GetEnvironmentResponse>, Status> {
        let principal = caller(&request)?;
        let asked = request.into_inner();
        // Whose it is was checked when it was chosen.
        let by_digest = matches!(principal, Principal::Service(_)) && !asked.digest.is_empty();
        let environment = if by_digest {
            self.environment_with(&asked.digest).await?
        } else {
            let team = principal.team(&asked.team_id)?;
            self.environment(team, &asked.environment).await?
        };
        Ok(Response::new(GetEnvironmentResponse {
            environment: Some(environment),
        }))
    }

    async fn create_environment(
        &self,
        request: Request<CreateEnvironmentRequest>,
    ) -> Result<Response<CreateEnvironmentResponse>, Status> {
        let principal = caller(&request)?;
        let asked = request.into_inner();
        let made = App::create_environment(self, principal.user()?, asked).await?;
        Ok(Response::new(CreateEnvironmentResponse {
            environment: Some(made),
        }))
    }

    async fn delete_environment(
        &self,
        request: Request<DeleteEnvironmentRequest>,
    ) -> Result<Response<DeleteEnvironmentResponse>, Status> {
        let principal = caller(&request)?;
        let wanted = request.into_inner().environment;
        let deleted = App::delete_environment(self, principal.user()?, &wanted).await?;
        Ok(Response::new(DeleteEnvironmentResponse {
            environment: Some(deleted),
        }))
    }

    async fn share_environment(
        &self,
        request: Request<ShareEnvironmentRequest>,
    ) -> Result<Response<ShareEnvironmentResponse>, Status> {
        let principal = caller(&request)?;
        let asked = request.into_inner();
        let (wanted, shared) = (&asked.environment, asked.shared);
        let changed = App::share_environment(self, principal.user()?, wanted, shared).await?;
        Ok(Response::new(ShareEnvironmentResponse {
            environment: Some(changed),
        }))
    }
}
