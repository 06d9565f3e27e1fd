//! Volume as its callers see it: two replicas on one database, on each engine, with a real bus.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something else fails"
)]

mod attachment;
mod deletion;
mod house;
mod loss;
mod ownership;
mod quota;
mod release;
mod scheduler;
mod snapshot;
mod storage;
