//! A service as a program of its own: `serve`, `migrate`, `check-config`, `health`. Every container's entry is this.

use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use clap::{Parser, Subcommand};
use kernel::Clock;
use kernel::time::SystemClock;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::config::{self, ConfigError, Listens};
use crate::grpc::health;
use crate::telemetry::{self, MetricsPage, TelemetryConfig};
use crate::{Error, Result, Tasks, error};

/// A service of Quire. Telemetry is configured by QUIRE_TELEMETRY_… variables.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    /// Configuration as TOML; QUIRE_<AREA>_… variables come after it.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A setting, such as bus.url=tls://nats:4222, that comes after file and variables; several times. Never a secret.
    #[arg(long = "set", global = true, value_name = "KEY=VALUE", value_parser = config::setting)]
    settings: Vec<(String, String)>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Command {
    /// Bring the database up to date, then serve until told to stop.
    Serve,
    /// Bring the database up to date.
    Migrate,
    /// Read the configuration and show it, without its secrets.
    CheckConfig,
    /// Ask the program that serves with this configuration whether it does; the exit code says it.
    Health,
}

/// Runs the program of the service `area`: `migrate` brings its database up to date, `serve` runs it until the token is cancelled.
pub fn main<C, M, S, MigrateFuture, ServeFuture>(
    area: &'static str,
    migrate: M,
    serve: S,
) -> ExitCode
where
    C: Listens + Default + Serialize + DeserializeOwned + std::fmt::Debug,
    M: FnOnce(C) -> MigrateFuture,
    S: FnOnce(C, Arc<dyn Clock>, CancellationToken) -> ServeFuture,
    MigrateFuture: Future<Output = Result<()>>,
    ServeFuture: Future<Output = Result<()>> + Send + 'static,
{
    let cli = Cli::parse();
    crate::tls::install_provider();
    let outcome = load::<C>(area, cli.config, &cli.settings).and_then(|(settings, telemetry)| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|cause| format!("starting the runtime: {cause}"))?;
        match cli.command {
            Command::CheckConfig => {
                println!("{settings:#?}");
                Ok(())
            }
            Command::Migrate => runtime
                .block_on(migrate(settings))
                .map_err(|failure| error::chain(&failure)),
            Command::Health => runtime
                .block_on(health::of(&settings))
                .map_err(|failure| error::chain(&failure)),
            Command::Serve => runtime.block_on(run(area, settings, telemetry, serve)),
        }
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("quire-{area}: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn load<C: Default + Serialize + DeserializeOwned>(
    area: &'static str,
    file: Option<PathBuf>,
    settings: &[(String, String)],
) -> Result<(C, TelemetryConfig), String> {
    let read = || -> Result<_, ConfigError> {
        Ok((
            config::load_with(area, file.as_deref(), settings)?,
            config::load("telemetry", None)?,
        ))
    };
    read().map_err(|problem| problem.to_string())
}

async fn run<C, S, ServeFuture>(
    area: &'static str,
    settings: C,
    telemetry: TelemetryConfig,
    serve: S,
) -> Result<(), String>
where
    S: FnOnce(C, Arc<dyn Clock>, CancellationToken) -> ServeFuture,
    ServeFuture: Future<Output = Result<()>> + Send + 'static,
{
    let started = telemetry::start(area, &telemetry).map_err(|problem| problem.to_string())?;
    let cancel = CancellationToken::new();
    let mut tasks = Tasks::new(cancel.clone());
    tasks.start("signals", stop_on_signal(cancel.clone()));
    if let Some(address) = telemetry.metrics {
        crate::Address::Http(address.to_string()).check_listener()?;
        let listener = TcpListener::bind(address)
            .await
            .map_err(|cause| format!("listening on {address} for metrics: {cause}"))?;
        tasks.start(
            "metrics",
            serve_metrics(listener, started.page(), cancel.clone()),
        );
    }
    tasks.start(area, serve(settings, Arc::new(SystemClock), cancel));
    let outcome = tasks.run().await;
    started.shutdown();
    outcome
}

/// Waits for the signal to stop (SIGTERM, or Ctrl-C), then cancels `cancel`.
///
/// # Errors
/// When signals cannot be listened to.
pub async fn stop_on_signal(cancel: CancellationToken) -> Result<()> {
    let failed = |cause| Error::internal("listening to signals", cause);
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    tokio::select! {
        () = cancel.cancelled() => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    cancel.cancel();
    Ok(())
}

/// Serves `/metrics` until `cancel`.
///
/// # Errors
/// When the listener breaks.
pub async fn serve_metrics(
    listener: TcpListener,
    page: MetricsPage,
    cancel: CancellationToken,
) -> Result<()> {
    let routes = Router::new().route("/metrics", get(move || std::future::ready(page.render())));
    axum::serve(listener, routes)
        .with_graceful_shutdown(cancel.cancelled_owned())
        .await
        .map_err(|cause| Error::internal("serving metrics", cause))
}
