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
mod nats;
mod postgres;
mod service;

pub use authority::Authority;
pub use engine::{Database, Engine};
pub use identity::{Identity, person};
pub use nats::Nats;
pub use postgres::Postgres;
pub use service::{Bearer, Ready, Service, TestChannel};

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest time that a program may take to start.
const START: Duration = Duration::from_secs(30);

/// A program that ends with this value.
#[derive(Debug)]
struct Program(Child);

impl Program {
    fn start(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        Self(child.unwrap_or_else(|error| {
            panic!("starting {command:?}: {error}; scripts/test installs what tests need")
        }))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Waits until `condition` gives a value.
///
/// # Panics
/// When it does not within half a minute.
pub fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(started.elapsed() < START, "waited {START:?} for {what}");
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
        assert!(started.elapsed() < START, "waited {START:?} for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
