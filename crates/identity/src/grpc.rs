//! The calls of identity: decode, call the app, encode.

use chassis::auth::caller;
use contracts::common::v1::Role;
use contracts::identity::v1::identity_service_server::IdentityService;
use contracts::identity::v1::{
    ApiKey, CreateApiKeyRequest, CreateApiKeyResponse, CreateNodeKeyRequest, CreateNodeKeyResponse,
    CreateProjectRequest, CreateProjectResponse, CreateTeamRequest, CreateTeamResponse,
    CreateUserRequest, CreateUserResponse, ExchangeKeyRequest, ExchangeKeyResponse,
    GetAuthorityRequest, GetAuthorityResponse, GetProjectRequest, GetProjectResponse,
    GetSessionRequest, GetSessionResponse, IssueNodeCertificateRequest,
    IssueNodeCertificateResponse, ListApiKeysRequest, ListApiKeysResponse, ListProjectsRequest,
    ListProjectsResponse, ListTeamsRequest, ListTeamsResponse, ListUsersRequest, ListUsersResponse,
    ListVerificationKeysRequest, ListVerificationKeysResponse, Project, RevokeApiKeyRequest,
    RevokeApiKeyResponse, Team, User,
};
use contracts::{from_wire_time, to_wire_time};
use kernel::time::from_micros;
use secrecy::{ExposeSecret, SecretString};
use tonic::{Request, Response, Status};

use crate::app::{App, NewKey, NewTeam};
use crate::store::entity;

fn wire_time(micros: i64) -> Option<prost_types::Timestamp> {
    Some(to_wire_time(from_micros(micros)))
}

/// A key on its one way out; empty when none was made.
fn shown(key: Option<SecretString>) -> String {
    key.map(|key| key.expose_secret().to_owned())
        .unwrap_or_default()
}

fn team(row: entity::team::Model) -> Team {
    Team {
        id: row.id,
        name: row.name,
        namespace: row.namespace,
        created_at: wire_time(row.created_at),
    }
}

fn user(row: entity::user::Model, role: Role) -> User {
    User {
        id: row.id,
        email: row.email,
        name: row.name,
        role: role.into(),
        created_at: wire_time(row.created_at),
    }
}

fn project(row: entity::project::Model) -> Project {
    Project {
        id: row.id,
        team_id: row.team_id,
        name: row.name,
        created_at: wire_time(row.created_at),
    }
}

fn api_key(row: entity::key::Model) -> ApiKey {
    ApiKey {
        id: row.id,
        name: row.name,
        user_id: row.subject,
        scopes: row.scopes.split(' ').map(str::to_owned).collect(),
        created_at: wire_time(row.created_at),
        expires_at: row.expires_at.and_then(wire_time),
        revoked_at: row.revoked_at.and_then(wire_time),
    }
}

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
            user: Some(user(self.user(who.id).await?, who.role)),
            team: Some(team(self.team(who.team).await?)),
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
        let (row, key) = App::create_team(self, principal.user()?, new, &asked.owner_email).await?;
        let owner_key = shown(key);
        Ok(Response::new(CreateTeamResponse {
            team: Some(team(row)),
            owner_key,
        }))
    }

    async fn list_teams(
        &self,
        request: Request<ListTeamsRequest>,
    ) -> Result<Response<ListTeamsResponse>, Status> {
        let rows = App::list_teams(self, caller(&request)?.user()?).await?;
        Ok(Response::new(ListTeamsResponse {
            teams: rows.into_iter().map(team).collect(),
        }))
    }

    async fn create_user(
        &self,
        request: Request<CreateUserRequest>,
    ) -> Result<Response<CreateUserResponse>, Status> {
        let principal = caller(&request)?;
        let asked = request.into_inner();
        let (row, key) = App::create_user(
            self,
            principal.user()?,
            &asked.email,
            &asked.name,
            asked.role(),
        )
        .await?;
        let key = shown(key);
        Ok(Response::new(CreateUserResponse {
            user: Some(user(row, asked.role())),
            key,
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
            .map(|(row, role)| user(row, role))
            .collect();
        Ok(Response::new(ListUsersResponse { users }))
    }

    async fn create_project(
        &self,
        request: Request<CreateProjectRequest>,
    ) -> Result<Response<CreateProjectResponse>, Status> {
        let team = caller(&request)?.user()?.team;
        let row = App::create_project(self, team, &request.get_ref().name).await?;
        Ok(Response::new(CreateProjectResponse {
            project: Some(project(row)),
        }))
    }

    async fn get_project(
        &self,
        request: Request<GetProjectRequest>,
    ) -> Result<Response<GetProjectResponse>, Status> {
        let team = caller(&request)?.team(&request.get_ref().team_id)?;
        let row = self.project(team, &request.get_ref().project).await?;
        Ok(Response::new(GetProjectResponse {
            project: Some(project(row)),
        }))
    }

    async fn list_projects(
        &self,
        request: Request<ListProjectsRequest>,
    ) -> Result<Response<ListProjectsResponse>, Status> {
        let rows = App::list_projects(self, caller(&request)?.user()?.team).await?;
        Ok(Response::new(ListProjectsResponse {
            projects: rows.into_iter().map(project).collect(),
        }))
    }

    async fn create_api_key(
        &self,
        request: Request<CreateApiKeyRequest>,
    ) -> Result<Response<CreateApiKeyResponse>, Status> {
        let principal = caller(&request)?;
        let asked = request.into_inner();
        let expires_at = asked
            .expires_at
            .map(|time| from_wire_time("expires_at", time))
            .transpose()
            .map_err(chassis::Error::from)?;
        let new = NewKey {
            name: asked.name,
            scopes: asked.scopes,
            expires_at,
        };
        let (row, secret) = self.create_key(principal.user()?, new, &asked.team).await?;
        let key = secret.expose_secret().to_owned();
        Ok(Response::new(CreateApiKeyResponse {
            api_key: Some(api_key(row)),
            key,
        }))
    }

    async fn list_api_keys(
        &self,
        request: Request<ListApiKeysRequest>,
    ) -> Result<Response<ListApiKeysResponse>, Status> {
        let rows = self.list_keys(caller(&request)?.user()?).await?;
        Ok(Response::new(ListApiKeysResponse {
            api_keys: rows.into_iter().map(api_key).collect(),
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
            api_key: Some(api_key(row)),
        }))
    }

    async fn create_node_key(
        &self,
        request: Request<CreateNodeKeyRequest>,
    ) -> Result<Response<CreateNodeKeyResponse>, Status> {
        let node =
            request
                .get_ref()
                .node_id
                .parse()
                .map_err(|error: kernel::id::ParseIdError| {
                    chassis::Error::invalid("node_id", error.to_string())
                })?;
        let key = App::create_node_key(self, node).await?;
        Ok(Response::new(CreateNodeKeyResponse {
            key: key.expose_secret().to_owned(),
        }))
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
