//! The bus on a real NATS and both database engines.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something else fails"
)]

mod consume;
mod dead;
mod house;
mod permissions;
mod relay;
mod routes;
mod secure;
mod streams;
mod wipe;
