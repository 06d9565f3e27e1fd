//! Plays identity.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use chassis::Error;
use chassis::auth::{Claims, Principal, Signer, TOKEN_LIFETIME, User as Who, caller};
use contracts::common::v1::Role;
use contracts::identity::v1::identity_service_server::IdentityService;
use contracts::identity::v1::*;
use contracts::to_wire_time;
use kernel::Clock;
use kernel::id::{NodeId, TeamId, UserId};
use kernel::time::ManualClock;
use tonic::{Request, Response, Status};

use crate::house::{NODE, OWNER, SCOPED, VIEWER};

/// What is served as the authority; the gateway does not read it.
pub(crate) const AUTHORITY: &str = "-----BEGIN CERTIFICATE-----\n";

type Reply<T> = Result<Response<T>, Status>;

struct State {
    keys: HashMap<String, Principal>,
    exchanges: usize,
    projects: Vec<Project>,
}

/// Plays identity: one team with an owner and a viewer, and keys for both and for a node.
#[derive(Clone)]
pub(crate) struct Identity {
    signer: Arc<Signer>,
    clock: Arc<ManualClock>,
    state: Arc<Mutex<State>>,
    pub(crate) team: TeamId,
    pub(crate) owner: UserId,
    pub(crate) viewer: UserId,
    pub(crate) node: NodeId,
}

impl Identity {
    pub(crate) fn new(signer: Signer, clock: Arc<ManualClock>) -> Self {
        let (team, owner, viewer) = (TeamId::generate(), UserId::generate(), UserId::generate());
        let node = NodeId::generate();
        let user = |id, role, operator, scopes: &[&str]| {
            let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
            Principal::User(Who {
                id,
                team,
                role,
                projects: BTreeMap::new(),
                operator,
                scopes,
            })
        };
        let keys = HashMap::from([
            (OWNER.to_owned(), user(owner, Role::Owner, true, &["*"])),
            (VIEWER.to_owned(), user(viewer, Role::Viewer, false, &["*"])),
            (
                SCOPED.to_owned(),
                user(owner, Role::Owner, false, &["notebook:write"]),
            ),
            (NODE.to_owned(), Principal::Agent(node)),
        ]);
        let state = State {
            keys,
            exchanges: 0,
            projects: Vec::new(),
        };
        Self {
            signer: Arc::new(signer),
            clock,
            state: Arc::new(Mutex::new(state)),
            team,
            owner,
            viewer,
            node,
        }
    }

    /// From now on the key is refused.
    pub(crate) fn revoke(&self, key: &str) {
        self.state.lock().unwrap().keys.remove(key);
    }

    /// How often a key was exchanged, or tried to be.
    pub(crate) fn exchanges(&self) -> usize {
        self.state.lock().unwrap().exchanges
    }

    /// A token as services verify it.
    pub(crate) fn token(&self, key: &str) -> String {
        let principal = self.state.lock().unwrap().keys[key].clone();
        self.signer
            .sign(&Claims::new(&principal, self.clock.now()).unwrap())
            .unwrap()
    }

    fn user(&self, id: UserId) -> User {
        let owner = id == self.owner;
        User {
            id: id.to_string(),
            email: if owner {
                "ada@example.org"
            } else {
                "bob@example.org"
            }
            .to_owned(),
            name: if owner { "Ada Lovelace" } else { "" }.to_owned(),
            role: if owner { Role::Owner } else { Role::Viewer }.into(),
            created_at: Some(to_wire_time(self.clock.now())),
        }
    }

    fn api_key(&self, request: &CreateApiKeyRequest) -> ApiKey {
        ApiKey {
            id: "ak-1".to_owned(),
            name: request.name.clone(),
            user_id: self.owner.to_string(),
            scopes: request.scopes.clone(),
            created_at: Some(to_wire_time(self.clock.now())),
            expires_at: request.expires_at,
            revoked_at: None,
        }
    }

    fn ssh_key(&self, request: &CreateSshKeyRequest) -> SshKey {
        SshKey {
            id: "sk-1".to_owned(),
            name: request.name.clone(),
            user_id: self.owner.to_string(),
            public_key: request.public_key.clone(),
            fingerprint: "SHA256:a".to_owned(),
            created_at: Some(to_wire_time(self.clock.now())),
        }
    }
}

fn reply<T>(message: T) -> Reply<T> {
    Ok(Response::new(message))
}

fn nobody_asks<T>() -> Reply<T> {
    Err(Status::unimplemented("no test asks for this"))
}

