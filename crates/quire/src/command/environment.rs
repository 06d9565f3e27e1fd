//! `quire environment`, and the packages of a new notebook.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use chassis::seal::sha256_hex;
use contracts::inventory::v1::{
    CreateEnvironmentRequest, DeleteEnvironmentRequest, Environment, EnvironmentState,
    GetEnvironmentRequest, ListEnvironmentsRequest, ShareEnvironmentRequest,
};
use serde::Serialize;

use super::progress::Progress;
use crate::api::Api;
use crate::cli::{EnvironmentCommand, Output, PackageArgs};
use crate::print::{self, Row, out};
use crate::wait::{Patience, patiently};

/// Resolving takes seconds; some sets take a minute.
const RESOLVED_WITHIN: Duration = Duration::from_secs(300);
/// Pause between looks.
const LOOK: Duration = Duration::from_millis(200);

/// An environment as programs see it. Fields are only added.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct EnvironmentRow {
    id: String,
    name: String,
    description: String,
    state: String,
    reason: String,
    digest: String,
    packages: u32,
    base: String,
    requirements: Vec<String>,
    python_version: String,
    shared: bool,
}

impl From<Environment> for EnvironmentRow {
    fn from(environment: Environment) -> Self {
        let state = environment.state().as_str_name();
        Self {
            state: state
                .trim_start_matches("ENVIRONMENT_STATE_")
                .to_lowercase(),
            id: environment.id,
            name: environment.name,
            description: environment.description,
            reason: environment.reason,
            digest: environment.digest,
            packages: environment.packages,
            base: environment.base,
            requirements: environment.requirements,
            python_version: environment.python_version,
            shared: environment.shared,
        }
    }
}

impl Row for EnvironmentRow {
    const COLUMNS: &'static [&'static str] = &[
        "NAME",
        "STATE",
        "PACKAGES",
        "PYTHON",
        "SHARED",
        "DESCRIPTION",
        "ID",
    ];

    fn cells(&self) -> Vec<String> {
        let python = match self.python_version.as_str() {
            "" => "the node's",
            version => version,
        };
        let shared = if self.shared { "yes" } else { "" };
        vec![
            self.name.clone(),
            self.state.clone(),
            self.packages.to_string(),
            python.to_owned(),
            shared.to_owned(),
            self.description.clone(),
            self.id.clone(),
        ]
    }
}

pub(super) async fn run(command: EnvironmentCommand, api: &Api, output: Output) -> Result<()> {
    match command {
        EnvironmentCommand::List => list(api, output).await,
        EnvironmentCommand::Create {
            name,
            packages,
            base,
        } => {
            let made = make(api, request(name, base, &packages)?).await?;
            print::one(output, &EnvironmentRow::from(made))
        }
        EnvironmentCommand::Show { environment } => show(output, get(api, environment).await?),
        EnvironmentCommand::Delete { environment } => delete(api, output, environment).await,
        EnvironmentCommand::Share { environment, stop } => {
            let request = ShareEnvironmentRequest {
                environment,
                shared: !stop,
            };
            let answer = api.ask(api.inventory().share_environment(request)).await?;
            let changed = answer.environment.unwrap_or_default();
            print::one(output, &EnvironmentRow::from(changed))
        }
    }
}

async fn list(api: &Api, output: Output) -> Result<()> {
    let request = ListEnvironmentsRequest::default();
    let answer = api.ask(api.inventory().list_environments(request)).await?;
    let rows: Vec<_> = answer
        .environments
        .into_iter()
        .map(EnvironmentRow::from)
        .collect();
    print::list(output, &rows, "there are no environments")
}

async fn get(api: &Api, environment: String) -> Result<Environment> {
    let request = GetEnvironmentRequest {
        environment,
        ..GetEnvironmentRequest::default()
    };
    let answer = api.ask(api.inventory().get_environment(request)).await?;
    answer
        .environment
        .context("the answer holds no environment")
}

fn show(output: Output, environment: Environment) -> Result<()> {
    let lock = environment.lock.clone();
    let row = EnvironmentRow::from(environment);
    if output == Output::Json {
        let mut value = serde_json::to_value(&row)?;
        if let Some(fields) = value.as_object_mut() {
            fields.insert("lock".to_owned(), lock.into());
        }
        return print::json(&value);
    }
    print::one(output, &row)?;
    if !row.reason.is_empty() {
        out!("\n{}", row.reason);
    }
    let pins = lock.lines().filter(|line| line.contains("=="));
    for pin in pins {
        out!("{}", pin.trim_end_matches(['\\', ' ']));
    }
    Ok(())
}

async fn delete(api: &Api, output: Output, environment: String) -> Result<()> {
    let request = DeleteEnvironmentRequest { environment };
    let answer = api.ask(api.inventory().delete_environment(request)).await?;
    let deleted = EnvironmentRow::from(answer.environment.unwrap_or_default());
    if output == Output::Json {
        return print::json(&deleted);
    }
    print::note(&format!(
        "environment {} is off the list; notebooks that start in it go on doing so",
        deleted.name
    ));
    Ok(())
}

/// The packages on the command line and those of the file.
fn request(name: String, base: String, args: &PackageArgs) -> Result<CreateEnvironmentRequest> {
    let mut requirements = args.packages.clone();
    if let Some(file) = &args.requirements {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("--requirements: reading {}", file.display()))?;
        requirements.extend(text.lines().map(str::to_owned));
    }
    if requirements.is_empty() && args.python.is_none() {
        bail!("no package is named; pass --package NAME or --requirements FILE");
    }
    Ok(CreateEnvironmentRequest {
        name,
        requirements,
        base,
        python_version: args.python.clone().unwrap_or_default(),
    })
}

/// The environment for a notebook that is to have these packages on top of `base`: the same packages give the same one. `None` =
/// none are named.
pub(super) async fn for_packages(
    api: &Api,
    base: Option<&str>,
    args: &PackageArgs,
) -> Result<Option<String>> {
    if args.are_none() {
        return Ok(None);
    }
    let base = base.unwrap_or("python");
    let mut wanted = request(String::new(), base.to_owned(), args)?;
    let content = format!("{wanted:?}");
    let digest = sha256_hex(&content);
    wanted.name = format!("packages-{}", digest.get(..12).unwrap_or(&digest));
    Ok(Some(make(api, wanted).await?.name))
}

/// Makes one and waits until it is resolved; what cannot be resolved is not left behind.
async fn make(api: &Api, request: CreateEnvironmentRequest) -> Result<Environment> {
    let name = request.name.clone();
    let answer = api.ask(api.inventory().create_environment(request)).await?;
    let mut seen = answer
        .environment
        .context("the answer holds no environment")?;
    let (id, progress) = (seen.id.clone(), Progress::new());
    let resolved = async {
        while seen.state() == EnvironmentState::Resolving {
            progress.say("resolving packages");
            tokio::time::sleep(LOOK).await;
            seen = get(api, id.clone()).await?;
        }
        Ok(seen)
    };
    let patience = Patience {
        limit: RESOLVED_WITHIN,
        goes_on: &format!("{name} goes on being resolved"),
        look: &format!("quire environment show {name}"),
    };
    let made = patiently(patience, resolved).await?;
    drop(progress);
    if made.state() == EnvironmentState::Ready {
        return Ok(made);
    }
    let request = DeleteEnvironmentRequest { environment: id };
    api.ask(api.inventory().delete_environment(request)).await?;
    bail!(
        "requirements: these packages cannot be had together: {}\n  nothing was made; change the packages or their versions",
        made.reason
    )
}
