//! `quire-agent`: the agent of one node as a program of its own.

use std::path::PathBuf;
use std::process::ExitCode;

use agent::AgentConfig;
use chassis::telemetry::{self, TelemetryConfig};
use clap::{Parser, Subcommand};

/// Runs workloads on this machine.
#[derive(Debug, Parser)]
#[command(name = "quire-agent", version)]
struct Cli {
    /// A setting, such as name=box, that comes after file and variables; several times.
    #[arg(long = "set", global = true, value_name = "KEY=VALUE", value_parser = chassis::config::setting)]
    settings: Vec<(String, String)>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes this machine a node, once.
    Join {
        /// The configuration, as TOML.
        #[arg(long)]
        config: Option<PathBuf>,
        /// One-time token, from an operator.
        #[arg(long, env = "QUIRE_JOIN_TOKEN", hide_env_values = true)]
        token: String,
    },
    /// Runs the agent.
    Run {
        /// The configuration, as TOML.
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// Reads the configuration and shows it.
    CheckConfig {
        /// The configuration, as TOML.
        #[arg(long)]
        config: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    // The hidden steps of a workload's start come first: they need none of what follows.
    let mut args = std::env::args_os().skip(1);
    match args.next().as_deref().and_then(|arg| arg.to_str()) {
        Some("shim") => agent::shim::main(args),
        Some("stage") => agent::shim::stage(args),
        _ => match command(Cli::parse()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("quire-agent: {error}");
                ExitCode::FAILURE
            }
        },
    }
}

type Failure = Box<dyn std::error::Error>;

fn command(cli: Cli) -> Result<(), Failure> {
    let telemetry_settings: TelemetryConfig = chassis::config::load("telemetry", None)?;
    let load = |file: Option<PathBuf>| -> Result<AgentConfig, Failure> {
        let settings = &cli.settings;
        Ok(chassis::config::load_with(
            "agent",
            file.as_deref(),
            settings,
        )?)
    };
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        // Inside the runtime: what sends traces needs it.
        let telemetry = telemetry::start("agent", &telemetry_settings)?;
        let done = match cli.command {
            Command::Join { config, token } => agent::join(&load(config)?, &token)
                .await
                .map_err(Failure::from),
            Command::Run { config } => {
                agent::serve(load(config)?, &telemetry_settings, &telemetry, || ())
                    .await
                    .map_err(Failure::from)
            }
            Command::CheckConfig { config } => {
                println!("{:#?}", load(config)?);
                Ok(())
            }
        };
        telemetry.shutdown();
        done
    })
}
