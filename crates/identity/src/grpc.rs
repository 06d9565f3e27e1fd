//! The calls of identity: decode, call the app, encode.

use chassis::auth::{Principal, caller};
use contracts::identity::v1::identity_service_server::IdentityService;
use contracts::identity::v1::{
    CreateApiKeyRequest, CreateApiKeyResponse, CreateNodeKeyRequest, CreateNodeKeyResponse,
    CreateProjectRequest, CreateProjectResponse, CreateSshKeyRequest, CreateSshKeyResponse,
    CreateTeamRequest, CreateTeamResponse, CreateUserRequest, CreateUserResponse,
    DeleteProjectRequest, DeleteProjectResponse, DeleteSshKeyRequest, DeleteSshKeyResponse,
    ExchangeKeyRequest, ExchangeKeyResponse, FindUserRequest, FindUserResponse,
    GetAuthorityRequest, GetAuthorityResponse, GetProjectRequest, GetProjectResponse,
    GetSessionRequest, GetSessionResponse, IssueNodeCertificateRequest,
    IssueNodeCertificateResponse, ListApiKeysRequest, ListApiKeysResponse,
    ListProjectMembersRequest, ListProjectMembersResponse, ListProjectSshKeysRequest,
    ListProjectSshKeysResponse, ListProjectsRequest, ListProjectsResponse, ListSshKeysRequest,
    ListSshKeysResponse, ListTeamsRequest, ListTeamsResponse, ListUsersRequest, ListUsersResponse,
    ListVerificationKeysRequest, ListVerificationKeysResponse, RemoveProjectMemberRequest,
    RemoveProjectMemberResponse, RemoveUserRequest, RemoveUserResponse, RenameProjectRequest,
    RenameProjectResponse, RevokeApiKeyRequest, RevokeApiKeyResponse, RevokeNodeKeyRequest,
    RevokeNodeKeyResponse, SetProjectMemberRequest, SetProjectMemberResponse, SetUserRoleRequest,
    SetUserRoleResponse,
};
use contracts::to_wire_time;
use secrecy::ExposeSecret;
use tonic::{Request, Response, Status};

use crate::app::{App, NewTeam, role};
use crate::wire::{self, node_id, project_role, shown, team_role};

#[tonic::async_trait]
impl IdentityService for App {
    async fn exchange_key(
        &self,
        request: Request<ExchangeKeyRequest>,
    ) -> Result<Response<ExchangeKeyResponse>, Status> {
        let (token, expires_at) = App::exchange_key(self, &request.get_ref().key).await?;
        Ok(Response::new(ExchangeKeyResponse {
            token,
            expires_at: Some(to_wire_time(expires_at)),
        }))
    }

    async fn list_verification_keys(
        &self,
        _: Request<ListVerificationKeysRequest>,
    ) -> Result<Response<ListVerificationKeysResponse>, Status> {
        let keys = vec![self.signer.public_key().to_vec()];
        Ok(Response::new(ListVerificationKeysResponse { keys }))
    }

    async fn get_session(
        &self,
        request: Request<GetSessionRequest>,
    ) -> Result<Response<GetSessionResponse>, Status> {
        let principal = caller(&request)?;
        let who = principal.user()?;
        Ok(Response::new(GetSessionResponse {
            user: Some(wire::user(
                self.user(who.id).await?,
                role::from_wire(who.role),
            )),
            team: Some(wire::team(self.team(who.team).await?)),
            scopes: who.scopes.clone(),
            is_operator: who.operator,
        }))
    }

    async fn create_team(
        &self,
        request: Request<CreateTeamRequest>,
    ) -> Result<Response<CreateTeamResponse>, Status> {
        let principal = caller(&request)?;
        let asked = request.into_inner();
        let new = NewTeam {
            name: asked.name,
            namespace: asked.namespace,
        };
        let (row, key) = App::create_team(
            self,
            principal.user()?,
            new,
            &asked.owner_email,
            &asked.request_id,
        )
        .await?;
        let (owner_key, notice) = shown(key);
        Ok(Response::new(CreateTeamResponse {
            team: Some(wire::team(row)),
            owner_key,
            notice,
        }))
    }

    async fn list_teams(
        &self,
        request: Request<ListTeamsRequest>,
    ) -> Result<Response<ListTeamsResponse>, Status> {
        let rows = App::list_teams(self, caller(&request)?.user()?).await?;
        Ok(Response::new(ListTeamsResponse {
            teams: rows.into_iter().map(wire::team).collect(),
        }))
    }

    async fn create_user(
        &self,
        request: Request<CreateUserRequest>,
    ) -> Result<Response<CreateUserResponse>, Status> {
        let principal = caller(&request)?;
        let asked = request.into_inner();
        let role = team_role(asked.role())?;
        let (row, key) = App::create_user(
            self,
            principal.user()?,
            &asked.email,
            &asked.name,
            role,
            &asked.request_id,
        )
        .await?;
        let (key, notice) = shown(key);
        Ok(Response::new(CreateUserResponse {
            user: Some(wire::user(row, Some(role))),
            key,
            notice,
        }))
    }

