//! `quire up` and `quire down`: all of Quire on one machine, in one process, with SQLite and a private event bus.

mod detach;
mod doors;
mod lock;
mod nats;
mod secrets;
mod services;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use chassis::authority::Description;
use chassis::telemetry::{self, TelemetryConfig};
use chassis::tls::Trust;
use chassis::{Tasks, program, tasks};
use contracts::identity::v1::GetAuthorityRequest;
use contracts::identity::v1::identity_service_client::IdentityServiceClient;
use contracts::notebook::v1::StopAllNotebooksRequest;
use contracts::notebook::v1::notebook_service_client::NotebookServiceClient;
use kernel::time::SystemClock;
use rustix::process::Signal;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::doors::Doors;
use self::nats::Bus;
use crate::authority::{Folder, read};
use crate::cli::{DownArgs, Output, UpArgs};
use crate::print::out;
use crate::profile::Profile;
use crate::{doctor, print, wait};

pub(crate) use lock::running;

/// Longest time that notebooks may take to stop.
const STOP_NOTEBOOKS: Duration = Duration::from_secs(60);
/// Set for the background process of `--detach`.
const BACKGROUND: &str = "QUIRE_BACKGROUND";

/// Starts everything; with `--detach` returns once it answers, else runs until it is told to stop.
pub(crate) async fn up(
    args: UpArgs,
    data_dir: &Path,
    profile: &Path,
    output: Output,
) -> Result<()> {
    let doors = Doors::of(&args)?;
    if let Some(pid) = running(data_dir)? {
        if args.detach {
            print::note(&format!("already up (process {})", pid.as_raw_nonzero()));
            return say_addresses(&doors, data_dir, None, output);
        }
        bail!(
            "already up (process {}); \"quire down\" stops it",
            pid.as_raw_nonzero()
        );
    }
    let findings = doctor::examine(data_dir, &doors.listeners(), None, args.nats.is_some());
    doctor::tell_warnings(&findings);
    doctor::refuse_errors(&findings)?;
    fs::create_dir_all(data_dir).with_context(|| format!("making {}", data_dir.display()))?;
    fs::set_permissions(data_dir, fs::Permissions::from_mode(0o700))?;
    if args.detach {
        detach::start(data_dir)?;
        return greet(&doors, data_dir, profile, output);
    }
    run(args, doors, data_dir, profile, output).await
}

/// Shows the first user's key, once, and tells where everything is.
fn greet(doors: &Doors, data_dir: &Path, profile: &Path, output: Output) -> Result<()> {
    let first_key = secrets::load(data_dir)?.first_key;
    if let Some(key) = &first_key {
        let authority = authority(data_dir);
        let first = Profile {
            server: doors.api().to_string(),
            api_key: key.clone(),
            authority: doors
                .secure
                .then(|| read(&authority.certificate()))
                .transpose()?,
        };
        if output == Output::Table {
            print::note("the first user's key, shown this once:");
            out!("{}", key.expose_secret());
        }
        log_in(&first, profile)?;
        secrets::forget_first_key(data_dir)?;
    }
    say_addresses(doors, data_dir, first_key.as_ref(), output)
}

/// Where the installation's certificate authority lies.
fn authority(data_dir: &Path) -> Folder {
    Folder::new(data_dir.join("authority"))
}

/// What others know that authority by.
fn fingerprint(data_dir: &Path) -> Result<String> {
    let pem = read(&authority(data_dir).certificate())?;
    Ok(Description::of_pem("authority", &pem)?
        .fingerprint
        .to_string())
}

/// Logs the first user in, unless somebody is logged in to another Quire.
fn log_in(first: &Profile, profile: &Path) -> Result<()> {
    match Profile::load(profile) {
        Ok(other) if other.server != first.server => {
            let server = &other.server;
            print::note(&format!(
                "you stay logged in to {server}; \"quire login\" changes that"
            ));
            Ok(())
        }
        _ => first.save(profile),
    }
}

