//! `quire notebook create | fork`.

use anyhow::{Context, Result};
use contracts::common::v1::Resources;
use contracts::notebook::v1::{CreateNotebookRequest, Notebook, NotebookPlan};
use kernel::Micros;
use serde::Serialize;

use super::copy::upload;
use super::door::Door;
use super::run::{Goal, arrived, reach};
use crate::api::{Api, request_id};
use crate::cli::{CreateArgs, ForkArgs, Output};
use crate::command::environment::for_packages;
use crate::command::template;
use crate::print::{self, Row};
use crate::when;

/// What a notebook would be, as programs see it. Fields are only added.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Plan {
    name: String,
    project_id: String,
    machine_type: String,
    milli_cores: u32,
    memory_mib: u32,
    disk_gib: u32,
    gpus: u32,
    gpu_model: String,
    environment: String,
    price_per_hour: String,
    currency: String,
    /// 0 = no limit.
    max_duration_seconds: u32,
    /// The most that one start can cost; null = no limit.
    most_micros: Option<i64>,
    idle_timeout_seconds: u32,
}

impl From<NotebookPlan> for Plan {
    fn from(plan: NotebookPlan) -> Self {
        let resources = plan.resources.unwrap_or_default();
        Self {
            name: plan.name,
            project_id: plan.project_id,
            machine_type: plan.machine_type,
            milli_cores: resources.milli_cores,
            memory_mib: resources.memory_mib,
            disk_gib: resources.disk_gib,
            gpus: resources.gpus,
            gpu_model: resources.gpu_model,
            environment: plan.environment,
            price_per_hour: print::rate(plan.nanos_per_hour),
            currency: plan.currency,
            max_duration_seconds: plan.max_duration_seconds,
            most_micros: plan.most.map(|most| most.micros),
            idle_timeout_seconds: plan.idle_timeout_seconds,
        }
    }
}

impl Plan {
    fn per_hour(&self) -> String {
        format!("{} {}", self.price_per_hour, self.currency)
            .trim_end()
            .to_owned()
    }

    fn duration(&self) -> String {
        match self.max_duration_seconds {
            0 => "no limit".to_owned(),
            seconds => when::length(seconds.into()),
        }
    }

    fn most(&self) -> String {
        self.most_micros.map_or_else(
            || "no limit".to_owned(),
            |most| {
                format!("{} {}", Micros(most), self.currency)
                    .trim_end()
                    .to_owned()
            },
        )
    }

    /// One sentence for who makes it.
    fn sentence(&self) -> String {
        let most = match (self.most_micros, self.max_duration_seconds) {
            (Some(_), 0) => String::new(),
            (Some(_), _) => format!(", at most {} in {}", self.most(), self.duration()),
            (None, _) => ", without a limit: it runs until it is stopped or idle".to_owned(),
        };
        format!(
            "machine type {}, environment {}, {} per hour{most}",
            self.machine_type,
            self.environment,
            self.per_hour()
        )
    }
}

impl Row for Plan {
    const COLUMNS: &'static [&'static str] = &[
        "MACHINE",
        "CPU",
        "MEMORY MIB",
        "GPU",
        "ENVIRONMENT",
        "PER HOUR",
        "MAXIMUM DURATION",
        "AT MOST",
    ];

    fn cells(&self) -> Vec<String> {
        let gpu = match self.gpus {
            0 => String::new(),
            count => format!("{count} x {}", self.gpu_model),
        };
        vec![
            self.machine_type.clone(),
            (self.milli_cores / 1_000).to_string(),
            self.memory_mib.to_string(),
            gpu,
            self.environment.clone(),
            self.per_hour(),
            self.duration(),
            self.most(),
        ]
    }
}

/// What the notebook needs at least; `None` = a machine type is named, or nothing is.
fn resources(args: &CreateArgs) -> Option<Resources> {
    if args.gpu.is_none() && args.cpu.is_none() && args.memory.is_none() {
        return None;
    }
    let gpu = args.gpu.as_ref();
    Some(Resources {
        milli_cores: args.cpu.unwrap_or(0).saturating_mul(1_000),
        memory_mib: args.memory.unwrap_or(0),
        disk_gib: 0,
        gpus: gpu.map_or(0, |gpu| gpu.count),
        gpu_model: gpu.map_or_else(String::new, |gpu| gpu.model.clone()),
    })
}

/// The environment that packages are added to: the one that is named, else that of the template.
async fn base_of_packages(api: &Api, args: &CreateArgs) -> Result<Option<String>> {
    match (&args.environment, &args.template) {
        (None, Some(name)) if !args.packages.are_none() => {
            Ok(Some(template::get(api, name.clone()).await?.environment))
        }
        (environment, _) => Ok(environment.clone()),
    }
}