#[tonic::async_trait]
impl IdentityService for Identity {
    async fn exchange_key(
        &self,
        request: Request<ExchangeKeyRequest>,
    ) -> Reply<ExchangeKeyResponse> {
        // Anyone may exchange, but a bad token is refused everywhere: none may come along.
        assert!(request.metadata().get("authorization").is_none());
        let key = request.into_inner().key;
        let known = {
            let mut state = self.state.lock().unwrap();
            state.exchanges += 1;
            state.keys.contains_key(&key)
        };
        if !known {
            return Err(Error::Unauthenticated("the key is unknown".to_owned()).into());
        }
        let expires_at = Some(to_wire_time(self.clock.now() + TOKEN_LIFETIME));
        reply(ExchangeKeyResponse {
            token: self.token(&key),
            expires_at,
        })
    }

    async fn list_verification_keys(
        &self,
        _: Request<ListVerificationKeysRequest>,
    ) -> Reply<ListVerificationKeysResponse> {
        reply(ListVerificationKeysResponse {
            keys: vec![self.signer.public_key().to_vec()],
        })
    }

    async fn get_session(&self, request: Request<GetSessionRequest>) -> Reply<GetSessionResponse> {
        let principal = caller(&request)?;
        let who = principal.user()?;
        let team = Team {
            id: self.team.to_string(),
            name: "Analytical engines".to_owned(),
            namespace: "engines".to_owned(),
            created_at: Some(to_wire_time(self.clock.now())),
        };
        reply(GetSessionResponse {
            user: Some(self.user(who.id)),
            team: Some(team),
            scopes: who.scopes.clone(),
            is_operator: who.operator,
        })
    }

    async fn list_users(&self, _: Request<ListUsersRequest>) -> Reply<ListUsersResponse> {
        reply(ListUsersResponse {
            users: vec![self.user(self.owner), self.user(self.viewer)],
        })
    }

    async fn create_project(
        &self,
        request: Request<CreateProjectRequest>,
    ) -> Reply<CreateProjectResponse> {
        let name = request.into_inner().name;
        kernel::text::name("name", &name, 100).map_err(Error::from)?;
        let mut state = self.state.lock().unwrap();
        if state.projects.iter().any(|project| project.name == name) {
            return Err(Error::Conflict(format!("a project {name:?} exists already")).into());
        }
        let project = Project {
            id: kernel::id::ProjectId::generate().to_string(),
            team_id: self.team.to_string(),
            name,
            created_at: Some(to_wire_time(self.clock.now())),
        };
        state.projects.push(project.clone());
        reply(CreateProjectResponse {
            project: Some(project),
        })
    }

    async fn get_project(&self, request: Request<GetProjectRequest>) -> Reply<GetProjectResponse> {
        let asked = request.into_inner().project;
        let state = self.state.lock().unwrap();
        let found = state
            .projects
            .iter()
            .find(|project| project.id == asked || project.name == asked);
        let project = found.ok_or_else(|| Error::not_found("project", &asked))?;
        reply(GetProjectResponse {
            project: Some(project.clone()),
        })
    }

    async fn list_projects(&self, _: Request<ListProjectsRequest>) -> Reply<ListProjectsResponse> {
        reply(ListProjectsResponse {
            projects: self.state.lock().unwrap().projects.clone(),
        })
    }

    async fn create_api_key(
        &self,
        request: Request<CreateApiKeyRequest>,
    ) -> Reply<CreateApiKeyResponse> {
        let api_key = self.api_key(request.get_ref());
        reply(CreateApiKeyResponse {
            notice: String::new(),
            api_key: Some(api_key),
            key: "qk_new".to_owned(),
        })
    }

    async fn list_api_keys(&self, _: Request<ListApiKeysRequest>) -> Reply<ListApiKeysResponse> {
        reply(ListApiKeysResponse {
            api_keys: vec![self.api_key(&CreateApiKeyRequest::default())],
            page: None,
        })
    }

    async fn revoke_api_key(&self, _: Request<RevokeApiKeyRequest>) -> Reply<RevokeApiKeyResponse> {
        let mut api_key = self.api_key(&CreateApiKeyRequest::default());
        api_key.revoked_at = api_key.created_at;
        reply(RevokeApiKeyResponse {
            api_key: Some(api_key),
        })
    }

    async fn find_user(&self, _: Request<FindUserRequest>) -> Reply<FindUserResponse> {
        nobody_asks()
    }

    async fn create_ssh_key(
        &self,
        request: Request<CreateSshKeyRequest>,
    ) -> Reply<CreateSshKeyResponse> {
        let ssh_key = self.ssh_key(request.get_ref());
        reply(CreateSshKeyResponse {
            ssh_key: Some(ssh_key),
        })
    }

    async fn list_ssh_keys(&self, _: Request<ListSshKeysRequest>) -> Reply<ListSshKeysResponse> {
        reply(ListSshKeysResponse {
            ssh_keys: vec![self.ssh_key(&CreateSshKeyRequest::default())],
            page: None,
        })
    }

