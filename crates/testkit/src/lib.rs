//! Starts real programs for tests, each with its own folder and a port that the system chose; they end with the value.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test cannot go on without what it starts"
)]

mod authority;
mod double;
mod engine;
mod identity;
mod lines;
mod nats;
mod port;
mod postgres;
mod program;
mod proxy;
mod service;
mod simulated;

pub use authority::Authority;
pub use engine::{Database, Engine};
pub use identity::{Identity, person};
pub use lines::Lines;
pub use nats::Nats;
pub use port::free_port;
pub use postgres::Postgres;
pub use proxy::{Faults, Happened, Proxy};
pub use service::{Bearer, Ready, Service, TestChannel, channel};
pub use simulated::{SimulatedNodes, SimulatedRun, simulated_node};

use std::time::{Duration, Instant};

/// Longest time that a test waits for a condition, such as the start of a program.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `condition` gives a value.
///
/// # Panics
/// When it does not within half a minute.
pub fn wait_for<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    wait_long_for(PATIENCE, what, condition)
}

/// Waits until `condition` gives a value, where half a minute is too short or too long.
///
/// # Panics
/// When it does not within `patience`.
pub fn wait_long_for<T>(
    patience: Duration,
    what: &str,
    mut condition: impl FnMut() -> Option<T>,
) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(
            started.elapsed() < patience,
            "waited {patience:?} for {what}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until the async `condition` gives a value.
///
/// # Panics
/// When it does not within half a minute.
pub async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut condition: impl FnMut() -> F,
) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(
            started.elapsed() < PATIENCE,
            "waited {PATIENCE:?} for {what}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
