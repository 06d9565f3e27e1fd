//! An identity that knows everybody: it answers what other services ask of identity, and signs a token for any principal.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chassis::auth::{Claims, KeySource, Principal, Signer, TOKEN_LIFETIME, User, Verifier};
use chassis::authority::Authority;
use chassis::config::{ServiceConfig, TlsConfig};
use chassis::grpc::{Listener, Server};
use chassis::{Address, Error, Result};
use contracts::common::v1::Role;
use contracts::identity::v1 as wire;
use contracts::identity::v1::identity_service_server::{IdentityService, IdentityServiceServer};
use kernel::Clock;
use kernel::id::{KeyId, NodeId, ProjectId, TeamId, UserId};
use secrecy::SecretString;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use crate::{Nats, Service};

/// Name of the one project of each team.
const PROJECT: &str = "default";

/// A running identity for tests. Each team has one project, named "default".
#[derive(Debug)]
pub struct Identity {
    keys: Arc<Keys>,
    service: Service,
}

#[derive(Debug)]
struct Keys {
    signer: Signer,
    authority: Authority,
    clock: Arc<dyn Clock>,
    principals: Mutex<HashMap<String, Principal>>,
    /// The one project of each team.
    projects: Mutex<HashMap<String, wire::Project>>,
    /// Identifiers of those that were deleted.
    deleted: Mutex<Vec<String>>,
}

impl Identity {
    /// Starts one that signs with the time of `clock`.
    ///
    /// # Panics
    /// When it cannot listen.
    pub async fn start(clock: Arc<dyn Clock>) -> Self {
        let signer = Signer::generate()
            .and_then(|key| Signer::from_pkcs8(&key))
            .expect("a signing key");
        let keys = Arc::new(Keys {
            signer,
            authority: Authority::create("test", clock.now()).expect("an authority"),
            clock,
            principals: Mutex::default(),
            projects: Mutex::default(),
            deleted: Mutex::default(),
        });
        let routes = Routes::new(IdentityServiceServer::from_arc(keys.clone()));
        let service = keys.clone().serve("identity", routes).await;
        Self { keys, service }
    }

    /// Serves `routes` as the service `area`, with the same checks of tokens and access as the real one: for doubles of services
    /// that the tested one calls.
    pub async fn serve(&self, area: &'static str, routes: Routes) -> Service {
        self.keys.clone().serve(area, routes).await
    }

    /// The cluster's certificate authority.
    pub fn authority(&self) -> &Authority {
        &self.keys.authority
    }

    /// Where it listens.
    pub fn address(&self) -> &Address {
        self.service.address()
    }

    /// What the service `name` is told: this identity, a key that works here, `database` and `nats`, and a free port.
    pub fn config(&self, name: &str, database: SecretString, nats: &Nats) -> ServiceConfig {
        ServiceConfig {
            listen: Address::Http("127.0.0.1:0".to_owned()),
            database,
            identity: self.service.address().clone(),
            key: self.keys.key(Principal::Service(name.to_owned())).into(),
            bus: nats.config_of(name),
            tls: TlsConfig::default(),
        }
    }

    /// A key that is exchanged for tokens of `principal`.
    pub fn key(&self, principal: Principal) -> SecretString {
        self.keys.key(principal).into()
    }

    /// A token of `principal`.
    ///
    /// # Panics
    /// For nobody.
    pub fn token(&self, principal: &Principal) -> String {
        self.keys.token(principal).expect("a token for somebody")
    }
}

/// A person of `team` with `role` and a key of all scopes; an operator too when the role says so.
pub fn person(team: TeamId, role: Role) -> Principal {
    Principal::User(User {
        id: UserId::generate(),
        team,
        role: role.min(Role::Owner),
        projects: BTreeMap::new(),
        operator: role == Role::Operator,
        scopes: vec!["*".to_owned()],
    })
}

