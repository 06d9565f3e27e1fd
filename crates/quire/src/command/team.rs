//! `quire team`, `quire user`, `quire api-key`, `quire whoami`.

use anyhow::Result;
use contracts::common::v1::Role;
use contracts::identity::v1::{
    ApiKey, CreateApiKeyRequest, CreateTeamRequest, CreateUserRequest, GetSessionRequest,
    ListApiKeysRequest, ListTeamsRequest, ListUsersRequest, RemoveUserRequest, RevokeApiKeyRequest,
    Team, User,
};
use serde::Serialize;

use crate::api::{Api, request_id};
use crate::cli::{ApiKeyCommand, Output, RoleArg, TeamCommand, UserCommand};
use crate::print::out;
use crate::print::{self, Row};
use crate::when;

/// Prints what was made with its key, which is shown this once.
fn with_key<R: Row>(output: Output, made: &R, key: &str, notice: &str) -> Result<()> {
    if key.is_empty() {
        print::one(output, made)?;
        print::note(if notice.is_empty() {
            "they are known here already and make a key of their own: quire api-key create NAME --team TEAM"
        } else {
            notice
        });
        return Ok(());
    }
    if output == Output::Json {
        let mut value = serde_json::to_value(made)?;
        if let Some(fields) = value.as_object_mut() {
            fields.insert("key".to_owned(), key.into());
        }
        return print::json(&value);
    }
    print::one(output, made)?;
    out!("\n{key}");
    print::note("this key is shown once; log in with it: quire login --api-key KEY");
    Ok(())
}

pub(super) fn role_name(role: Role) -> String {
    role.as_str_name()
        .trim_start_matches("ROLE_")
        .to_lowercase()
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    email: String,
    user_id: String,
    team: String,
    team_id: String,
    role: String,
    scopes: Vec<String>,
    operator: bool,
    server: String,
}

impl Row for Session {
    const COLUMNS: &'static [&'static str] =
        &["USER", "TEAM", "ROLE", "SCOPES", "OPERATOR", "SERVER"];

    fn cells(&self) -> Vec<String> {
        let operator = if self.operator { "yes" } else { "no" };
        vec![
            self.email.clone(),
            self.team.clone(),
            self.role.clone(),
            self.scopes.join(", "),
            operator.to_owned(),
            self.server.clone(),
        ]
    }
}

pub(crate) async fn whoami(api: &Api, output: Output) -> Result<()> {
    let answer = api
        .ask(api.identity().get_session(GetSessionRequest {}))
        .await?;
    let user = answer.user.unwrap_or_default();
    let team = answer.team.unwrap_or_default();
    let session = Session {
        role: role_name(user.role()),
        email: user.email,
        user_id: user.id,
        team: team.namespace,
        team_id: team.id,
        scopes: answer.scopes,
        operator: answer.is_operator,
        server: api.server().to_owned(),
    };
    print::one(output, &session)
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TeamRow {
    id: String,
    namespace: String,
    name: String,
    created_at: String,
}

impl From<Team> for TeamRow {
    fn from(team: Team) -> Self {
        Self {
            created_at: print::time(team.created_at),
            id: team.id,
            namespace: team.namespace,
            name: team.name,
        }
    }
}

impl Row for TeamRow {
    const COLUMNS: &'static [&'static str] = &["NAMESPACE", "NAME", "CREATED", "ID"];

    fn cells(&self) -> Vec<String> {
        [&self.namespace, &self.name, &self.created_at, &self.id]
            .map(String::clone)
            .to_vec()
    }
}

