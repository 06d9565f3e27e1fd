//! gRPC in and out: every server has health, reflection, identity and metrics; every client has a token, a deadline and the
//! trace of its caller.

mod client;
pub mod health;
mod server;

pub use client::{Caller, TokenSource, connect, retry};
pub use server::{Connection, Listener, Server};
