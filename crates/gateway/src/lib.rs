//! The door for people and programs: REST under `/v1` with its OpenAPI document, and gRPC pass-through, on one port. It owns
//! no tables and no events: it knows who calls, what they may ask for, and which service answers.

mod config;
mod door;
mod grpc;
mod keys;
mod rest;
mod server;
mod upstream;

use std::sync::Arc;

use chassis::grpc::Listener;
use chassis::{Address, Result};
use kernel::Clock;
use tokio_util::sync::CancellationToken;

pub use config::{GatewayConfig, Limits};
pub use rest::openapi;

/// Serves until `cancel`, then finishes what is in flight within [`chassis::tasks::GRACE`]. `ready` is told where it listens.
///
/// # Errors
/// A configuration that cannot be used, a listener that may not be open or is taken.
pub async fn run(
    config: GatewayConfig,
    clock: Arc<dyn Clock>,
    cancel: CancellationToken,
    ready: impl FnOnce(&Address),
) -> Result<()> {
    config.limits.check()?;
    let listener = Listener::bind(&config.listen, &config.tls).await?;
    let door = door::Door::new(&config, clock, cancel.clone())?;
    tracing::info!(address = %listener.address(), "listening");
    ready(listener.address());
    server::serve(listener, door, &config.limits, cancel).await;
    Ok(())
}
