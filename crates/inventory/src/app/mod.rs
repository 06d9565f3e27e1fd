//! Use cases of inventory, one file a resource.

mod catalogue;
mod departure;
mod edge;
mod environment;
mod heartbeat;
mod join;
mod liveness;
mod node;
mod resolve;

use std::sync::Arc;

use bus::Outbox;
use chassis::grpc::Caller;
use chassis::{Database, Result};
use contracts::identity::v1::identity_service_client::IdentityServiceClient;
use contracts::inventory::v1::NodeChanged;
use kernel::Clock;
use sea_orm::DatabaseTransaction;
use tokio::sync::Notify;

use crate::domain::machine_type::MachineType;
use crate::domain::node::Node;
use crate::metrics::Metrics;
use crate::resolver::Resolver;
use crate::wire;

pub(crate) use edge::LastRead;
pub(crate) use heartbeat::Remembered;
pub(crate) use join::Joined;

/// The use cases, on one database.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) database: Database,
    pub(crate) outbox: Outbox,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) identity: IdentityServiceClient<Caller>,
    pub(crate) catalogue: Arc<[MachineType]>,
    pub(crate) remembered: Remembered,
    /// A node is gone, and its keys must end.
    pub(crate) departures: Arc<Notify>,
    pub(crate) edges: LastRead,
    pub(crate) resolver: Resolver,
    /// An environment waits to be resolved.
    pub(crate) unresolved: Arc<Notify>,
    /// How often nodes are asked to say that they live.
    pub(crate) heartbeat_ms: u32,
    pub(crate) metrics: Metrics,
}

impl App {
    /// Tells the others of a node that this transaction changed.
    async fn publish(&self, transaction: &DatabaseTransaction, node: &Node) -> Result<()> {
        let event = NodeChanged {
            node: Some(wire::node(node.clone())),
            deleted: node.deleted_at.is_some(),
        };
        self.outbox
            .append(transaction, &event, &node.id.to_string(), None)
            .await
    }
}
