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
mod installation;
mod jupyter;
mod notebook;
mod policy;
mod sandbox;
mod split;
mod structure;
mod trust;