    async fn set_user_role(
        &self,
        request: Request<SetUserRoleRequest>,
    ) -> Result<Response<SetUserRoleResponse>, Status> {
        let principal = caller(&request)?;
        let asked = request.get_ref();
        let role = team_role(asked.role())?;
        let row = self.set_role(principal.user()?, &asked.user, role).await?;
        Ok(Response::new(SetUserRoleResponse {
            user: Some(wire::user(row, Some(role))),
        }))
    }

    async fn remove_user(
        &self,
        request: Request<RemoveUserRequest>,
    ) -> Result<Response<RemoveUserResponse>, Status> {
        let principal = caller(&request)?;
        let wanted = &request.get_ref().user;
        let (row, role, at) = App::remove_user(self, principal.user()?, wanted).await?;
        Ok(Response::new(RemoveUserResponse {
            user: Some(wire::user(row, role)),
            removed_at: Some(to_wire_time(at)),
        }))
    }

    async fn list_users(
        &self,
        request: Request<ListUsersRequest>,
    ) -> Result<Response<ListUsersResponse>, Status> {
        let team = caller(&request)?.team(&request.get_ref().team_id)?;
        let rows = App::list_users(self, team).await?;
        let users = rows
            .into_iter()
            .map(|(row, role)| wire::user(row, role))
            .collect();
        Ok(Response::new(ListUsersResponse { users }))
    }

    async fn create_project(
        &self,
        request: Request<CreateProjectRequest>,
    ) -> Result<Response<CreateProjectResponse>, Status> {
        let principal = caller(&request)?;
        let asked = request.get_ref();
        let made = App::create_project(self, principal.user()?, &asked.name, &asked.request_id);
        let row = made.await?;
        Ok(Response::new(CreateProjectResponse {
            project: Some(wire::project(row)),
        }))
    }

    async fn get_project(
        &self,
        request: Request<GetProjectRequest>,
    ) -> Result<Response<GetProjectResponse>, Status> {
        let principal = caller(&request)?;
        let asked = request.get_ref();
        let row = match &principal {
            Principal::User(user) => self.project(user, &asked.project).await?,
            // A service has checked what its caller may see, or does it with the answer.
            service => {
                let team = service.team(&asked.team_id)?;
                let hidden = &asked.hidden_project_ids;
                self.project_of(team, &asked.project, hidden).await?
            }
        };
        Ok(Response::new(GetProjectResponse {
            project: Some(wire::project(row)),
        }))
    }

    async fn list_projects(
        &self,
        request: Request<ListProjectsRequest>,
    ) -> Result<Response<ListProjectsResponse>, Status> {
        let rows = App::list_projects(self, caller(&request)?.user()?).await?;
        Ok(Response::new(ListProjectsResponse {
            projects: rows.into_iter().map(wire::project).collect(),
        }))
    }

    async fn rename_project(
        &self,
        request: Request<RenameProjectRequest>,
    ) -> Result<Response<RenameProjectResponse>, Status> {
        let principal = caller(&request)?;
        let asked = request.get_ref();
        let renamed =
            App::rename_project(self, principal.user()?, &asked.project, &asked.name).await?;
        Ok(Response::new(RenameProjectResponse {
            project: Some(wire::project(renamed)),
        }))
    }

    async fn delete_project(
        &self,
        request: Request<DeleteProjectRequest>,
    ) -> Result<Response<DeleteProjectResponse>, Status> {
        let asked = request.get_ref();
        let team = caller(&request)?.team(&asked.team_id)?;
        App::delete_project(self, team, &asked.project_id).await?;
        Ok(Response::new(DeleteProjectResponse {}))
    }

    async fn set_project_member(
        &self,
        request: Request<SetProjectMemberRequest>,
    ) -> Result<Response<SetProjectMemberResponse>, Status> {
        let principal = caller(&request)?;
        let asked = request.get_ref();
        let (caller, role) = (principal.user()?, project_role(asked)?);
        let granted =
            App::set_project_member(self, caller, &asked.project, &asked.user, role).await?;
        Ok(Response::new(SetProjectMemberResponse {
            member: Some(wire::project_member(granted)),
        }))
    }

    async fn remove_project_member(
        &self,
        request: Request<RemoveProjectMemberRequest>,
    ) -> Result<Response<RemoveProjectMemberResponse>, Status> {
        let principal = caller(&request)?;
        let asked = request.get_ref();
        App::remove_project_member(self, principal.user()?, &asked.project, &asked.user).await?;
        Ok(Response::new(RemoveProjectMemberResponse {}))
    }

    async fn list_project_members(
        &self,
        request: Request<ListProjectMembersRequest>,
    ) -> Result<Response<ListProjectMembersResponse>, Status> {
        let principal = caller(&request)?;
        let project = &request.get_ref().project;
        let granted = App::list_project_members(self, principal.user()?, project).await?;
        Ok(Response::new(ListProjectMembersResponse {
            members: granted.into_iter().map(wire::project_member).collect(),
        }))
    }