    async fn delete_ssh_key(
        &self,
        request: Request<DeleteSshKeyRequest>,
    ) -> Reply<DeleteSshKeyResponse> {
        let mut ssh_key = self.ssh_key(&CreateSshKeyRequest::default());
        ssh_key.id = request.into_inner().id;
        reply(DeleteSshKeyResponse {
            ssh_key: Some(ssh_key),
        })
    }

    async fn list_project_ssh_keys(
        &self,
        _: Request<ListProjectSshKeysRequest>,
    ) -> Reply<ListProjectSshKeysResponse> {
        nobody_asks()
    }

    async fn create_team(&self, _: Request<CreateTeamRequest>) -> Reply<CreateTeamResponse> {
        nobody_asks()
    }

    async fn list_teams(&self, _: Request<ListTeamsRequest>) -> Reply<ListTeamsResponse> {
        nobody_asks()
    }

    async fn create_user(&self, _: Request<CreateUserRequest>) -> Reply<CreateUserResponse> {
        nobody_asks()
    }

    async fn set_user_role(
        &self,
        request: Request<SetUserRoleRequest>,
    ) -> Reply<SetUserRoleResponse> {
        let asked = request.into_inner();
        let id = asked
            .user
            .parse()
            .map_err(|_| Error::not_found("user", &asked.user))?;
        let mut user = self.user(id);
        user.role = asked.role;
        reply(SetUserRoleResponse { user: Some(user) })
    }

    async fn remove_user(&self, request: Request<RemoveUserRequest>) -> Reply<RemoveUserResponse> {
        let asked = request.into_inner().user;
        if asked == self.owner.to_string() {
            return Err(Error::Precondition("this is the team's last owner".to_owned()).into());
        }
        reply(RemoveUserResponse {
            user: Some(self.user(self.viewer)),
            removed_at: Some(to_wire_time(self.clock.now())),
        })
    }

    async fn rename_project(
        &self,
        request: Request<RenameProjectRequest>,
    ) -> Reply<RenameProjectResponse> {
        let asked = request.into_inner();
        let mut state = self.state.lock().unwrap();
        let found = state
            .projects
            .iter_mut()
            .find(|project| project.id == asked.project || project.name == asked.project);
        let project = found.ok_or_else(|| Error::not_found("project", &asked.project))?;
        project.name = asked.name;
        reply(RenameProjectResponse {
            project: Some(project.clone()),
        })
    }

    async fn delete_project(
        &self,
        _: Request<DeleteProjectRequest>,
    ) -> Reply<DeleteProjectResponse> {
        nobody_asks()
    }

    async fn create_node_key(
        &self,
        _: Request<CreateNodeKeyRequest>,
    ) -> Reply<CreateNodeKeyResponse> {
        nobody_asks()
    }

    async fn set_project_member(
        &self,
        request: Request<SetProjectMemberRequest>,
    ) -> Reply<SetProjectMemberResponse> {
        let asked = request.into_inner();
        Ok(Response::new(SetProjectMemberResponse {
            member: Some(ProjectMember {
                project_id: asked.project.clone(),
                user_id: "us-2".to_owned(),
                role: asked.role,
                email: asked.user,
                name: String::new(),
                created_at: Some(to_wire_time(self.clock.now())),
            }),
        }))
    }

    async fn remove_project_member(
        &self,
        _: Request<RemoveProjectMemberRequest>,
    ) -> Reply<RemoveProjectMemberResponse> {
        Ok(Response::new(RemoveProjectMemberResponse {}))
    }

    async fn list_project_members(
        &self,
        request: Request<ListProjectMembersRequest>,
    ) -> Reply<ListProjectMembersResponse> {
        let project_id = request.into_inner().project;
        let member = |number: u8, role: Role| ProjectMember {
            project_id: project_id.clone(),
            user_id: format!("us-{number}"),
            email: format!("{number}@quire.test"),
            name: String::new(),
            role: role.into(),
            created_at: Some(to_wire_time(self.clock.now())),
        };
        Ok(Response::new(ListProjectMembersResponse {
            members: vec![member(2, Role::Unspecified), member(3, Role::Admin)],
        }))
    }

    async fn revoke_node_key(
        &self,
        _: Request<RevokeNodeKeyRequest>,
    ) -> Reply<RevokeNodeKeyResponse> {
        nobody_asks()
    }

    async fn get_authority(
        &self,
        request: Request<GetAuthorityRequest>,
    ) -> Reply<GetAuthorityResponse> {
        assert!(request.metadata().get("authorization").is_none());
        reply(GetAuthorityResponse {
            certificate: AUTHORITY.to_owned(),
        })
    }

    async fn issue_node_certificate(
        &self,
        _: Request<IssueNodeCertificateRequest>,
    ) -> Reply<IssueNodeCertificateResponse> {
        nobody_asks()
    }
}
