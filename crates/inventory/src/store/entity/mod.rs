//! One file a table.
#![allow(
    missing_docs,
    unreachable_pub,
    reason = "sea-orm derives public items; the columns are explained in the migration"
)]

pub(crate) mod edge;
pub(crate) mod environment;
pub(crate) mod gpu;
pub(crate) mod join_token;
pub(crate) mod node;
pub(crate) mod token_request;
