//! What every program of the house stands on. Nothing here knows what a notebook or an invoice is.

pub mod address;
pub mod auth;
pub mod authority;
pub mod config;
pub mod database;
pub mod error;
pub mod grpc;
pub mod lease;
pub mod page;
pub mod pick;
pub mod program;
pub mod seal;
pub mod socket;
pub mod tasks;
pub mod telemetry;
pub mod tls;

pub use address::Address;
pub use database::Database;
pub use error::{Error, Result};
pub use tasks::Tasks;
