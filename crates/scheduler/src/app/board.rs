//! The nodes as placement sees them: read from the tables, and kept by the leader from pass to pass.

use std::borrow::Cow;
use std::collections::HashMap;

use chassis::Result;
use chassis::lease::Held;
use contracts::inventory::v1::{NodeLiveness, NodeSchedulable};
use kernel::Resources;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};

use super::{App, unsigned_32};
use crate::domain::engine::{Board, Device, NodeView, Record};
use crate::store::entity::{device, node};

/// Nodes that are read anew one by one; with more of them all are.
const MOST_NEWS: usize = 256;
/// Placements after which it is counted anew what is usually asked for.
const MOST_PLACED: usize = 1_000;
/// What a board is told and asked at most, but for one page, before its record is set aside.
const MOST_RECORDED: usize = 10_000;

/// The board as the leader keeps it. What others change in the tables is read before each pass, and the conditional updates of
/// the placing transaction are the guard.
#[derive(Debug)]
pub(crate) struct Kept {
    /// The leadership that read it.
    epoch: u64,
    pub(super) board: Board,
    /// The last change of a node that it has seen.
    seen: i64,
    /// Placements since it was counted what is usually asked for.
    pub(super) placed: usize,
    /// What the decisions of the board before rested on.
    pub(super) before: Option<Record>,
}

impl App {
    /// Nodes as placement sees them.
    pub(super) async fn node_views(
        &self,
        connection: &impl ConnectionTrait,
    ) -> Result<Vec<NodeView>> {
        Ok(self.nodes_and_last_change(connection).await?.0)
    }

    async fn nodes_and_last_change(
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

    /// The kept board brought up to date, or a new one.
    pub(super) async fn board(&self, held: &Held, kept: Option<Kept>) -> Result<Kept> {
        if let Some(mut kept) = kept.filter(|kept| kept.epoch == held.epoch) {
            let news = node::Column::Change.gt(kept.seen);
            if let Some(newest) = self.read_news(&mut kept, news).await? {
                kept.seen = kept.seen.max(newest);
                return Ok(kept);
            }
        }
        let (nodes, seen) = self.nodes_and_last_change(self.database.reader()).await?;
        let usual = self.usual_requests(held).await?;
        Ok(Kept {
            epoch: held.epoch,
            board: Board::new(nodes, &usual, self.policy),
            seen,
            placed: 0,
            before: None,
        })
    }

    /// The same nodes on a new board when much was placed since, which counts anew what is usually asked for, or when its record has
    /// grown long.
    pub(super) async fn renewed(&self, held: &Held, mut kept: Kept) -> Result<Kept> {
        if kept.placed >= MOST_PLACED || kept.board.record().len() >= MOST_RECORDED {
            let usual = self.usual_requests(held).await?;
            let (nodes, record) = kept.board.into_parts();
            kept.board = Board::new(nodes, &usual, self.policy);
            kept.before = Some(record);
            kept.placed = 0;
        }
        Ok(kept)
    }

    /// The kept board with these nodes as the tables have them.
    pub(super) async fn reread(
        &self,
        held: &Held,
        mut kept: Kept,
        node_ids: Vec<String>,
    ) -> Result<Kept> {
        let these = node::Column::Id.is_in(node_ids);
        // What else has changed may have lower numbers than these: it is not seen yet.
        let known = self.read_news(&mut kept, these).await?;
        self.board(held, Some(kept).filter(|_| known.is_some()))
            .await
    }

    /// Takes over nodes as the tables have them, and gives their last change; `None` when that is not enough, and all must be read.
    async fn read_news(
        &self,
        kept: &mut Kept,
        which: sea_orm::sea_query::Expr,
    ) -> Result<Option<i64>> {
        let reader = self.database.reader();
        let nodes = node::Entity::find().filter(which).all(reader).await?;
        if nodes.is_empty() {
            return Ok(Some(0));
        }
        if nodes.len() > MOST_NEWS {
            return Ok(None);
        }
        let ids = nodes.iter().map(|node| node.id.as_str());
        let devices = device::Entity::find()
            .filter(device::Column::NodeId.is_in(ids))
            .order_by_asc(device::Column::Uuid)
            .all(reader)
            .await?;
        let newest = nodes.iter().map(|node| node.change).max();
        let mut views = node_views(nodes, devices).into_iter();
        let known = views.all(|view| kept.board.renew(view));
        Ok(newest.filter(|_| known))
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
