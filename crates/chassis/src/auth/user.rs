//! People: what a key of theirs may do, in the team that it speaks for and in its projects.

use std::collections::BTreeMap;

use contracts::common::v1::Role;
use kernel::id::{ProjectId, TeamId, UserId};

use crate::{Error, Result};

/// A person in a team.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The person.
    pub id: UserId,
    /// The team that the key speaks for.
    pub team: TeamId,
    /// Role in the team.
    pub role: Role,
    /// Roles in projects of the team where the person has one of their own; [`Role::Unspecified`] = no access.
    pub projects: BTreeMap<ProjectId, Role>,
    /// May also manage the installation.
    pub operator: bool,
    /// What the key may do; `*` = all that the role may.
    pub scopes: Vec<String>,
}

impl User {
    pub(super) fn has_scope(&self, permission: &str) -> bool {
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

    /// The role that counts in a project: the person's own there, else that in the team. Who leads the team is never less than
    /// an admin in it. `None` = no access.
    pub fn role_in(&self, project: ProjectId) -> Option<Role> {
        let own = self.projects.get(&project).copied();
        let role = match own {
            Some(own) if self.role >= Role::Admin => own.max(Role::Admin),
            Some(own) => own,
            None => self.role,
        };
        Some(role).filter(|role| *role != Role::Unspecified)
    }

    /// Whether things of a project exist for this person. What is of no project belongs to the whole team.
    pub fn sees(&self, project_id: &str) -> bool {
        self.role_at(project_id).is_some()
    }

    /// Whether the person has at least `role` where a thing belongs, and the key the scope `permission`.
    pub fn may_in(&self, project_id: &str, role: Role, permission: &str) -> bool {
        let held = self.role_at(project_id);
        held.is_some_and(|held| held >= role) && self.has_scope(permission)
    }

    /// Checks that the person has at least `role` where a thing belongs.
    ///
    /// # Errors
    /// [`Error::Denied`] naming both roles otherwise.
    pub fn require_in(&self, project_id: &str, role: Role) -> Result<()> {
        let held = self.role_at(project_id).unwrap_or(Role::Unspecified);
        if held >= role {
            return Ok(());
        }
        let (needed, held) = (role_name(role), role_name(held));
        Err(Error::Denied(format!(
            "this needs the role {needed} in its project {project_id}, yours there is {held}"
        )))
    }

    /// Projects of the team that do not exist for this person.
    pub fn hidden_projects(&self) -> impl Iterator<Item = ProjectId> {
        let hidden = |project: &ProjectId| self.role_in(*project).is_none();
        self.projects.keys().copied().filter(hidden)
    }

    /// The role that counts where a thing belongs: in its project, and without one in the team.
    fn role_at(&self, project_id: &str) -> Option<Role> {
        let in_team = || Some(self.role).filter(|role| *role != Role::Unspecified);
        project_id
            .parse()
            .map_or_else(|_| in_team(), |project| self.role_in(project))
    }

    /// The highest role that the person has in the team or in one of its projects.
    pub(super) fn highest_role(&self) -> Role {
        self.projects.values().copied().fold(self.role, Role::max)
    }
}

/// A role as people write it.
pub(super) fn role_name(role: Role) -> String {
    match role {
        Role::Unspecified => "none".to_owned(),
        role => role
            .as_str_name()
            .trim_start_matches("ROLE_")
            .to_lowercase(),
    }
}
