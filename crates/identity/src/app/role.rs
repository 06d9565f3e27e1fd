//! Roles between the domain and what is outside: the contract's enumeration, whose numbers the tables keep, too.

use chassis::auth::User;
use contracts::common::v1::Role as Wire;
use kernel::id::ProjectId;

use crate::domain::role::Role;

/// The role that the wire says; `None` for none of a team.
pub(crate) const fn from_wire(role: Wire) -> Option<Role> {
    match role {
        Wire::Viewer => Some(Role::Viewer),
        Wire::Member => Some(Role::Member),
        Wire::Admin => Some(Role::Admin),
        Wire::Owner => Some(Role::Owner),
        Wire::Unspecified | Wire::Operator => None,
    }
}

/// As the wire says it.
pub(crate) const fn to_wire(role: Option<Role>) -> Wire {
    match role {
        None => Wire::Unspecified,
        Some(Role::Viewer) => Wire::Viewer,
        Some(Role::Member) => Wire::Member,
        Some(Role::Admin) => Wire::Admin,
        Some(Role::Owner) => Wire::Owner,
    }
}

/// As a table keeps it.
pub(super) fn number(role: Option<Role>) -> i32 {
    to_wire(role).into()
}

/// From a table. Zero is none; a number that this version does not know is none, too: it opens nothing.
pub(super) fn from_number(number: i32) -> Option<Role> {
    Wire::try_from(number).ok().and_then(from_wire)
}

/// The caller's role in their team.
pub(super) const fn of(caller: &User) -> Option<Role> {
    from_wire(caller.role)
}

/// The caller's role in a project.
pub(super) fn in_project(caller: &User, project_id: &str) -> Option<Role> {
    let project: ProjectId = project_id.parse().ok()?;
    caller.role_in(project).and_then(from_wire)
}
