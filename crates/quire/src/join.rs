//! `quire agent`: this machine as a node of a Quire that runs elsewhere.

use std::path::Path;
use std::sync::Arc;

use agent::AgentConfig;
use anyhow::{Context, Result};
use chassis::telemetry::{self, TelemetryConfig};
use chassis::{Address, Tasks, program};
use kernel::time::SystemClock;
use tokio_util::sync::CancellationToken;

use crate::cli::AgentArgs;
use crate::print;

/// Joins if need be, then runs the agent until it is told to stop.
pub(crate) async fn run(args: AgentArgs, data_dir: &Path) -> Result<()> {
    let telemetry = telemetry::start("quire-agent", &TelemetryConfig::default())?;
    // The gateway passes every call on: one address is enough.
    let server: Address = args.server.parse().context("reading --server")?;
    let defaults = AgentConfig::default();
    let config = AgentConfig {
        data_dir: data_dir.join("agent"),
        run_dir: data_dir.join("run"),
        relay_dir: data_dir.join("run"),
        identity: server.clone(),
        inventory: server.clone(),
        scheduler: server.clone(),
        volume: server,
        authority: args.authority,
        name: args.name.unwrap_or(defaults.name.clone()),
        denied_networks: args.denied_networks,
        cpu_overcommit: args.cpu_overcommit,
        require_full_isolation: args.require_full_isolation,
        workload_network: args
            .workload_network
            .unwrap_or(defaults.workload_network.clone()),
        ..defaults
    };
    if let Some(token) = &args.token {
        agent::join(&config, token).await.context("joining")?;
    }
    let cancel = CancellationToken::new();
    let mut tasks = Tasks::new(cancel.clone());
    tasks.start("signals", program::stop_on_signal(cancel.clone()));
    let ready =
        || print::note("this machine is a node now; stop with Ctrl-C, what runs here goes on");
    tasks.start(
        "agent",
        agent::run(config, Arc::new(SystemClock), cancel, ready),
    );
    let outcome = tasks
        .run()
        .await
        .map_err(|failure| anyhow::anyhow!(failure));
    telemetry.shutdown();
    outcome
}
