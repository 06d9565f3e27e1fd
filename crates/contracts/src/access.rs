//! Who may make each call, as the contracts say it.

use crate::common::v1::Role;

/// Who may make one call.
#[derive(Clone, Copy, Debug)]
pub struct MethodAccess {
    /// Path of the call, `/package.Service/Method`.
    pub path: &'static str,
    /// Anyone may, without a token.
    pub anonymous: bool,
    /// Number of the least [`Role`] of users that may; 0 = no user may.
    least_role: i32,
    /// What an API key's scopes must include.
    pub permission: &'static str,
    /// Services that may.
    pub services: &'static [&'static str],
    /// Agents may, for their own node.
    pub agent: bool,
    /// The least role may be held in a project; the service checks in which.
    pub in_project: bool,
}

impl MethodAccess {
    /// The least role of users that may call; `None` = no user may.
    pub fn least_role(&self) -> Option<Role> {
        Role::try_from(self.least_role)
            .ok()
            .filter(|role| *role != Role::Unspecified)
    }
}

/// Every call of every service.
pub const ACCESS: &[MethodAccess] = include!(concat!(env!("OUT_DIR"), "/access.rs"));

/// Who may make the call with this path; `None` when there is no such call.
pub fn access_of(path: &str) -> Option<&'static MethodAccess> {
    ACCESS.iter().find(|access| access.path == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_says_who_may_make_it() {
        assert!(ACCESS.len() > 30);
        for access in ACCESS {
            let open = access.anonymous || access.agent || !access.services.is_empty();
            assert!(
                open || access.least_role().is_some(),
                "nobody may call {}",
                access.path
            );
            let scoped =
                access.permission.ends_with(":read") || access.permission.ends_with(":write");
            assert_eq!(access.least_role().is_some(), scoped, "{}", access.path);
        }
    }
}
