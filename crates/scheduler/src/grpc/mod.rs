//! The calls of the scheduler: decode, call the app, encode.

mod link;
mod record;
mod workloads;

pub(crate) use link::LinkApi;
pub(crate) use record::RecordApi;
pub(crate) use workloads::WorkloadsApi;
