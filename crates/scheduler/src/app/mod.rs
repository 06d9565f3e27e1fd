//! Use cases of the scheduler.

mod board;
mod capacity;
mod departure;
mod dispatch;
mod explain;
mod follow;
mod kept;
mod lately;
mod leadership;
mod leave;
mod links;
mod list;
mod nodes;
mod overdue;
mod place;
mod possible;
mod queues;
mod record;
mod report;
mod snapshot;
mod stop;
mod submit;
mod together;
mod usual;
mod view;

use std::sync::Arc;

use bus::{Envelope, Outbox};
use chassis::Database;
use chassis::grpc::Caller;
use contracts::inventory::v1::inventory_service_client::InventoryServiceClient;
use contracts::volume::v1::volume_service_client::VolumeServiceClient;
use kernel::Clock;
use tokio::sync::{Mutex, Notify};

pub(crate) use leadership::Leadership;
pub(crate) use links::{Link, Links};
pub(crate) use overdue::Told;
pub(crate) use possible::Possible;
pub(crate) use submit::NewWorkload;
pub(crate) use together::Together;
pub(crate) use usual::Usual;

use crate::domain::engine::Policy;
use crate::domain::queue::Rules;
use crate::metrics::Metrics;
use crate::store::entity;

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
    pub(crate) told: Told,
    /// How nodes are chosen.
    pub(crate) policy: Policy,
    /// Who goes first, and who makes room.
    pub(crate) rules: Rules,
    /// How long before its stop a workload is told that it makes room, in milliseconds.
    pub(crate) notice_ms: u32,
    pub(crate) usual: Usual,
    pub(crate) possible: Possible,
    /// What is submitted now.
    pub(crate) submits: Together<(entity::workload::Model, Envelope), bool>,
    /// What agents report now.
    pub(crate) reports: Together<report::Reported, ()>,
    /// The nodes and the work as the last placement pass of this leader left them.
    pub(crate) kept: Arc<Mutex<Option<kept::Kept>>>,
}

/// Numbers that are never negative where the database keeps them signed.
pub(crate) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// The same for the 32 bits of the wire.
pub(crate) fn unsigned_32(number: i64) -> u32 {
    u32::try_from(number.max(0)).unwrap_or(u32::MAX)
}
