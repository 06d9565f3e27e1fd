//! Between the wire and what is kept: rows as answers and events show them, and fields of requests that have rules of their own.

use contracts::common::v1::Role as WireRole;
use contracts::identity::v1::{
    ApiKey, CreateApiKeyRequest, FindUserResponse, Project, ProjectMember, SetProjectMemberRequest,
    SshKey, Team, User,
};
use contracts::{from_wire_time, to_wire_time};
use kernel::id::NodeId;
use kernel::time::from_micros;
use secrecy::ExposeSecret;

use crate::app::{Granted, NewKey, Secret, role};
use crate::domain::role::Role;
use crate::store::entity;

fn time(micros: i64) -> Option<prost_types::Timestamp> {
    Some(to_wire_time(from_micros(micros)))
}

pub(crate) fn team(row: entity::team::Model) -> Team {
    Team {
        id: row.id,
        name: row.name,
        namespace: row.namespace,
        created_at: time(row.created_at),
    }
}

pub(crate) fn user(row: entity::user::Model, role: Option<Role>) -> User {
    User {
        id: row.id,
        email: row.email,
        name: row.name,
        role: role::to_wire(role).into(),
        created_at: time(row.created_at),
    }
}

pub(crate) fn found(row: entity::user::Model) -> FindUserResponse {
    FindUserResponse {
        user_id: row.id,
        email: row.email,
    }
}

pub(crate) fn project(row: entity::project::Model) -> Project {
    Project {
        id: row.id,
        team_id: row.team_id,
        name: row.name,
        created_at: time(row.created_at),
    }
}

pub(crate) fn project_member(granted: Granted) -> ProjectMember {
    ProjectMember {
        project_id: granted.project_id,
        user_id: granted.user.id,
        email: granted.user.email,
        name: granted.user.name,
        role: role::to_wire(granted.role).into(),
        created_at: time(granted.created_at),
    }
}

pub(crate) fn api_key(row: entity::key::Model) -> ApiKey {
    ApiKey {
        id: row.id,
        name: row.name,
        user_id: row.subject,
        scopes: row.scopes.split(' ').map(str::to_owned).collect(),
        created_at: time(row.created_at),
        expires_at: row.expires_at.and_then(time),
        revoked_at: row.revoked_at.and_then(time),
    }
}

/// What is asked for in a new key.
pub(crate) fn new_key(asked: &CreateApiKeyRequest) -> Result<NewKey, chassis::Error> {
    let expires_at = asked
        .expires_at
        .map(|time| from_wire_time("expires_at", time));
    Ok(NewKey {
        name: asked.name.clone(),
        scopes: asked.scopes.clone(),
        expires_at: expires_at.transpose()?,
    })
}

pub(crate) fn ssh_key(row: entity::ssh_key::Model) -> SshKey {
    SshKey {
        id: row.id,
        name: row.name,
        user_id: row.user_id,
        public_key: row.public_key,
        fingerprint: row.fingerprint,
        created_at: time(row.created_at),
    }
}

/// A key on its one way out, empty when there is none to show; and why, where the first answer had one.
pub(crate) fn shown(key: Secret) -> (String, String) {
    match key {
        Secret::None => (String::new(), String::new()),
        Secret::Shown(key) => (key.expose_secret().to_owned(), String::new()),
        Secret::Gone => (String::new(), GONE.to_owned()),
    }
}

/// Said where the key of an answer is not kept any more.
const GONE: &str = "this request was answered more than an hour ago; its key was shown then and is not kept. Make another one under another request_id";

/// The role in a team that is asked for.
pub(crate) fn team_role(asked: WireRole) -> Result<Role, chassis::Error> {
    role::from_wire(asked).ok_or_else(|| {
        chassis::Error::invalid(
            "role",
            "is missing; one of viewer, member, admin, owner is needed",
        )
    })
}

/// The role that is asked for in a project; no access is said in so many words, so that nobody is shut out by a field that was
/// forgotten.
pub(crate) fn project_role(
    asked: &SetProjectMemberRequest,
) -> Result<Option<Role>, chassis::Error> {
    let wrong = |problem: &str| Err(chassis::Error::invalid("role", problem));
    match (role::from_wire(asked.role()), asked.no_access) {
        (None, true) if asked.role() == WireRole::Unspecified => Ok(None),
        (_, true) => wrong("is given beside no_access; leave one of them out"),
        (None, false) => {
            wrong("is missing; one of viewer, member, admin, owner is needed, or no_access")
        }
        (role, false) => Ok(role),
    }
}

pub(crate) fn node_id(text: &str) -> Result<NodeId, chassis::Error> {
    text.parse().map_err(|error: kernel::id::ParseIdError| {
        chassis::Error::invalid("node_id", error.to_string())
    })
}
