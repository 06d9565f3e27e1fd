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
    use std::path::Path;

    use super::*;

    /// Who may make each call, checked in: a changed role in a contract changes this file, where a reviewer sees it.
    const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/access.txt");
    const HEAD: [&str; 7] = [
        "# call",
        "least-role",
        "in-project",
        "permission",
        "services",
        "agent",
        "anonymous",
    ];

    fn cells(access: &MethodAccess) -> [String; 7] {
        let or_dash = |text: String| {
            if text.is_empty() {
                "-".to_owned()
            } else {
                text
            }
        };
        let flag = |set: bool, name: &str| if set { name } else { "-" }.to_owned();
        let role = access.least_role().map(|role| role.as_str_name());
        let role = role.map(|name| name.trim_start_matches("ROLE_").to_lowercase());
        [
            access.path.to_owned(),
            or_dash(role.unwrap_or_default()),
            flag(access.in_project, "in-project"),
            or_dash(access.permission.to_owned()),
            or_dash(access.services.join(",")),
            flag(access.agent, "agent"),
            flag(access.anonymous, "anonymous"),
        ]
    }

    /// One line a call, columns aligned.
    fn table() -> String {
        let head = HEAD.map(str::to_owned);
        let rows: Vec<_> = std::iter::once(head)
            .chain(ACCESS.iter().map(cells))
            .collect();
        let mut widths = [0; 7];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.len().max(*width);
            }
        }
        let line = |row: &[String; 7]| {
            let padded = row.iter().zip(widths);
            let padded: Vec<_> = padded
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            format!("{}\n", padded.join("  ").trim_end())
        };
        rows.iter().map(line).collect()
    }

    #[test]
    #[allow(
        clippy::disallowed_methods,
        reason = "the way to rewrite the file on purpose is no configuration of a program"
    )]
    fn who_may_make_each_call_is_as_it_was_reviewed() {
        let made = table();
        if std::env::var("QUIRE_UPDATE_ACCESS").is_ok() {
            std::fs::write(TABLE, &made).unwrap();
        }
        let kept = std::fs::read_to_string(Path::new(TABLE)).unwrap_or_default();
        assert!(
            kept == made,
            "who may make a call has changed: look at the change, then run this test with QUIRE_UPDATE_ACCESS=1"
        );
    }

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