pub(crate) async fn team(command: TeamCommand, api: &Api, output: Output) -> Result<()> {
    match command {
        TeamCommand::Create {
            namespace,
            name,
            owner,
        } => {
            let request = CreateTeamRequest {
                name: name.unwrap_or_else(|| namespace.clone()),
                namespace,
                owner_email: owner.unwrap_or_default(),
                request_id: request_id(),
            };
            let made = api.make(|| {
                let (mut identity, request) = (api.identity(), request.clone());
                async move { identity.create_team(request).await }
            });
            let answer = made.await?;
            with_key(
                output,
                &TeamRow::from(answer.team.unwrap_or_default()),
                &answer.owner_key,
                &answer.notice,
            )
        }
        TeamCommand::List => {
            let answer = api
                .ask(api.identity().list_teams(ListTeamsRequest {}))
                .await?;
            let rows: Vec<_> = answer.teams.into_iter().map(TeamRow::from).collect();
            print::list(output, &rows, "there are no teams")
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct UserRow {
    id: String,
    email: String,
    name: String,
    role: String,
    created_at: String,
}

impl From<User> for UserRow {
    fn from(user: User) -> Self {
        let role = role_name(user.role());
        Self {
            created_at: print::time(user.created_at),
            id: user.id,
            email: user.email,
            name: user.name,
            role,
        }
    }
}

impl Row for UserRow {
    const COLUMNS: &'static [&'static str] = &["EMAIL", "NAME", "ROLE", "CREATED", "ID"];

    fn cells(&self) -> Vec<String> {
        [
            &self.email,
            &self.name,
            &self.role,
            &self.created_at,
            &self.id,
        ]
        .map(String::clone)
        .to_vec()
    }
}

fn wire_role(role: RoleArg) -> Role {
    match role {
        RoleArg::Viewer => Role::Viewer,
        RoleArg::Member => Role::Member,
        RoleArg::Admin => Role::Admin,
        RoleArg::Owner => Role::Owner,
    }
}

pub(crate) async fn user(command: UserCommand, api: &Api, output: Output) -> Result<()> {
    match command {
        UserCommand::Create { email, role, name } => {
            let request = CreateUserRequest {
                email,
                name,
                role: wire_role(role).into(),
                request_id: request_id(),
            };
            let made = api.make(|| {
                let (mut identity, request) = (api.identity(), request.clone());
                async move { identity.create_user(request).await }
            });
            let answer = made.await?;
            with_key(
                output,
                &UserRow::from(answer.user.unwrap_or_default()),
                &answer.key,
                &answer.notice,
            )
        }
        UserCommand::List => {
            let request = ListUsersRequest {
                team_id: String::new(),
            };
            let answer = api.ask(api.identity().list_users(request)).await?;
            let rows: Vec<_> = answer.users.into_iter().map(UserRow::from).collect();
            print::list(output, &rows, "there is nobody in this team")
        }
        UserCommand::Remove { user } => {
            let request = RemoveUserRequest { user };
            let answer = api.ask(api.identity().remove_user(request)).await?;
            print::one(output, &UserRow::from(answer.user.unwrap_or_default()))?;
            print::note(
                "their keys for this team have ended; what was let in by one before is over within ten minutes",
            );
            Ok(())
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyRow {
    id: String,
    name: String,
    user_id: String,
    scopes: Vec<String>,
    created_at: String,
    expires_at: Option<String>,
    revoked_at: Option<String>,
}

impl From<ApiKey> for KeyRow {
    fn from(key: ApiKey) -> Self {
        Self {
            created_at: print::time(key.created_at),
            expires_at: key.expires_at.map(|at| print::time(Some(at))),
            revoked_at: key.revoked_at.map(|at| print::time(Some(at))),
            id: key.id,
            name: key.name,
            user_id: key.user_id,
            scopes: key.scopes,
        }
    }
}

impl Row for KeyRow {
    const COLUMNS: &'static [&'static str] =
        &["NAME", "SCOPES", "CREATED", "EXPIRES", "REVOKED", "ID"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            self.scopes.join(", "),
            self.created_at.clone(),
            self.expires_at.clone().unwrap_or_default(),
            self.revoked_at.clone().unwrap_or_default(),
            self.id.clone(),
        ]
    }
}

pub(crate) async fn api_key(command: ApiKeyCommand, api: &Api, output: Output) -> Result<()> {
    match command {
        ApiKeyCommand::Create {
            name,
            scope,
            expires,
            team,
        } => {
            let expires_at = expires
                .map(|text| when::parse("expires", &text))
                .transpose()?;
            let request = CreateApiKeyRequest {
                name,
                scopes: scope,
                expires_at,
                team: team.unwrap_or_default(),
                request_id: request_id(),
            };
            let made = api.make(|| {
                let (mut identity, request) = (api.identity(), request.clone());
                async move { identity.create_api_key(request).await }
            });
            let answer = made.await?;
            with_key(
                output,
                &KeyRow::from(answer.api_key.unwrap_or_default()),
                &answer.key,
                &answer.notice,
            )
        }
        ApiKeyCommand::List => {
            let page = |page| {
                let mut identity = api.identity();
                let request = ListApiKeysRequest {
                    page,
                    oldest_first: false,
                };
                async move { identity.list_api_keys(request).await }
            };
            let keys = api
                .all(page, |answer| (answer.api_keys, answer.page))
                .await?;
            let rows: Vec<_> = keys.into_iter().map(KeyRow::from).collect();
            print::list(output, &rows, "there are no keys")
        }
        ApiKeyCommand::Revoke { id } => {
            let answer = api
                .ask(api.identity().revoke_api_key(RevokeApiKeyRequest { id }))
                .await?;
            print::one(output, &KeyRow::from(answer.api_key.unwrap_or_default()))
        }
    }
}