/// Where an installation answers, for programs.
#[derive(Debug, Serialize)]
struct Reached<'a> {
    /// Address of the API.
    api: String,
    /// Address below which every notebook has a host of its own.
    notebooks: String,
    /// SHA-256 of the authority that its certificates are of; absent where it speaks no TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    authority: Option<String>,
    /// The first user's key; absent once it was shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
}

/// `key` = the first user's, in the JSON only.
fn say_addresses(
    doors: &Doors,
    data_dir: &Path,
    key: Option<&SecretString>,
    output: Output,
) -> Result<()> {
    let (api, notebooks) = (doors.api(), doors.notebooks().to_string());
    if output == Output::Json {
        let authority = doors.secure.then(|| fingerprint(data_dir)).transpose()?;
        return print::json(&Reached {
            api: api.to_string(),
            notebooks,
            authority,
            key: key.map(ExposeSecret::expose_secret),
        });
    }
    print::note(&format!(
        "API        {api}/v1   (document: /v1/openapi.json)"
    ));
    print::note(&format!(
        "console    {api}/   (a key for it: quire api-key create browser)"
    ));
    print::note(&format!(
        "notebooks  {}/",
        notebooks.replacen("://", "://ID.", 1)
    ));
    if doors.secure {
        let found = fingerprint(data_dir)?;
        print::note(&format!("authority  {found}"));
        print::note(&format!(
            "others     quire login --server {api} --fingerprint {found}"
        ));
    }
    print::note("next       quire notebook create --name first");
    Ok(())
}

#[allow(
    clippy::disallowed_methods,
    reason = "set by the process that started this one"
)]
fn is_background() -> bool {
    std::env::var(BACKGROUND).is_ok()
}

async fn run(
    args: UpArgs,
    doors: Doors,
    data_dir: &Path,
    profile: &Path,
    output: Output,
) -> Result<()> {
    let _lock = lock::take(data_dir)?;
    let log = TelemetryConfig {
        log: args.log.clone(),
        otlp: args.otlp.clone(),
        metrics: args.metrics,
        ..TelemetryConfig::default()
    };
    let telemetry = telemetry::start("quire", &log)?;
    let page = telemetry.page();
    let run_dir = services::run_dir(data_dir)?;
    fs::create_dir_all(&run_dir)?;
    let secrets = secrets::load(data_dir)?;
    // The bus ends after everything that uses it.
    let end_of_bus = CancellationToken::new();
    let (bus, keeper) = match &args.nats {
        Some(url) => {
            let authority = args.nats_authority.clone();
            let bus = Bus::of_others(url.clone(), authority, data_dir, &secrets).await?;
            (bus, None)
        }
        None => {
            let nats = nats::Nats::start(data_dir, &secrets).await?;
            let bus = nats.bus();
            (bus, Some(tokio::spawn(nats.keep(end_of_bus.clone()))))
        }
    };
    let cancel = CancellationToken::new();
    let mut tasks = Tasks::new(cancel.clone());
    if let Some(address) = args.metrics {
        let listening = chassis::Address::Http(address.to_string()).check_listener();
        listening.map_err(|problem| anyhow!("--metrics: {problem}"))?;
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("listening on {address}"))?;
        tasks.start(
            "metrics",
            program::serve_metrics(listener, page, cancel.clone()),
        );
    }
    let plan = services::Plan {
        args: &args,
        doors: &doors,
        data_dir,
        secrets: &secrets,
        bus: &bus,
        clock: Arc::new(SystemClock),
    };
    let outcome = serve(&plan, profile, tasks, output).await;
    cancel.cancel();
    end_of_bus.cancel();
    if let Some(keeper) = keeper {
        keeper.await.context("ending the event bus")?;
    }
    telemetry.shutdown();
    outcome
}

