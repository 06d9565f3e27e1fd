//! Tests of the house as a whole.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod collector;
mod crash;
mod deploy;
mod events;
mod idle;
mod installation;
mod invariants;
mod jupyter;
mod life;
mod notebook;
mod policy;
mod replicas;
mod rest;
mod sandbox;
mod silence;
mod split;
mod storm;
mod structure;
mod trust;
mod wiring;
