//! `quire agent`: this machine as a node of a Quire that runs elsewhere.

use std::path::Path;

use agent::AgentConfig;
use anyhow::{Context, Result};
use chassis::Address;
use chassis::telemetry::{self, TelemetryConfig};
use serde::Serialize;

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
    let settings: TelemetryConfig = chassis::config::load("telemetry", None)?;
    let telemetry = telemetry::start("quire-agent", &settings)?;
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
        warm: args.warm,
        simulate_gpus: args.simulate_gpus,
        require_full_isolation: args.require_full_isolation,
        denied_networks: args.denied_networks,
        workload_network: args
            .workload_network
            .unwrap_or(defaults.workload_network.clone()),
        ..defaults
    };
    if let Some(token) = &args.token {
        agent::join(&config, token).await.context("joining")?;
    }
    let joined = Joined {
        node_id: agent::node_id(&config)?,
    };
    let ready = move || {
        print::note("this machine is a node now; stop with Ctrl-C, what runs here goes on");
        if output == Output::Json {
            print::json(&joined).ok();
        }
    };
    let outcome = agent::serve(config, &settings, &telemetry, ready).await;
    telemetry.shutdown();
    outcome.map_err(|failure| anyhow::anyhow!(failure))
}