impl Keys {
    async fn serve(self: Arc<Self>, area: &'static str, routes: Routes) -> Service {
        let verifier = Verifier::new(self.clone(), self.clock.clone());
        let server = Server::new(area, verifier, routes);
        Service::start(|cancel, ready| async move {
            let any = Address::Http("127.0.0.1:0".to_owned());
            let listener = Listener::bind(&any, &TlsConfig::default()).await?;
            ready(listener.address());
            server.run(listener, cancel).await
        })
        .await
    }

    fn key(&self, principal: Principal) -> String {
        let key = KeyId::generate().to_string();
        let mut principals = self
            .principals
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        principals.insert(key.clone(), principal);
        key
    }

    fn token(&self, principal: &Principal) -> Result<String> {
        let claims = Claims::new(principal, self.clock.now());
        self.signer
            .sign(&claims.ok_or_else(|| Error::Unauthenticated("nobody has no token".to_owned()))?)
    }

    fn exchange(&self, key: &str) -> Result<wire::ExchangeKeyResponse> {
        let principals = self
            .principals
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let principal = principals
            .get(key)
            .ok_or_else(|| Error::Unauthenticated("the key is unknown".to_owned()))?;
        let expires_at = Some(contracts::to_wire_time(self.clock.now() + TOKEN_LIFETIME));
        Ok(wire::ExchangeKeyResponse {
            token: self.token(principal)?,
            expires_at,
        })
    }

    /// The project of a team, made when it is first asked for.
    fn project(&self, team: &str) -> wire::Project {
        let mut projects = self.projects.lock().unwrap_or_else(PoisonError::into_inner);
        let project = projects
            .entry(team.to_owned())
            .or_insert_with(|| wire::Project {
                id: ProjectId::generate().into(),
                team_id: team.to_owned(),
                name: PROJECT.to_owned(),
                created_at: Some(contracts::to_wire_time(self.clock.now())),
            });
        project.clone()
    }

    fn deleted(&self) -> MutexGuard<'_, Vec<String>> {
        self.deleted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new key for `node`; its older ones end.
    fn node_key(&self, node: NodeId) -> String {
        self.end_node_keys(node);
        self.key(Principal::Agent(node))
    }

    fn end_node_keys(&self, node: NodeId) {
        let mut principals = self
            .principals
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        principals.retain(|_, principal| *principal != Principal::Agent(node));
    }
}

#[tonic::async_trait]
impl KeySource for Keys {
    async fn keys(&self) -> Result<Vec<Vec<u8>>> {
        Ok(vec![self.signer.public_key().to_vec()])
    }
}

