//! `quire machine-type`.

use std::collections::HashMap;

use anyhow::Result;
use contracts::billing::v1::{ListPricesRequest, Price};
use contracts::inventory::v1::{ListMachineTypesRequest, MachineType};
use contracts::scheduler::v1::{Capacity, GetCapacityRequest};
use serde::Serialize;

use crate::api::Api;
use crate::cli::Output;
use crate::print::{self, Row};

/// A machine type as programs see it. Fields are only added.
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
    /// So many could start now; null = not known.
    free_now: Option<u32>,
    /// So many could run on empty nodes; null = not known.
    total: Option<u32>,
    /// Null = not known.
    price_per_hour: Option<String>,
    currency: Option<String>,
}

impl TypeRow {
    fn new(
        machine: MachineType,
        room: Option<&Capacity>,
        prices: Option<&HashMap<String, Price>>,
    ) -> Self {
        let resources = machine.resources.unwrap_or_default();
        let price = prices.and_then(|prices| prices.get(&machine.name));
        let rate = price.map_or(0, |price| price.nanos_per_hour);
        Self {
            price_per_hour: prices.map(|_| print::rate(rate)),
            currency: price.map(|price| price.currency.clone()),
            free_now: room.map(|room| room.free),
            total: room.map(|room| room.total),
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
        "FREE / TOTAL",
        "PER HOUR",
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
        let count =
            |count: Option<u32>| count.map_or_else(|| "?".to_owned(), |count| count.to_string());
        let price = self
            .price_per_hour
            .clone()
            .unwrap_or_else(|| "?".to_owned());
        let currency = self.currency.clone().unwrap_or_default();
        vec![
            self.name.clone(),
            format!("{} / {}", count(self.free_now), count(self.total)),
            format!("{price} {currency}").trim_end().to_owned(),
            (self.milli_cores / 1_000).to_string(),
            self.memory_mib.to_string(),
            self.disk_gib.to_string(),
            gpu,
            limit,
        ]
    }
}

/// Types that some node here can host, or all of them.
pub(super) async fn list(api: &Api, output: Output, all: bool) -> Result<()> {
    let answer = api
        .ask(
            api.inventory()
                .list_machine_types(ListMachineTypesRequest {}),
        )
        .await?;
    let types: Vec<_> = answer
        .machine_types
        .into_iter()
        .filter(|machine| all || machine.available)
        .collect();
    let request = GetCapacityRequest {
        sizes: types
            .iter()
            .map(|machine| machine.resources.clone().unwrap_or_default())
            .collect(),
        node_id: String::new(),
    };
    let (mut scheduler, mut billing) = (api.scheduler(), api.billing());
    let (room, prices) = tokio::join!(
        api.ask(scheduler.get_capacity(request)),
        api.ask(billing.list_prices(ListPricesRequest {}))
    );
    let room = print::or_note("how many are free", room).map(|answer| answer.capacities);
    let prices = print::or_note("prices", prices).map(|answer| {
        let prices = answer.prices.into_iter();
        prices
            .map(|price| (price.machine_type.clone(), price))
            .collect::<HashMap<_, _>>()
    });
    let rows: Vec<_> = types
        .into_iter()
        .enumerate()
        .map(|(place, machine)| {
            let room = room.as_ref().and_then(|room| room.get(place));
            TypeRow::new(machine, room, prices.as_ref())
        })
        .collect();
    print::list(
        output,
        &rows,
        "no node here can host any machine type now; \"quire node list\" shows the nodes, \"--all\" the whole catalogue",
    )
}
