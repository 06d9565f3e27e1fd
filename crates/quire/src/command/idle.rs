//! `quire idle-policy`.

use anyhow::Result;
use contracts::notebook::v1::{
    IdlePolicy, IdleScope, ListIdlePoliciesRequest, RemoveIdlePolicyRequest, SetIdlePolicyRequest,
    idle_scope::About,
};
use serde::Serialize;

use crate::api::Api;
use crate::cli::{IdlePolicyCommand, IdleScopeArgs, Output};
use crate::print::{self, Row, out};
use crate::when;

/// An idle policy as programs see it. Fields are only added.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct View {
    /// `team`, `project` or `machine-type`.
    about: &'static str,
    /// The project or machine type; empty for the team.
    name: String,
    timeout_seconds: u32,
    warn_seconds: u32,
    modified_at: String,
}

impl From<IdlePolicy> for View {
    fn from(policy: IdlePolicy) -> Self {
        let (about, name) = match policy.scope.and_then(|scope| scope.about) {
            Some(About::Team(_)) | None => ("team", String::new()),
            Some(About::Project(project)) => ("project", project),
            Some(About::MachineType(machine_type)) => ("machine-type", machine_type),
        };
        Self {
            about,
            name,
            timeout_seconds: policy.timeout_seconds,
            warn_seconds: policy.warn_seconds,
            modified_at: print::time(policy.modified_at),
        }
    }
}

impl Row for View {
    const COLUMNS: &'static [&'static str] = &["ABOUT", "NAME", "TIMEOUT", "WARNING", "MODIFIED"];

    fn cells(&self) -> Vec<String> {
        let timeout = match self.timeout_seconds {
            0 => "never".to_owned(),
            seconds => when::length(seconds.into()),
        };
        let warning = match self.warn_seconds {
            0 => "as usual".to_owned(),
            seconds => format!("{} before", when::length(seconds.into())),
        };
        vec![
            self.about.to_owned(),
            self.name.clone(),
            timeout,
            warning,
            self.modified_at.clone(),
        ]
    }
}

fn scope(args: IdleScopeArgs) -> IdleScope {
    let about = match (args.project, args.machine_type) {
        (Some(project), _) => About::Project(project),
        (None, Some(machine_type)) => About::MachineType(machine_type),
        // One of the three is required.
        (None, None) => About::Team(args.team),
    };
    IdleScope { about: Some(about) }
}

pub(crate) async fn run(command: IdlePolicyCommand, api: &Api, output: Output) -> Result<()> {
    match command {
        IdlePolicyCommand::Set {
            about,
            timeout,
            warn,
        } => {
            let policy = IdlePolicy {
                scope: Some(scope(about)),
                timeout_seconds: timeout,
                warn_seconds: warn.unwrap_or(0),
                modified_at: None,
            };
            let request = SetIdlePolicyRequest {
                policy: Some(policy),
            };
            let answer = api.ask(api.notebook().set_idle_policy(request)).await?;
            print::one(output, &View::from(answer.policy.unwrap_or_default()))
        }
        IdlePolicyCommand::Remove { about } => {
            let request = RemoveIdlePolicyRequest {
                scope: Some(scope(about)),
            };
            api.ask(api.notebook().remove_idle_policy(request)).await?;
            match output {
                Output::Json => print::json(&serde_json::json!({ "removed": true })),
                Output::Table => {
                    out!("removed; what is less specific counts again");
                    Ok(())
                }
            }
        }
        IdlePolicyCommand::List => {
            let request = ListIdlePoliciesRequest {};
            let answer = api.ask(api.notebook().list_idle_policies(request)).await?;
            let rows: Vec<_> = answer.policies.into_iter().map(View::from).collect();
            print::list(
                output,
                &rows,
                "no idle policies: notebooks that say nothing themselves are stopped after an hour without activity",
            )
        }
    }
}
