//! The agent as a program of its own: it runs until it is told to stop, and shows its metrics where that is wanted.

use std::sync::Arc;

use chassis::telemetry::{Telemetry, TelemetryConfig};
use chassis::{Address, Tasks, program};
use kernel::time::SystemClock;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::AgentConfig;

/// Runs the agent of a node that has joined until SIGTERM or Ctrl-C; workloads go on after it. `settings` are those that
/// `telemetry` was started with. Calls `ready` once it holds all attempts of before.
///
/// # Errors
/// In words: an address for metrics that cannot be listened on, and what [`crate::run`] says.
pub async fn serve(
    config: AgentConfig,
    settings: &TelemetryConfig,
    telemetry: &Telemetry,
    ready: impl FnOnce() + Send + 'static,
) -> Result<(), String> {
    let cancel = CancellationToken::new();
    let mut tasks = Tasks::new(cancel.clone());
    tasks.start("signals", program::stop_on_signal(cancel.clone()));
    if let Some(address) = settings.metrics {
        Address::Http(address.to_string()).check_listener()?;
        let listener = TcpListener::bind(address)
            .await
            .map_err(|cause| format!("listening on {address} for metrics: {cause}"))?;
        let page = telemetry.page();
        tasks.start(
            "metrics",
            program::serve_metrics(listener, page, cancel.clone()),
        );
    }
    let clock = Arc::new(SystemClock);
    tasks.start("agent", crate::run(config, clock, cancel, ready));
    tasks.run().await
}
