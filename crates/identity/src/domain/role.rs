//! Who may give which role.

use chassis::auth::User;
use chassis::{Error, Result};
use contracts::common::v1::Role;

/// Name as people write it.
pub(crate) fn name(role: Role) -> String {
    if role == Role::Unspecified {
        return "none".to_owned();
    }
    role.as_str_name()
        .trim_start_matches("ROLE_")
        .to_lowercase()
}

/// Checks that `giver` may give `role` to a member of the team: a team role, and not above the giver's own.
pub(crate) fn check_grant(giver: &User, role: Role) -> Result<()> {
    if matches!(role, Role::Unspecified | Role::Operator) {
        return Err(Error::invalid(
            "role",
            "is missing; one of viewer, member, admin, owner is needed",
        ));
    }
    if role > giver.role {
        let (asked, own) = (name(role), name(giver.role));
        return Err(Error::Denied(format!(
            "the role {asked} is above your own, which is {own}"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use kernel::id::{TeamId, UserId};

    use super::*;

    #[test]
    fn nobody_gives_more_than_they_have() {
        let roles = [Role::Viewer, Role::Member, Role::Admin, Role::Owner];
        for own in roles {
            let giver = User {
                id: UserId::generate(),
                team: TeamId::generate(),
                role: own,
                projects: BTreeMap::new(),
                operator: true,
                scopes: vec!["*".to_owned()],
            };
            for role in roles {
                assert_eq!(
                    check_grant(&giver, role).is_ok(),
                    role <= own,
                    "{own:?} gives {role:?}"
                );
            }
            assert!(check_grant(&giver, Role::Operator).is_err());
            assert!(check_grant(&giver, Role::Unspecified).is_err());
        }
    }
}