    async fn create_api_key(
        &self,
        request: Request<CreateApiKeyRequest>,
    ) -> Result<Response<CreateApiKeyResponse>, Status> {
        let principal = caller(&request)?;
        let asked = request.into_inner();
        let new = wire::new_key(&asked)?;
        let (row, key) = self
            .create_key(principal.user()?, new, &asked.team, &asked.request_id)
            .await?;
        let (key, notice) = shown(key);
        Ok(Response::new(CreateApiKeyResponse {
            api_key: Some(wire::api_key(row)),
            key,
            notice,
        }))
    }

    async fn list_api_keys(
        &self,
        request: Request<ListApiKeysRequest>,
    ) -> Result<Response<ListApiKeysResponse>, Status> {
        let (rows, page) = self
            .list_keys(caller(&request)?.user()?, request.get_ref())
            .await?;
        Ok(Response::new(ListApiKeysResponse {
            api_keys: rows.into_iter().map(wire::api_key).collect(),
            page: Some(page),
        }))
    }

    async fn revoke_api_key(
        &self,
        request: Request<RevokeApiKeyRequest>,
    ) -> Result<Response<RevokeApiKeyResponse>, Status> {
        let principal = caller(&request)?;
        let row = self
            .revoke_key(principal.user()?, &request.get_ref().id)
            .await?;
        Ok(Response::new(RevokeApiKeyResponse {
            api_key: Some(wire::api_key(row)),
        }))
    }

    async fn find_user(
        &self,
        request: Request<FindUserRequest>,
    ) -> Result<Response<FindUserResponse>, Status> {
        let row = App::find_user(self, &request.get_ref().email).await?;
        Ok(Response::new(wire::found(row)))
    }

    async fn create_ssh_key(
        &self,
        request: Request<CreateSshKeyRequest>,
    ) -> Result<Response<CreateSshKeyResponse>, Status> {
        let principal = caller(&request)?;
        let row = App::create_ssh_key(self, principal.user()?, request.get_ref()).await?;
        Ok(Response::new(CreateSshKeyResponse {
            ssh_key: Some(wire::ssh_key(row)),
        }))
    }

    async fn list_ssh_keys(
        &self,
        request: Request<ListSshKeysRequest>,
    ) -> Result<Response<ListSshKeysResponse>, Status> {
        let (rows, page) =
            App::list_ssh_keys(self, caller(&request)?.user()?, request.get_ref()).await?;
        Ok(Response::new(ListSshKeysResponse {
            ssh_keys: rows.into_iter().map(wire::ssh_key).collect(),
            page: Some(page),
        }))
    }

    async fn delete_ssh_key(
        &self,
        request: Request<DeleteSshKeyRequest>,
    ) -> Result<Response<DeleteSshKeyResponse>, Status> {
        let principal = caller(&request)?;
        let row = App::delete_ssh_key(self, principal.user()?, &request.get_ref().id).await?;
        Ok(Response::new(DeleteSshKeyResponse {
            ssh_key: Some(wire::ssh_key(row)),
        }))
    }

    async fn list_project_ssh_keys(
        &self,
        request: Request<ListProjectSshKeysRequest>,
    ) -> Result<Response<ListProjectSshKeysResponse>, Status> {
        let asked = request.get_ref();
        let team = caller(&request)?.team(&asked.team_id)?;
        let public_keys = self.project_ssh_keys(team, &asked.project_id).await?;
        Ok(Response::new(ListProjectSshKeysResponse { public_keys }))
    }

    async fn create_node_key(
        &self,
        request: Request<CreateNodeKeyRequest>,
    ) -> Result<Response<CreateNodeKeyResponse>, Status> {
        let node = node_id(&request.get_ref().node_id)?;
        let key = App::create_node_key(self, node).await?;
        Ok(Response::new(CreateNodeKeyResponse {
            key: key.expose_secret().to_owned(),
        }))
    }

    async fn revoke_node_key(
        &self,
        request: Request<RevokeNodeKeyRequest>,
    ) -> Result<Response<RevokeNodeKeyResponse>, Status> {
        let node = node_id(&request.get_ref().node_id)?;
        App::revoke_node_key(self, node).await?;
        Ok(Response::new(RevokeNodeKeyResponse {}))
    }

    async fn get_authority(
        &self,
        _: Request<GetAuthorityRequest>,
    ) -> Result<Response<GetAuthorityResponse>, Status> {
        let certificate = self.authority.certificate_pem().to_owned();
        Ok(Response::new(GetAuthorityResponse { certificate }))
    }

    async fn issue_node_certificate(
        &self,
        request: Request<IssueNodeCertificateRequest>,
    ) -> Result<Response<IssueNodeCertificateResponse>, Status> {
        let asked = request.get_ref();
        let certificate_chain =
            App::issue_node_certificate(self, &asked.node_id, &asked.certificate_request)?;
        Ok(Response::new(IssueNodeCertificateResponse {
            certificate_chain,
            authority: self.authority.certificate_pem().to_owned(),
        }))
    }
}
