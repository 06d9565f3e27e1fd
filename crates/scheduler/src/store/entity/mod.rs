//! One file a table.
#![allow(
    missing_docs,
    unreachable_pub,
    reason = "sea-orm derives public items; the columns are explained in the migration"
)]

pub(crate) mod attempt;
pub(crate) mod device;
pub(crate) mod node;
pub(crate) mod queue;
pub(crate) mod workload;