// The calls that services make of identity; the others, which people make, are not here.
crate::play! {
    IdentityService as Keys, wire: {
        async fn exchange_key(
            &self,
            request: Request<wire::ExchangeKeyRequest>,
        ) -> Result<Response<wire::ExchangeKeyResponse>, Status> {
            Ok(Response::new(self.exchange(&request.get_ref().key)?))
        }

        async fn list_verification_keys(
            &self,
            _: Request<wire::ListVerificationKeysRequest>,
        ) -> Result<Response<wire::ListVerificationKeysResponse>, Status> {
            let keys = vec![self.signer.public_key().to_vec()];
            Ok(Response::new(wire::ListVerificationKeysResponse { keys }))
        }

        async fn create_node_key(
            &self,
            request: Request<wire::CreateNodeKeyRequest>,
        ) -> Result<Response<wire::CreateNodeKeyResponse>, Status> {
            let node = &request.get_ref().node_id;
            let node = node.parse().map_err(|_| Error::not_found("node", node))?;
            Ok(Response::new(wire::CreateNodeKeyResponse { key: self.node_key(node) }))
        }

        async fn revoke_node_key(
            &self,
            request: Request<wire::RevokeNodeKeyRequest>,
        ) -> Result<Response<wire::RevokeNodeKeyResponse>, Status> {
            let node = &request.get_ref().node_id;
            let node = node.parse().map_err(|_| Error::not_found("node", node))?;
            self.end_node_keys(node);
            Ok(Response::new(wire::RevokeNodeKeyResponse {}))
        }

        async fn get_authority(
            &self,
            _: Request<wire::GetAuthorityRequest>,
        ) -> Result<Response<wire::GetAuthorityResponse>, Status> {
            let certificate = self.authority.certificate_pem().to_owned();
            Ok(Response::new(wire::GetAuthorityResponse { certificate }))
        }

        async fn issue_node_certificate(
            &self,
            request: Request<wire::IssueNodeCertificateRequest>,
        ) -> Result<Response<wire::IssueNodeCertificateResponse>, Status> {
            let asked = request.get_ref();
            let now = self.clock.now();
            let authority = self.authority.certificate_pem().to_owned();
            let signed = self.authority.sign_node(&asked.certificate_request, &asked.node_id, now)?;
            Ok(Response::new(wire::IssueNodeCertificateResponse { certificate_chain: signed, authority }))
        }

        async fn get_project(
            &self,
            request: Request<wire::GetProjectRequest>,
        ) -> Result<Response<wire::GetProjectResponse>, Status> {
            let asked = request.get_ref();
            let project = self.project(&asked.team_id);
            let named = [String::new(), project.id.clone(), project.name.clone()].contains(&asked.project);
            if !named || asked.hidden_project_ids.contains(&project.id) || self.deleted().contains(&project.id) {
                return Err(Error::not_found("project", &asked.project).into());
            }
            Ok(Response::new(wire::GetProjectResponse { project: Some(project) }))
        }

        async fn delete_project(
            &self,
            request: Request<wire::DeleteProjectRequest>,
        ) -> Result<Response<wire::DeleteProjectResponse>, Status> {
            self.deleted().push(request.into_inner().project_id);
            Ok(Response::new(wire::DeleteProjectResponse {}))
        }

        // Everybody is there who is asked about by an address that begins with their identifier.
        async fn find_user(
            &self,
            request: Request<wire::FindUserRequest>,
        ) -> Result<Response<wire::FindUserResponse>, Status> {
            let email = request.into_inner().email;
            let id = email.split('@').next().and_then(|id| id.parse::<UserId>().ok());
            let id = id.ok_or_else(|| Error::not_found("user", &email))?;
            Ok(Response::new(wire::FindUserResponse { user_id: id.to_string(), email }))
        }
    }
    without
    get_session(GetSessionRequest) -> GetSessionResponse,
    create_team(CreateTeamRequest) -> CreateTeamResponse,
    list_teams(ListTeamsRequest) -> ListTeamsResponse,
    create_user(CreateUserRequest) -> CreateUserResponse,
    set_user_role(SetUserRoleRequest) -> SetUserRoleResponse,
    remove_user(RemoveUserRequest) -> RemoveUserResponse,
    list_users(ListUsersRequest) -> ListUsersResponse,
    create_project(CreateProjectRequest) -> CreateProjectResponse,
    list_projects(ListProjectsRequest) -> ListProjectsResponse,
    rename_project(RenameProjectRequest) -> RenameProjectResponse,
    create_api_key(CreateApiKeyRequest) -> CreateApiKeyResponse,
    list_api_keys(ListApiKeysRequest) -> ListApiKeysResponse,
    revoke_api_key(RevokeApiKeyRequest) -> RevokeApiKeyResponse,
    set_project_member(SetProjectMemberRequest) -> SetProjectMemberResponse,
    remove_project_member(RemoveProjectMemberRequest) -> RemoveProjectMemberResponse,
    list_project_members(ListProjectMembersRequest) -> ListProjectMembersResponse,
    create_ssh_key(CreateSshKeyRequest) -> CreateSshKeyResponse,
    list_ssh_keys(ListSshKeysRequest) -> ListSshKeysResponse,
    delete_ssh_key(DeleteSshKeyRequest) -> DeleteSshKeyResponse,
    list_project_ssh_keys(ListProjectSshKeysRequest) -> ListProjectSshKeysResponse,
}
