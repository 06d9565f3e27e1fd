//! `quire agent`: this machine as a node of a Quire that runs elsewhere.

use std::path::Path;
use std::sync::Arc;

use agent::AgentConfig;
use anyhow::{Context, Result};
use chassis::telemetry::{self, TelemetryConfig};
use chassis::{Address, Tasks, program};
use kernel::time::SystemClock;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::cli::{AgentArgs, Output};
use crate::print;

/// The node that this machine is, for programs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Joined {
    node_id: String,
}

/// Joins if need be, then runs the agent until it is told to stop.
pub(crate) async fn run(args: AgentArgs, data_dir: &Path, output: Output) -> Result<()> {
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
    let joined = Joined {
        node_id: agent::node_id(&config)?,
    };
    let ready = move || {
        print::note("this machine is a node now; stop with Ctrl-C, what runs here goes on");
        if output == Output::Json {
            print::json(&joined).ok();
        }
    };
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
