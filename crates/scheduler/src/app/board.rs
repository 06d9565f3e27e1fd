//! The nodes as placement sees them, read from the tables.

use std::borrow::Cow;
use std::collections::HashMap;

use chassis::Result;
use contracts::inventory::v1::{NodeLiveness, NodeSchedulable};
use kernel::Resources;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};

use super::{App, unsigned_32};
use crate::domain::engine::{Device, NodeView};
use crate::store::entity::{device, node};

/// Nodes that are read anew one by one; with more of them all are.
const MOST_NEWS: usize = 256;

impl App {
    /// Nodes as placement sees them.
    pub(super) async fn node_views(
        &self,
        connection: &impl ConnectionTrait,
    ) -> Result<Vec<NodeView>> {
        Ok(self.nodes_and_last_change(connection).await?.0)
    }

    /// The same, and the last change of any of them.
    pub(super) async fn nodes_and_last_change(
        &self,
        connection: &impl ConnectionTrait,
    ) -> Result<(Vec<NodeView>, i64)> {
        let nodes = node::Entity::find()
            .order_by_asc(node::Column::Id)
            .all(connection)
            .await?;
        let devices = device::Entity::find()
            .order_by_asc(device::Column::Uuid)
            .all(connection)
            .await?;
        let seen = nodes.iter().map(|node| node.change).max().unwrap_or(0);
        Ok((node_views(nodes, devices), seen))
    }

    /// Some nodes, and their last change; `None` when they are so many that all are to be read.
    pub(super) async fn some_nodes(
        &self,
        which: sea_orm::sea_query::Expr,
    ) -> Result<Option<(Vec<NodeView>, i64)>> {
        let reader = self.database.reader();
        let nodes = node::Entity::find().filter(which).all(reader).await?;
        if nodes.len() > MOST_NEWS {
            return Ok(None);
        }
        let Some(newest) = nodes.iter().map(|node| node.change).max() else {
            return Ok(Some((Vec::new(), 0)));
        };
        let ids = nodes.iter().map(|node| node.id.as_str());
        let devices = device::Entity::find()
            .filter(device::Column::NodeId.is_in(ids))
            .order_by_asc(device::Column::Uuid)
            .all(reader)
            .await?;
        Ok(Some((node_views(nodes, devices), newest)))
    }
}

/// The devices are in the order of their identifiers, and so are those of each node.
fn node_views(nodes: Vec<node::Model>, devices: Vec<device::Model>) -> Vec<NodeView> {
    let mut of_node: HashMap<String, Vec<Device>> = HashMap::new();
    for device in devices {
        let seen = Device {
            uuid: device.uuid,
            model: device.model,
            free_milli: unsigned_32(device.free_milli),
        };
        of_node.entry(device.node_id).or_default().push(seen);
    }
    let view = |row: node::Model| {
        let devices = of_node.remove(&row.id).unwrap_or_default();
        node_view(row, devices)
    };
    nodes.into_iter().map(view).collect()
}

fn node_view(row: node::Model, devices: Vec<Device>) -> NodeView {
    let resources = |milli_cores, memory_mib, disk_gib| Resources {
        milli_cores: unsigned_32(milli_cores),
        memory_mib: unsigned_32(memory_mib),
        disk_gib: unsigned_32(disk_gib),
        ..Resources::default()
    };
    NodeView {
        closed: closed(&row).map(Cow::Borrowed),
        gone: row.given_up || row.deleted,
        total: resources(
            row.total_milli_cores,
            row.total_memory_mib,
            row.total_disk_gib,
        ),
        free: resources(row.free_milli_cores, row.free_memory_mib, row.free_disk_gib),
        devices,
        id: row.id,
        name: row.name,
    }
}

fn closed(row: &node::Model) -> Option<&'static str> {
    if row.given_up || row.deleted {
        return Some(if row.given_up { "given up" } else { "deleted" });
    }
    match (
        NodeLiveness::try_from(row.liveness),
        NodeSchedulable::try_from(row.schedulable),
    ) {
        (Ok(NodeLiveness::Ready), Ok(NodeSchedulable::Open)) => None,
        (Ok(NodeLiveness::Ready), Ok(NodeSchedulable::Draining)) => Some("draining"),
        (Ok(NodeLiveness::Ready), _) => Some("cordoned"),
        _ => Some("silent"),
    }
}
