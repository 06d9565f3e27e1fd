//! The calls of the scheduler: decode, call the app, encode.

mod link;
mod workloads;

pub(crate) use link::LinkApi;
pub(crate) use workloads::WorkloadsApi;