async fn serve(
    plan: &services::Plan<'_>,
    profile: &Path,
    mut tasks: Tasks,
    output: Output,
) -> Result<()> {
    let now = plan.clock.now();
    authority(plan.data_dir).load_or_create("Quire", now)?;
    identity::bootstrap(&plan.identity(), plan.clock.clone()).await?;
    tasks.start("signals", program::stop_on_signal(tasks.cancel()));
    plan.start(&mut tasks)?;
    let ready = async {
        plan.start_agent(&mut tasks).await?;
        wait_for_gateway(plan).await
    };
    // A service that cannot start must not leave this waiting for ever.
    tokio::time::timeout(Duration::from_secs(60), ready)
        .await
        .map_err(|_| anyhow!("not everything answers after a minute; the log says why"))??;
    if is_background() {
        out!("{}", detach::READY);
    } else {
        greet(plan.doors, plan.data_dir, profile, output)?;
        print::note("stop with Ctrl-C; notebooks go on and are taken over by the next start");
    }
    tasks.run().await.map_err(|failure| anyhow!(failure))
}

/// The gateway answers, and identity behind it; by TLS with a certificate that is believed.
async fn wait_for_gateway(plan: &services::Plan<'_>) -> Result<()> {
    let pem = read(&authority(plan.data_dir).certificate())?;
    let trust = Trust::from_pem(pem.as_bytes())?;
    let channel = chassis::grpc::connect(&plan.doors.local_gateway(), &trust)?;
    wait::until(Duration::from_millis(50), || {
        let mut identity = IdentityServiceClient::new(channel.clone());
        async move {
            let answer = identity.get_authority(GetAuthorityRequest {}).await;
            Ok(answer.is_ok().then_some(()))
        }
    })
    .await
}

/// Stops the notebooks of all teams, as the installation itself.
async fn stop_notebooks(data_dir: &Path) -> Result<()> {
    let caller = services::caller(data_dir, &secrets::load(data_dir)?, "notebook")?;
    let notebooks = NotebookServiceClient::new(caller);
    let none_remains = wait::until(Duration::from_millis(200), || {
        let mut notebooks = notebooks.clone();
        async move {
            let request = StopAllNotebooksRequest {
                reason: "Quire was taken down".to_owned(),
            };
            let answer = notebooks
                .stop_all_notebooks(request)
                .await
                .map_err(|status| crate::failure(&status, "the notebook service"))?;
            Ok((answer.into_inner().remaining == 0).then_some(()))
        }
    });
    tokio::time::timeout(STOP_NOTEBOOKS, none_remains)
        .await
        .map_err(|_| anyhow!("some have not stopped after {STOP_NOTEBOOKS:?}"))?
}

/// What `down` did, for programs.
#[derive(Debug, Serialize)]
struct Stopped {
    /// False where nothing ran.
    stopped: bool,
}

fn say_stopped(stopped: bool, output: Output) -> Result<()> {
    if output == Output::Json {
        return print::json(&Stopped { stopped });
    }
    print::note(if stopped { "down" } else { "nothing runs" });
    Ok(())
}

/// Stops what `up` started.
pub(crate) async fn down(args: DownArgs, data_dir: &Path, output: Output) -> Result<()> {
    let Some(pid) = running(data_dir)? else {
        return say_stopped(false, output);
    };
    if !args.keep_notebooks {
        stop_notebooks(data_dir)
            .await
            .context("stopping notebooks; \"quire down --keep-notebooks\" leaves them running")?;
    }
    rustix::process::kill_process(pid, Signal::TERM).context("stopping the process")?;
    let ends = wait::until(Duration::from_millis(50), || async {
        Ok(running(data_dir)?.is_none().then_some(()))
    });
    tokio::time::timeout(tasks::GRACE * 2, ends)
        .await
        .map_err(|_| anyhow!("process {} does not end", pid.as_raw_nonzero()))??;
    say_stopped(true, output)
}
