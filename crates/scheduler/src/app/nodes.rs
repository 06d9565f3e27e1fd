//! What inventory says of nodes, taken over. What follows for the work on them is drawn from the rows, not from the message.

use std::collections::HashMap;

use chassis::{Error, Result};
use contracts::from_wire_time;
use contracts::inventory::v1::{Hardware, ListNodesRequest, Node};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DatabaseTransaction, EntityTrait,
    IntoActiveModel, QueryFilter, QuerySelect, TryInsertResult,
};

use super::{App, unsigned};
use crate::store::{self, entity};

impl App {
    /// Asks inventory for all nodes and takes them over.
    pub(crate) async fn sync_nodes(&self) -> Result<()> {
        // Read before inventory is asked, so that what left the list meanwhile is told from what joined.
        let leaving = entity::node::Entity::find()
            .filter(entity::node::Column::Leaving.eq(true))
            .filter(entity::node::Column::Deleted.eq(false))
            .all(self.database.reader())
            .await?;
        let mut inventory = self.inventory.clone();
        let nodes = inventory
            .list_nodes(ListNodesRequest {})
            .await?
            .into_inner()
            .nodes;
        // Absence alone says nothing: only what was asked to leave has left.
        for gone in leaving {
            if !nodes.iter().any(|node| node.id == gone.id) {
                self.note_deleted(&gone.id).await?;
            }
        }
        let known: HashMap<String, i64> = entity::node::Entity::find()
            .select_only()
            .columns([entity::node::Column::Id, entity::node::Column::Revision])
            .into_tuple()
            .all(self.database.reader())
            .await?
            .into_iter()
            .collect();
        for node in nodes {
            let known = known.get(&node.id);
            if known.is_none_or(|known| unsigned(*known) < node.revision) {
                self.take_over(node, false).await?;
            }
        }
        Ok(())
    }

    /// Notes that a node left the list.
    pub(super) async fn note_deleted(&self, id: &str) -> Result<()> {
        let transaction = self.database.begin().await?;
        let change = store::next_change(&transaction).await?;
        entity::node::Entity::update_many()
            .col_expr(entity::node::Column::Deleted, Expr::value(true))
            .col_expr(entity::node::Column::Change, Expr::value(change))
            .col_expr(entity::node::Column::Told, Expr::value(change))
            .filter(entity::node::Column::Id.eq(id))
            .exec(&transaction)
            .await?;
        transaction.commit().await?;
        self.node_changes.notify_one();
        Ok(())
    }

    /// Takes over one node, unless what is known of it is as new. Locks the counter of changes and then the node's row, as
    /// placements and ends do: nobody waits in a circle.
    pub(crate) async fn take_over(&self, node: Node, deleted: bool) -> Result<()> {
        checked_node_id(&node.id)?;
        let known = entity::node::Entity::find_by_id(&node.id)
            .one(self.database.reader())
            .await?;
        if known.is_some_and(|known| unsigned(known.revision) >= node.revision) {
            return Ok(());
        }
        let transaction = self.database.begin().await?;
        let change = store::next_change(&transaction).await?;
        if !upsert(&transaction, &node, deleted, change).await? {
            return Ok(());
        }
        store::recount(&transaction, &node.id).await?;
        transaction.commit().await?;
        self.placeable.notify_one();
        self.node_changes.notify_one();
        Ok(())
    }
}

/// Writes the row of a node and of its devices; `false` when a newer one is there already.
async fn upsert(
    transaction: &DatabaseTransaction,
    node: &Node,
    deleted: bool,
    change: i64,
) -> Result<bool> {
    let hardware = node.hardware.clone().unwrap_or_default();
    let cores = i64::from(hardware.milli_cores) * i64::from(node.cpu_overcommit.max(1));
    let found = entity::node::Entity::find_by_id(&node.id)
        .lock_exclusive()
        .one(transaction)
        .await?;
    if found
        .as_ref()
        .is_some_and(|found| unsigned(found.revision) >= node.revision)
    {
        return Ok(false);
    }
    let row = entity::node::Model {
        id: node.id.clone(),
        name: node.name.clone(),
        liveness: node.liveness,
        schedulable: node.schedulable,
        drain_deadline_at: node
            .drain_deadline_at
            .map(|at| from_wire_time("drain_deadline_at", at))
            .transpose()?
            .map(|at| at.timestamp_micros()),
        given_up: node.given_up_at.is_some(),
        files_lost: found.as_ref().is_some_and(|found| found.files_lost),
        leaving: found.as_ref().is_some_and(|found| found.leaving),
        deleted: deleted || found.as_ref().is_some_and(|found| found.deleted),
        total_milli_cores: cores,
        total_memory_mib: hardware.memory_mib.into(),
        total_disk_gib: hardware.disk_gib.into(),
        // Counted anew by the caller.
        free_milli_cores: 0,
        free_memory_mib: 0,
        free_disk_gib: 0,
        revision: i64::try_from(node.revision).unwrap_or(i64::MAX),
        change,
        told: change,
    };
    let row = row.into_active_model().reset_all();
    if found.is_some() {
        row.update(transaction).await?;
    } else if !insert(transaction, row).await? {
        return Ok(false);
    }
    upsert_devices(transaction, &node.id, &hardware).await?;
    Ok(true)
}

/// `false` when somebody else took the same news over at the same moment.
async fn insert(transaction: &DatabaseTransaction, row: entity::node::ActiveModel) -> Result<bool> {
    let inserted = entity::node::Entity::insert(row)
        .on_conflict_do_nothing_on([entity::node::Column::Id])
        .exec_without_returning(transaction)
        .await?;
    Ok(matches!(inserted, TryInsertResult::Inserted(1)))
}

async fn upsert_devices(
    transaction: &DatabaseTransaction,
    node_id: &str,
    hardware: &Hardware,
) -> Result<()> {
    let present = hardware.gpus.iter().map(|gpu| gpu.uuid.clone());
    entity::device::Entity::delete_many()
        .filter(entity::device::Column::NodeId.eq(node_id))
        .filter(entity::device::Column::Uuid.is_not_in(present))
        .exec(transaction)
        .await?;
    for gpu in &hardware.gpus {
        let row = entity::device::ActiveModel {
            node_id: Set(node_id.to_owned()),
            uuid: Set(gpu.uuid.clone()),
            model: Set(gpu.model.clone()),
            free_milli: Set(1_000),
        };
        let same =
            OnConflict::columns([entity::device::Column::NodeId, entity::device::Column::Uuid])
                .update_column(entity::device::Column::Model)
                .to_owned();
        entity::device::Entity::insert(row)
            .on_conflict(same)
            .exec_without_returning(transaction)
            .await?;
    }
    Ok(())
}

/// A node that inventory speaks of without a valid identifier is a defect there.
pub(super) fn checked_node_id(id: &str) -> Result<()> {
    id.parse::<kernel::id::NodeId>()
        .map(|_| ())
        .map_err(|error| Error::internal("reading a node", error))
}
