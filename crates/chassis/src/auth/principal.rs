//! Principals, and the rule that decides whether one may make a call.

use contracts::MethodAccess;
use contracts::common::v1::Role;
use kernel::id::{NodeId, TeamId, UserId};

use crate::{Error, Result};

/// Who makes a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// Nobody that is known.
    Anonymous,
    /// A person, or a program with a person's key.
    User(User),
    /// A service of this house.
    Service(String),
    /// The agent of a node.
    Agent(NodeId),
}

/// A person in a team.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The person.
    pub id: UserId,
    /// The team that the key speaks for.
    pub team: TeamId,
    /// Role in the team.
    pub role: Role,
    /// May also manage the installation.
    pub operator: bool,
    /// What the key may do; `*` = all that the role may.
    pub scopes: Vec<String>,
}

impl User {
    fn has_scope(&self, permission: &str) -> bool {
        let read_by_write = permission
            .strip_suffix(":read")
            .map(|area| format!("{area}:write"));
        self.scopes.iter().any(|scope| {
            scope == "*" || scope == permission || read_by_write.as_ref() == Some(scope)
        })
    }

    /// Whether the user has at least `role`, and the key the scope `permission`.
    pub fn may(&self, role: Role, permission: &str) -> bool {
        self.has_role(role) && self.has_scope(permission)
    }

    /// Whether the user has at least `role`.
    pub fn has_role(&self, role: Role) -> bool {
        match role {
            Role::Unspecified => false,
            Role::Operator => self.operator,
            Role::Viewer | Role::Member | Role::Admin | Role::Owner => self.role >= role,
        }
    }
}

impl Principal {
    /// Whether this principal may make the call that `access` describes.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] for nobody, [`Error::Denied`] naming the missing permission for others.
    pub fn check(&self, access: &MethodAccess) -> Result<()> {
        if access.anonymous {
            return Ok(());
        }
        match self {
            Self::Anonymous => Err(Error::Unauthenticated(
                "You must be logged in to access this method.".to_owned(),
            )),
            Self::Service(name) if access.services.contains(&name.as_str()) => Ok(()),
            Self::Service(name) => Err(denied(
                access,
                &format!("service {name} is not among its callers"),
            )),
            Self::Agent(_) if access.agent => Ok(()),
            Self::Agent(node) => Err(denied(
                access,
                &format!("it is not for agents such as {node}"),
            )),
            Self::User(user) => check_user(user, access),
        }
    }

    /// The user.
    ///
    /// # Errors
    /// [`Error::Denied`] for other principals.
    pub fn user(&self) -> Result<&User> {
        match self {
            Self::User(user) => Ok(user),
            Self::Anonymous | Self::Service(_) | Self::Agent(_) => {
                Err(Error::Denied("only users may make this call".to_owned()))
            }
        }
    }

    /// Checks that an agent speaks of its own node.
    ///
    /// # Errors
    /// [`Error::Denied`] otherwise.
    pub fn require_node(&self, node_id: &str) -> Result<NodeId> {
        match self {
            Self::Agent(node) if node.to_string() == node_id => Ok(*node),
            Self::Agent(node) => Err(Error::Denied(format!(
                "the agent of {node} may not speak of another node"
            ))),
            Self::Anonymous | Self::User(_) | Self::Service(_) => {
                Err(Error::Denied("only agents may make this call".to_owned()))
            }
        }
    }

    /// The team that the call is about: a user's own; for a service the one that it names, for which the intent was checked
    /// when it was written.
    ///
    /// # Errors
    /// [`Error::Denied`] for others, [`Error::Invalid`] when a service names none.
    pub fn team(&self, named: &str) -> Result<TeamId> {
        match self {
            Self::User(user) => Ok(user.team),
            Self::Service(_) => named.parse().map_err(|error: kernel::id::ParseIdError| {
                Error::invalid("team_id", error.to_string())
            }),
            Self::Anonymous | Self::Agent(_) => Err(Error::Denied(
                "only users and services may make this call".to_owned(),
            )),
        }
    }
}