pub(super) async fn create(api: &Api, output: Output, args: CreateArgs) -> Result<()> {
    let with_packages = if args.dry_run {
        if !args.packages.are_none() {
            print::note("packages are not resolved in a dry run");
        }
        None
    } else {
        let base = base_of_packages(api, &args).await?;
        for_packages(api, base.as_deref(), &args.packages).await?
    };
    let resources = resources(&args);
    let (repository, repository_ref) = args
        .repo
        .map_or_else(Default::default, |repo| (repo.url, repo.at));
    let request = CreateNotebookRequest {
        resources,
        name: args.name.unwrap_or_default(),
        project: args.project.unwrap_or_default(),
        machine_type: args.machine_type.unwrap_or_default(),
        environment: with_packages.or(args.environment).unwrap_or_default(),
        idle_timeout_seconds: args.idle_timeout.map(|minutes| minutes * 60),
        shutdown_timeout_seconds: args.shutdown_timeout.map_or(0, |hours| hours * 3_600),
        // A lost answer can be asked for again without a second notebook.
        request_id: request_id(),
        dry_run: args.dry_run,
        volume_id: args.volume.unwrap_or_default(),
        template: args.template.unwrap_or_default(),
        repository,
        repository_ref,
        preemptible: args.turn.preemptible,
        priority: args.turn.priority.unwrap_or_default(),
        ..CreateNotebookRequest::default()
    };
    let Some(notebook) = make(api, output, request).await? else {
        return Ok(());
    };
    let notebook = match &args.upload {
        None => notebook,
        Some(folder) => {
            let running = arrived(api, notebook, Goal::Running).await?;
            upload(&Door::of(api, running.clone())?, folder).await?;
            running
        }
    };
    reach(api, output, notebook, Goal::Running, &args.wait).await
}

/// Makes a notebook and says what it will be; `None` after a dry run.
async fn make(
    api: &Api,
    output: Output,
    request: CreateNotebookRequest,
) -> Result<Option<Notebook>> {
    let created = api
        .make(|| {
            let (mut notebooks, request) = (api.notebook(), request.clone());
            async move { notebooks.create_notebook(request).await }
        })
        .await?;
    let unpriced = created.plan.as_ref().is_some_and(|plan| plan.unpriced);
    let plan = created.plan.map(Plan::from);
    if request.dry_run {
        let plan = plan.context("the answer holds no plan")?;
        print::one(output, &plan)?;
        print::note("nothing was made");
        return Ok(None);
    }
    let notebook = created.notebook.context("the answer holds no notebook")?;
    let said = plan.map_or_else(
        || {
            format!(
                "machine type {}, at a price that is not known now",
                notebook.machine_type
            )
        },
        |plan| plan.sentence(),
    );
    print::note(&format!("{}: {said}", notebook.name));
    if unpriced {
        let machine_type = &notebook.machine_type;
        print::note(&format!(
            "no price is set for this machine type: it costs nothing; an operator sets one with \"quire price set {machine_type} AMOUNT\""
        ));
    }
    Ok(Some(notebook))
}

pub(super) async fn fork(api: &Api, output: Output, args: ForkArgs) -> Result<()> {
    let request = CreateNotebookRequest {
        fork: args.id,
        fork_snapshot: args.snapshot.unwrap_or_default(),
        name: args.name.unwrap_or_default(),
        project: args.project.unwrap_or_default(),
        machine_type: args.machine_type.unwrap_or_default(),
        request_id: request_id(),
        dry_run: args.dry_run,
        ..CreateNotebookRequest::default()
    };
    match make(api, output, request).await? {
        Some(notebook) => reach(api, output, notebook, Goal::Running, &args.wait).await,
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use contracts::common::v1::Money;

    use super::*;

    fn plan(nanos_per_hour: i64, seconds: u32, most: Option<i64>) -> Plan {
        Plan::from(NotebookPlan {
            machine_type: "C5".to_owned(),
            environment: "python".to_owned(),
            nanos_per_hour,
            currency: "USD".to_owned(),
            max_duration_seconds: seconds,
            most: most.map(|most| Money::new(Micros(most), "USD")),
            ..NotebookPlan::default()
        })
    }

    #[test]
    fn what_it_can_cost_is_said_before() {
        let said = plan(80_000_000, 21_600, Some(480_000)).sentence();
        assert_eq!(
            said,
            "machine type C5, environment python, 0.08 USD per hour, at most 0.480000 USD in 6h"
        );
        let said = plan(80_000_000, 0, None).sentence();
        assert!(
            said.ends_with("without a limit: it runs until it is stopped or idle"),
            "{said}"
        );
        let said = plan(0, 0, Some(0)).sentence();
        assert!(said.ends_with("0.00 USD per hour"), "{said}");
    }
}
