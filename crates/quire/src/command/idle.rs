//! Idle notebooks: `quire notebook extend`, `quire idle-policy`, and the words for a stop that is near.

use anyhow::Result;
use chrono::{DateTime, Local};
use contracts::from_wire_time;
use contracts::notebook::v1::{
    ExtendNotebookRequest, IdlePolicy, IdleScope, ListIdlePoliciesRequest, Notebook,
    RemoveIdlePolicyRequest, SetIdlePolicyRequest, idle_scope::About,
};
use serde::Serialize;

use crate::api::Api;
use crate::cli::{IdlePolicyCommand, IdleScopeArgs, Output};
use crate::print::{self, Row, out};

/// What people are told of a notebook that will be stopped: when, why, and what it costs until then. Empty when it will not.
pub(super) fn stop_words(notebook: &Notebook, price: Option<&str>) -> String {
    let Some(at) = local(notebook.stops_at) else {
        return String::new();
    };
    let (at, because) = (at.format("%H:%M"), &notebook.stops_because);
    match price {
        Some(price) => format!("will stop at {at} because {because}, costs {price} an hour"),
        None => format!("will stop at {at} because {because}"),
    }
}

fn local(wire: Option<prost_types::Timestamp>) -> Option<DateTime<Local>> {
    let time = from_wire_time("time", wire?).ok()?;
    Some(time.with_timezone(&Local))
}

/// Keeps a notebook from being stopped for being idle.
pub(super) async fn extend(api: &Api, output: Output, id: String, seconds: u32) -> Result<()> {
    let request = ExtendNotebookRequest {
        notebook: id,
        seconds,
    };
    let extended = api.ask(api.notebook().extend_notebook(request)).await?;
    if output == Output::Json {
        return print::json(&serde_json::json!({
            "id": extended.id,
            "keptUntil": print::time(extended.kept_until),
            "note": extended.note,
        }));
    }
    let until = local(extended.kept_until).map(|at| at.format("%Y-%m-%d %H:%M").to_string());
    out!(
        "{} is kept until {}",
        extended.id,
        until.unwrap_or_default()
    );
    if !extended.note.is_empty() {
        out!("{}", extended.note);
    }
    Ok(())
}

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
            seconds => format!("{seconds} s"),
        };
        let warning = match self.warn_seconds {
            0 => "as usual".to_owned(),
            seconds => format!("{seconds} s before"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_that_is_near_is_told_with_its_price() {
        let mut notebook = Notebook {
            stops_because: "its kernels have been idle since 13:05 UTC".to_owned(),
            ..Notebook::default()
        };
        assert_eq!(stop_words(&notebook, Some("0.018 USD")), "");
        notebook.stops_at = Some(prost_types::Timestamp::default());
        let at = DateTime::UNIX_EPOCH.with_timezone(&Local).format("%H:%M");
        let words = format!("will stop at {at} because its kernels have been idle since 13:05 UTC");
        assert_eq!(stop_words(&notebook, None), words);
        assert_eq!(
            stop_words(&notebook, Some("0.018 USD")),
            format!("{words}, costs 0.018 USD an hour")
        );
    }
}
