//! Use cases of the scheduler.

mod departure;
mod dispatch;
mod explain;
mod follow;
mod leadership;
mod links;
mod list;
mod nodes;
mod overdue;
mod place;
mod record;
mod report;
mod stop;
mod submit;
mod view;

use std::sync::Arc;

use bus::Outbox;
use chassis::Database;
use chassis::grpc::Caller;
use contracts::inventory::v1::inventory_service_client::InventoryServiceClient;
use contracts::volume::v1::volume_service_client::VolumeServiceClient;
use kernel::Clock;
use opentelemetry::metrics::Counter;
use tokio::sync::Notify;

pub(crate) use leadership::Leadership;
pub(crate) use links::{Link, Links};
pub(crate) use submit::NewWorkload;

/// The use cases, on one database.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) database: Database,
    pub(crate) outbox: Outbox,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) inventory: InventoryServiceClient<Caller>,
    pub(crate) volume: VolumeServiceClient<Caller>,
    pub(crate) leadership: Leadership,
    pub(crate) links: Links,
    /// Something may be placed: the queue grew, or something became free.
    pub(crate) placeable: Arc<Notify>,
    /// Agents may have to be told something.
    pub(crate) dispatchable: Arc<Notify>,
    /// A node may have fallen silent or come back, is drained, or is gone.
    pub(crate) node_changes: Arc<Notify>,
    pub(crate) metrics: Metrics,
}

/// What the scheduler counts.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    pub(crate) placements: Counter<u64>,
    pub(crate) ends: Counter<u64>,
    pub(crate) overdue: Counter<u64>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let meter = opentelemetry::global::meter("quire");
        let counter = |name: &'static str, description: &'static str| {
            meter
                .u64_counter(name)
                .with_description(description)
                .build()
        };
        Self {
            placements: counter("quire_placements", "attempts that got a place"),
            ends: counter("quire_attempt_ends", "attempts that ended, by how"),
            overdue: counter(
                "quire_attempts_overdue",
                "sightings of attempts that stayed too long in a state",
            ),
        }
    }
}

/// Numbers that are never negative where the database keeps them signed.
pub(crate) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// The same for the 32 bits of the wire.
pub(crate) fn unsigned_32(number: i64) -> u32 {
    u32::try_from(number.max(0)).unwrap_or(u32::MAX)
}
