//! `quire machine-type` and `quire environment`.

use anyhow::Result;
use contracts::inventory::v1::{ListEnvironmentsRequest, ListMachineTypesRequest, MachineType};
use serde::Serialize;

use crate::api::Api;
use crate::cli::Output;
use crate::print::{self, Row};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TypeRow {
    name: String,
    available: bool,
    milli_cores: u32,
    memory_mib: u32,
    disk_gib: u32,
    gpus: u32,
    gpu_model: String,
    gpu_memory_mib: u32,
    free: bool,
    max_duration_seconds: u32,
}

impl From<MachineType> for TypeRow {
    fn from(machine: MachineType) -> Self {
        let resources = machine.resources.unwrap_or_default();
        Self {
            name: machine.name,
            available: machine.available,
            milli_cores: resources.milli_cores,
            memory_mib: resources.memory_mib,
            disk_gib: resources.disk_gib,
            gpus: resources.gpus,
            gpu_model: resources.gpu_model,
            gpu_memory_mib: machine.gpu_memory_mib,
            free: machine.free,
            max_duration_seconds: machine.max_duration_seconds,
        }
    }
}

impl Row for TypeRow {
    const COLUMNS: &'static [&'static str] = &[
        "NAME",
        "AVAILABLE",
        "CPU",
        "MEMORY MIB",
        "DISK GIB",
        "GPU",
        "LIMIT H",
    ];

    fn cells(&self) -> Vec<String> {
        let gpu = if self.gpus == 0 {
            String::new()
        } else {
            format!("{} x {}", self.gpus, self.gpu_model)
        };
        let limit = match self.max_duration_seconds {
            0 => String::new(),
            seconds => (seconds / 3_600).to_string(),
        };
        let available = if self.available { "yes" } else { "no" };
        vec![
            self.name.clone(),
            available.to_owned(),
            (self.milli_cores / 1_000).to_string(),
            self.memory_mib.to_string(),
            self.disk_gib.to_string(),
            gpu,
            limit,
        ]
    }
}

pub(crate) async fn machine_types(api: &Api, output: Output) -> Result<()> {
    let answer = api
        .ask(
            api.inventory()
                .list_machine_types(ListMachineTypesRequest {}),
        )
        .await?;
    let rows: Vec<_> = answer
        .machine_types
        .into_iter()
        .map(TypeRow::from)
        .collect();
    print::list(output, &rows, "there are no machine types")
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct EnvironmentRow {
    name: String,
    description: String,
    digest: String,
    packages: usize,
}

impl Row for EnvironmentRow {
    const COLUMNS: &'static [&'static str] = &["NAME", "PACKAGES", "DESCRIPTION"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            self.packages.to_string(),
            self.description.clone(),
        ]
    }
}

pub(crate) async fn environments(api: &Api, output: Output) -> Result<()> {
    let answer = api
        .ask(
            api.inventory()
                .list_environments(ListEnvironmentsRequest {}),
        )
        .await?;
    let rows: Vec<_> = answer
        .environments
        .into_iter()
        .map(|environment| EnvironmentRow {
            packages: environment
                .lock
                .lines()
                .filter(|line| line.contains("=="))
                .count(),
            name: environment.name,
            description: environment.description,
            digest: environment.digest,
        })
        .collect();
    print::list(output, &rows, "there are no environments")
}
