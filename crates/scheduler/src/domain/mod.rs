//! The rules of the scheduler, pure: where something fits, what follows an end, what is billable.

pub(crate) mod billable;
pub(crate) mod capacity;
pub(crate) mod cluster;
pub(crate) mod engine;
pub(crate) mod follow;
pub(crate) mod lifecycle;
pub(crate) mod queue;
