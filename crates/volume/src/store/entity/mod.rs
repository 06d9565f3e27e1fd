//! One file a table.
#![allow(
    missing_docs,
    unreachable_pub,
    reason = "sea-orm derives public items; the columns are explained in the migration"
)]

pub(crate) mod attempt;
pub(crate) mod copy;
pub(crate) mod cursor;
pub(crate) mod lost_node;
pub(crate) mod snapshot;
pub(crate) mod volume;
