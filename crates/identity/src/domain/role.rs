//! Roles, and who may give which. Where a role may be missing, `None` is less than all of them.

use chassis::{Error, Result};

/// What a member may do in a team, or in one of its projects. Higher ones include everything that lower ones may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Viewer,
    Member,
    Admin,
    Owner,
}

/// Name as people write it.
pub(crate) const fn name(role: Option<Role>) -> &'static str {
    match role {
        None => "none",
        Some(Role::Viewer) => "viewer",
        Some(Role::Member) => "member",
        Some(Role::Admin) => "admin",
        Some(Role::Owner) => "owner",
    }
}

/// Checks that who has `own` in the team may give `asked` to a member of it: nothing above their own.
pub(crate) fn check_grant(own: Option<Role>, asked: Role) -> Result<()> {
    if Some(asked) > own {
        let (asked, own) = (name(Some(asked)), name(own));
        return Err(Error::Denied(format!(
            "the role {asked} is above your own, which is {own}"
        )));
    }
    Ok(())
}

/// Checks that who has `own` in the team may change what a member has there from `held` to `new`; `None` = they are not in the
/// team. A role above one's own stays as it is, and so does the last of the team's `owners`.
pub(crate) fn check_change(
    own: Option<Role>,
    held: Option<Role>,
    new: Option<Role>,
    owners: u64,
) -> Result<()> {
    if let Some(new) = new {
        check_grant(own, new)?;
    }
    if held > own {
        let held = name(held);
        return Err(Error::Denied(format!(
            "this member is {held}, above your own role; an owner must change it"
        )));
    }
    if held == Some(Role::Owner) && new < held && owners <= 1 {
        return Err(Error::Precondition(
            "this is the team's last owner; make somebody else an owner first".to_owned(),
        ));
    }
    Ok(())
}

/// Checks that who has `own` in a project may change what a member has there from `held` to `given`; `None` = no access.
pub(crate) fn check_project_grant(
    own: Option<Role>,
    held: Option<Role>,
    given: Option<Role>,
) -> Result<()> {
    for (role, whose) in [
        (given, "the role that is given"),
        (held, "the role of this member"),
    ] {
        if role > own {
            let (role, own) = (name(role), name(own));
            return Err(Error::Denied(format!(
                "{whose}, {role}, is above your own in this project, which is {own}"
            )));
        }
    }
    Ok(())
}

/// The role that counts in a project: the one of their own there (`Some(None)` = no access), else that in the team. Who leads the
/// team is never less than an admin in it. As `chassis::auth::User::role_in` has it for a caller.
pub(crate) fn counts_in_project(in_team: Option<Role>, own: Option<Option<Role>>) -> Option<Role> {
    match own {
        Some(own) if in_team >= Some(Role::Admin) => own.max(Some(Role::Admin)),
        Some(own) => own,
        None => in_team,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn role() -> impl Strategy<Value = Role> {
        prop::sample::select(vec![Role::Viewer, Role::Member, Role::Admin, Role::Owner])
    }

    fn maybe() -> impl Strategy<Value = Option<Role>> {
        prop::option::of(role())
    }

    proptest! {
        /// Whatever is asked of whom: nobody has more afterwards than who changed it, and nobody who had more has less.
        #[test]
        fn nobody_gives_or_takes_above_their_own(own in maybe(), held in maybe(), new in maybe(), owners in 0_u64..4) {
            let team = check_change(own, held, new, owners).is_ok();
            let project = check_project_grant(own, held, new).is_ok();
            prop_assert_eq!(project, new.max(held) <= own);
            prop_assert!(!team || new.max(held) <= own);
            if let Some(asked) = new {
                prop_assert_eq!(check_grant(own, asked).is_ok(), new <= own);
            }
        }

        /// A sequence of changes by anybody, each of them checked, never leaves a team without an owner.
        #[test]
        fn a_team_keeps_an_owner(changes in prop::collection::vec((0_usize..4, 0_usize..4, maybe()), 0..40)) {
            let mut team = [Some(Role::Owner), None, None, None];
            for (who, whom, new) in changes {
                let owners = team.iter().filter(|role| **role == Some(Role::Owner)).count();
                if check_change(team[who], team[whom], new, owners as u64).is_ok() {
                    team[whom] = new;
                }
                prop_assert!(team.contains(&Some(Role::Owner)), "{team:?}");
            }
        }

        /// The rule for somebody who does not call is the one for callers.
        #[test]
        fn a_role_counts_as_callers_count(in_team in role(), own in prop::option::of(maybe())) {
            let wire = |role| crate::app::role::to_wire(role);
            let project = kernel::id::ProjectId::generate();
            let caller = chassis::auth::User {
                id: kernel::id::UserId::generate(),
                team: kernel::id::TeamId::generate(),
                role: wire(Some(in_team)),
                projects: own.map(|own| (project, wire(own))).into_iter().collect(),
                operator: false,
                scopes: Vec::new(),
            };
            let counts = counts_in_project(Some(in_team), own);
            prop_assert_eq!(counts.map(|role| wire(Some(role))), caller.role_in(project));
        }

        /// With owners enough, only the order of roles decides.
        #[test]
        fn an_owner_may_change_anybody(held in maybe(), new in maybe()) {
            prop_assert!(check_change(Some(Role::Owner), held, new, 2).is_ok());
        }
    }
}
