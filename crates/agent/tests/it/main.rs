//! The agent against a control plane that the tests play, on this machine: real shims, real sandboxes, real environments.
//! Run as root, all protections are tried; without, what needs root says so and asserts that the agent reports the lack.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that finds something else fails"
)]

mod adopt;
mod control;
mod degraded;
mod edge;
mod environments;
mod exec;
mod gpu;
mod join;
mod jupyter;
mod life;
mod limits;
mod link;
mod node;
mod notice;
mod ports;
mod relay;
mod remote;
mod sandbox;
mod shim;
mod signs;
mod space;
mod storage;
mod warm;
