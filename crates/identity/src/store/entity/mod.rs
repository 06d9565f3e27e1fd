//! One file a table.
#![allow(
    missing_docs,
    unreachable_pub,
    reason = "sea-orm derives public items; the columns are explained in the migration"
)]

pub(crate) mod authority;
pub(crate) mod key;
pub(crate) mod member;
pub(crate) mod project;
pub(crate) mod project_member;
pub(crate) mod request;
pub(crate) mod revoked_node;
pub(crate) mod signing_key;
pub(crate) mod ssh_key;
pub(crate) mod team;
pub(crate) mod user;
