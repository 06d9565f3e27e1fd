//! The calls of the scheduler: decode, call the app, encode.

mod link;
mod queues;
mod record;
mod workloads;

pub(crate) use link::LinkApi;
pub(crate) use queues::QueuesApi;
pub(crate) use record::RecordApi;
pub(crate) use workloads::WorkloadsApi;