fn denied(access: &MethodAccess, why: &str) -> Error {
    let call = access.path.rsplit('/').next().unwrap_or(access.path);
    Error::Denied(format!("{call} is refused: {why}"))
}

fn check_user(user: &User, access: &MethodAccess) -> Result<()> {
    let Some(least) = access.least_role() else {
        return Err(denied(access, "it is not for users"));
    };
    if !user.has_role(least) {
        let least = least
            .as_str_name()
            .trim_start_matches("ROLE_")
            .to_lowercase();
        let has = user
            .role
            .as_str_name()
            .trim_start_matches("ROLE_")
            .to_lowercase();
        let why = format!(
            "permission {} is missing; it needs the role {least}, yours is {has}",
            access.permission
        );
        return Err(denied(access, &why));
    }
    if !user.has_scope(access.permission) {
        let why = format!(
            "permission {} is missing from the scopes of your key",
            access.permission
        );
        return Err(denied(access, &why));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use contracts::ACCESS;

    use super::*;

    fn user(role: Role, operator: bool, scopes: &[&str]) -> Principal {
        Principal::User(User {
            id: UserId::generate(),
            team: TeamId::generate(),
            role,
            operator,
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        })
    }

    /// Role x call, for every call of every service.
    #[test]
    fn every_role_may_make_exactly_the_calls_of_its_contract() {
        let roles = [Role::Viewer, Role::Member, Role::Admin, Role::Owner];
        for access in ACCESS {
            for role in roles {
                for operator in [false, true] {
                    let allowed = match access.least_role() {
                        None => access.anonymous,
                        Some(Role::Operator) => operator,
                        Some(least) => role >= least,
                    };
                    let checked = user(role, operator, &["*"]).check(access);
                    assert_eq!(
                        checked.is_ok(),
                        allowed,
                        "{role:?} operator={operator} {}",
                        access.path
                    );
                }
            }
            let anonymous = Principal::Anonymous.check(access).is_ok();
            assert_eq!(anonymous, access.anonymous, "{}", access.path);
            let agent = Principal::Agent(NodeId::generate()).check(access).is_ok();
            assert_eq!(agent, access.agent || access.anonymous, "{}", access.path);
            for service in [
                "identity",
                "inventory",
                "volume",
                "scheduler",
                "billing",
                "notebook",
                "gateway",
                "edge",
            ] {
                let allowed = access.services.contains(&service) || access.anonymous;
                let checked = Principal::Service(service.to_owned()).check(access);
                assert_eq!(checked.is_ok(), allowed, "{service} {}", access.path);
            }
        }
    }

    #[test]
    fn scopes_narrow_a_role() {
        let find = |call: &str| {
            ACCESS
                .iter()
                .find(|access| access.path.ends_with(call))
                .unwrap()
        };
        let reader = user(Role::Owner, true, &["notebook:read"]);
        assert!(reader.check(find("/ListNotebooks")).is_ok());
        let error = reader
            .check(find("/CreateNotebook"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("permission notebook:write is missing"),
            "{error}"
        );
        assert!(reader.check(find("/GetInvoice")).is_err());
        assert!(
            user(Role::Member, false, &["notebook:write"])
                .check(find("/ListNotebooks"))
                .is_ok()
        );

        let error = user(Role::Viewer, false, &["*"])
            .check(find("/CreateNotebook"))
            .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("needs the role member, yours is viewer"),
            "{error}"
        );
    }

    #[test]
    fn agents_speak_of_their_own_node_only() {
        let (own, other) = (NodeId::generate(), NodeId::generate());
        assert_eq!(
            Principal::Agent(own)
                .require_node(&own.to_string())
                .unwrap(),
            own
        );
        assert!(
            Principal::Agent(own)
                .require_node(&other.to_string())
                .is_err()
        );
        assert!(
            user(Role::Owner, true, &["*"])
                .require_node(&own.to_string())
                .is_err()
        );
    }
}
