//! Machine types.

use std::collections::HashMap;

use axum::Json;
use contracts::billing::v1::ListPricesRequest;
use contracts::inventory::v1::{ListMachineTypesRequest, MachineType as WireMachineType};
use contracts::scheduler::v1::{Capacity, GetCapacityRequest};
use kernel::NanosPerHour;
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
    /// So many could start now; null when that is not known.
    #[schema(required)]
    free_now: Option<u32>,
    /// So many could run if the nodes were empty; null when that is not known.
    #[schema(required)]
    total: Option<u32>,
    /// Decimal text; null when prices are not known.
    #[schema(required, example = "0.0045")]
    price_per_hour: Option<String>,
}

impl MachineType {
    fn new(
        wire: WireMachineType,
        room: Option<Capacity>,
        prices: Option<&HashMap<String, i64>>,
    ) -> Self {
        let resources = wire.resources.unwrap_or_default();
        let rate = |prices: &HashMap<String, i64>| prices.get(&wire.name).copied().unwrap_or(0);
        Self {
            price_per_hour: prices.map(|prices| NanosPerHour(rate(prices)).to_string()),
            free_now: room.map(|room| room.free),
            total: room.map(|room| room.total),
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
    let sizes = answer.machine_types.iter();
    let sizes = sizes.map(|wire| wire.resources.clone().unwrap_or_default());
    let request = GetCapacityRequest {
        sizes: sizes.collect(),
        node_id: String::new(),
    };
    let (mut scheduler, mut billing) = (caller.scheduler(), caller.billing());
    let (room, prices) = tokio::join!(
        scheduler.get_capacity(request),
        billing.list_prices(ListPricesRequest {})
    );
    // The catalogue is shown also to who may not read the rest, and while somebody else is away.
    let room = room.map(|answer| answer.into_inner().capacities).ok();
    let prices = prices.ok().map(|answer| {
        let prices = answer.into_inner().prices.into_iter();
        prices
            .map(|price| (price.machine_type, price.nanos_per_hour))
            .collect::<HashMap<_, _>>()
    });
    // The service lists the smallest first: the place in its answer is the order.
    let types = answer
        .machine_types
        .into_iter()
        .enumerate()
        .map(|(place, wire)| {
            let room = room.as_ref().and_then(|room| room.get(place)).copied();
            (place, MachineType::new(wire, room, prices.as_ref()))
        })
        .collect();
    let list = page.cut(types, |(place, _): &(usize, MachineType)| {
        format!("{place:06}")
    });
    Ok(Json(list.map(|(_, machine_type)| machine_type)))
}
