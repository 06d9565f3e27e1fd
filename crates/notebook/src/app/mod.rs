//! Use cases of notebooks.

mod bring;
mod cost;
mod count;
mod create;
mod door;
mod environment;
mod explain;
mod extend;
mod fill;
mod find;
mod fork;
mod idle;
mod insert;
mod keep;
mod launch;
mod loss;
mod machine;
mod make_template;
mod mend;
mod observe;
mod policy;
mod project;
mod reconfigure;
mod record;
mod restart;
mod route;
mod share;
mod signs;
mod ssh;
mod submit;
mod template;
mod token;
mod view;
mod volume;
mod wish;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bus::{Outbox, Routes};
use chassis::grpc::Caller;
use chassis::seal::Sealer;
use chassis::{Address, Database};
use contracts::billing::v1::billing_service_client::BillingServiceClient;
use contracts::identity::v1::identity_service_client::IdentityServiceClient;
use contracts::inventory::v1::inventory_service_client::InventoryServiceClient;
use contracts::scheduler::v1::scheduler_service_client::SchedulerServiceClient;
use contracts::volume::v1::volume_service_client::VolumeServiceClient;
use kernel::{Clock, Timestamp};
use tokio::sync::Notify;

pub(crate) use create::NewNotebook;
pub(crate) use reconfigure::Changes;

use crate::metrics::Metrics;

/// The use cases, on one database.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) database: Database,
    pub(crate) outbox: Outbox,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) sealer: Arc<Sealer>,
    pub(crate) routes: Routes,
    pub(crate) identity: IdentityServiceClient<Caller>,
    pub(crate) inventory: InventoryServiceClient<Caller>,
    pub(crate) volume: VolumeServiceClient<Caller>,
    pub(crate) scheduler: SchedulerServiceClient<Caller>,
    pub(crate) billing: BillingServiceClient<Caller>,
    /// Where people reach the edge.
    pub(crate) edge: Address,
    /// Where this service reaches it.
    pub(crate) edge_probe: Address,
    pub(crate) http: reqwest::Client,
    /// Since when this program hears of visitors.
    pub(crate) watching_since: Timestamp,
    /// When each running notebook was last used by a visitor, as the edges say.
    pub(crate) uses: Arc<Mutex<HashMap<String, Timestamp>>>,
    /// Idle notebooks shall be looked for now.
    pub(crate) idle_changed: Arc<Notify>,
    /// Some notebook is not as it is wanted.
    pub(crate) changed: Arc<Notify>,
    /// Some notebook may wait for the files of its template.
    pub(crate) provisioned: Arc<Notify>,
    pub(crate) metrics: Metrics,
}

/// Numbers that are never negative where the database keeps them signed.
fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// The same for the 32 bits of the wire.
fn unsigned_32(number: i64) -> u32 {
    u32::try_from(number.max(0)).unwrap_or(u32::MAX)
}
