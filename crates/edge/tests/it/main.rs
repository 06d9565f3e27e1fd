//! The door with real NATS, a played agent and played notebooks.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod access;
mod activity;
mod client;
mod drain;
mod house;
mod idle;
mod limits;
mod pages;
mod passing;
mod ports;
mod relay;
mod remote;
mod routes;
mod secure;
mod shares;
mod ssh;
mod websocket;
