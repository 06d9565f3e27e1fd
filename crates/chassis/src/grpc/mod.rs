//! gRPC in and out: every server has health, reflection, identity and metrics; every client has a token, a deadline and the
//! trace of its caller.

mod client;
mod connection;
pub mod health;
mod listener;
mod secure;
mod server;
#[cfg(test)]
mod tests;

pub use client::{Caller, TokenSource, connect, retry};
pub use connection::Connection;
pub use listener::Listener;
pub use server::Server;
