//! Identity as its callers see it: two replicas on one database, started together, on each engine, with a real bus.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something else fails"
)]

mod authority;
mod bootstrap;
mod events;
mod house;
mod keys;
mod membership;
mod names;
mod project_members;
mod projects;
mod requests;
mod ssh_keys;
mod teams;
mod tokens;
