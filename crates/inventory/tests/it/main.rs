//! Inventory as its callers see it: two replicas on one database, on each engine, with a real bus.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something else fails"
)]

mod catalogue;
mod certificate;
mod departure;
mod edges;
mod environments;
mod heartbeat;
mod house;
mod join;
mod silence;
