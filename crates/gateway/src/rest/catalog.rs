//! What can be launched: machine types and environments.

use axum::Json;
use contracts::inventory::v1::{
    Environment as WireEnvironment, ListEnvironmentsRequest, ListMachineTypesRequest,
    MachineType as WireMachineType,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::Answer;
use super::caller::Caller;
use super::extract::Params;
use super::page::{List, Order, PageQuery};
use super::values::non_empty;

/// A size of machine that can be asked for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct MachineType {
    /// Label, such as `C3` or `A100-80Gx8`.
    name: String,
    /// Thousandths of a CPU core.
    milli_cores: u32,
    memory_mib: u32,
    disk_gib: u32,
    /// Number of GPUs.
    gpus: u32,
    /// Model of the GPUs; null without.
    #[schema(required)]
    gpu_model: Option<String>,
    /// Memory of each GPU; 0 without.
    gpu_memory_mib: u32,
    /// Longest time that one start may run; 0 is no limit.
    max_duration_seconds: u32,
    /// Free of charge, one running notebook a team.
    free: bool,
    /// Some node that is there could host it when empty.
    available: bool,
}

impl From<WireMachineType> for MachineType {
    fn from(wire: WireMachineType) -> Self {
        let resources = wire.resources.unwrap_or_default();
        Self {
            name: wire.name,
            milli_cores: resources.milli_cores,
            memory_mib: resources.memory_mib,
            disk_gib: resources.disk_gib,
            gpus: resources.gpus,
            gpu_model: non_empty(resources.gpu_model),
            gpu_memory_mib: wire.gpu_memory_mib,
            max_duration_seconds: wire.max_duration_seconds,
            free: wire.free,
            available: wire.available,
        }
    }
}

/// List machine types, smallest first
#[utoipa::path(
    get, path = "/v1/machine-types", tag = "Catalog",
    params(PageQuery), responses((status = 200, body = List<MachineType>))
)]
pub(super) async fn list_machine_types(
    caller: Caller,
    Params(page): Params<PageQuery>,
) -> Answer<List<MachineType>> {
    let page = page.read(["size"], Order::Ascending)?;
    let answer = caller
        .inventory()
        .list_machine_types(ListMachineTypesRequest {})
        .await?
        .into_inner();
    // The service lists the smallest first: the place in its answer is the order.
    let types = answer
        .machine_types
        .into_iter()
        .map(MachineType::from)
        .enumerate()
        .collect();
    let list = page.cut(types, |(place, _): &(usize, MachineType)| {
        format!("{place:06}")
    });
    Ok(Json(list.map(|(_, machine_type)| machine_type)))
}

/// A set of packages that a notebook starts in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Environment {
    name: String,
    /// What it is for.
    description: String,
    /// Hash of its lock.
    digest: String,
    /// Exact versions, one requirement a line.
    lock: String,
}

impl From<WireEnvironment> for Environment {
    fn from(wire: WireEnvironment) -> Self {
        Self {
            name: wire.name,
            description: wire.description,
            digest: wire.digest,
            lock: wire.lock,
        }
    }
}

/// List environments
#[utoipa::path(
    get, path = "/v1/environments", tag = "Catalog",
    params(PageQuery), responses((status = 200, body = List<Environment>))
)]
pub(super) async fn list_environments(
    caller: Caller,
    Params(page): Params<PageQuery>,
) -> Answer<List<Environment>> {
    let page = page.read(["name"], Order::Ascending)?;
    let answer = caller
        .inventory()
        .list_environments(ListEnvironmentsRequest {})
        .await?
        .into_inner();
    let environments = answer
        .environments
        .into_iter()
        .map(Environment::from)
        .collect();
    Ok(Json(page.cut(environments, |environment: &Environment| {
        environment.name.clone()
    })))
}
