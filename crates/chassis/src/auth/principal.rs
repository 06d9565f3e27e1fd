//! Principals, and the rule that decides whether one may make a call.

use contracts::MethodAccess;
use kernel::id::{NodeId, TeamId};

use super::user::{User, role_name};
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
    let in_some_project = access.in_project && user.highest_role() >= least;
    if !user.has_role(least) && !in_some_project {
        let (least, has) = (role_name(least), role_name(user.role));
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
    use std::collections::{BTreeMap, BTreeSet};

    use contracts::ACCESS;
    use contracts::common::v1::Role;
    use kernel::id::{ProjectId, UserId};

    use super::*;

    fn user(role: Role, operator: bool, scopes: &[&str]) -> Principal {
        Principal::User(User {
            id: UserId::generate(),
            team: TeamId::generate(),
            role,
            projects: BTreeMap::new(),
            operator,
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        })
    }

    /// Every service that some call names, and one that none does.
    fn services() -> BTreeSet<&'static str> {
        let named = ACCESS.iter().flat_map(|access| access.services);
        named.copied().chain(["stranger"]).collect()
    }

    /// Role x call, for every call of every service: the rule. That the contracts name the right roles is held by the table that
    /// is checked in beside `contracts::access`.
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
            for service in services() {
                let allowed = access.services.contains(&service) || access.anonymous;
                let checked = Principal::Service(service.to_owned()).check(access);
                assert_eq!(checked.is_ok(), allowed, "{service} {}", access.path);
            }
        }
    }

    /// Role in the team x role in the project x call: only calls about projects' things open by a role in a project, and there
    /// the role in the project is what counts.
    #[test]
    fn a_role_in_a_project_opens_its_calls_only() {
        let (project, other) = (ProjectId::generate(), ProjectId::generate());
        let roles = [Role::Viewer, Role::Member, Role::Admin, Role::Owner];
        let own = [
            Role::Unspecified,
            Role::Viewer,
            Role::Member,
            Role::Admin,
            Role::Owner,
        ];
        for (role, own) in roles
            .into_iter()
            .flat_map(|role| own.map(|own| (role, own)))
        {
            let Principal::User(mut user) = user(role, false, &["*"]) else {
                unreachable!("it is a user")
            };
            user.projects.insert(project, own);
            let counts = if role >= Role::Admin {
                own.max(Role::Admin)
            } else {
                own
            };
            assert_eq!(user.role_in(other), Some(role));
            assert_eq!(
                user.role_in(project),
                (counts != Role::Unspecified).then_some(counts),
                "{role:?} {own:?}"
            );
            let hidden: Vec<_> = user.hidden_projects().collect();
            assert_eq!(hidden.contains(&project), counts == Role::Unspecified);
            assert_eq!(user.sees(&project.to_string()), hidden.is_empty());
            assert!(user.sees("") && user.sees(&other.to_string()));
            for least in roles {
                let may = counts >= least;
                let required = user.require_in(&project.to_string(), least);
                assert_eq!(required.is_ok(), may, "{role:?} {own:?} {least:?}");
                assert_eq!(
                    user.may_in(&project.to_string(), least, "notebook:write"),
                    may
                );
            }
            for access in ACCESS {
                let Some(least) = access.least_role() else {
                    continue;
                };
                let opened = access.in_project && own >= least;
                let allowed =
                    access.anonymous || least != Role::Operator && (role >= least || opened);
                let checked = Principal::User(user.clone()).check(access);
                assert_eq!(checked.is_ok(), allowed, "{role:?} {own:?} {}", access.path);
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
