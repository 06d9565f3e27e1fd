//! Nodes with their GPUs, between rows and the domain.

use chassis::database::count_by;
use chassis::{Error, Result};
use kernel::Timestamp;
use kernel::id::NodeId;
use kernel::time::from_micros;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter,
    QuerySelect,
};

use super::broken;
use super::entity::{gpu, node};
use crate::domain::node::{Gpu, Hardware, Liveness, Node, Report, Schedulable};
use crate::domain::silence::Heard;
use crate::domain::warm::Warm;

const READY: &str = "ready";
const SILENT: &str = "silent";
const OPEN: &str = "open";
const CORDONED: &str = "cordoned";
const DRAINING: &str = "draining";

/// All nodes of the list, by name. One statement, so that each node has the GPUs of its revision.
pub(crate) async fn all(connection: &impl ConnectionTrait) -> Result<Vec<Node>> {
    let rows = node::Entity::find()
        .filter(node::Column::DeletedAt.is_null())
        .find_with_related(gpu::Entity)
        .all(connection)
        .await?;
    let mut nodes: Vec<Node> = rows
        .into_iter()
        .map(|(row, gpus)| read(row, gpus))
        .collect::<Result<_>>()?;
    nodes.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(nodes)
}

/// Whether a node is known and neither given up nor off the list.
pub(crate) async fn exists(connection: &impl ConnectionTrait, id: NodeId) -> Result<bool> {
    let row = node::Entity::find_by_id(id.to_string())
        .filter(node::Column::GivenUpAt.is_null())
        .filter(node::Column::DeletedAt.is_null())
        .one(connection);
    Ok(row.await?.is_some())
}

/// One node, locked until the transaction ends.
/// One node, deleted ones too, locked until the transaction ends.
pub(crate) async fn lock(transaction: &DatabaseTransaction, id: NodeId) -> Result<Option<Node>> {
    lock_where(transaction, node::Column::Id.eq(id.to_string()).into()).await
}

/// One node by its identifier or name, locked until the transaction ends.
pub(crate) async fn lock_named(
    transaction: &DatabaseTransaction,
    id_or_name: &str,
) -> Result<Option<Node>> {
    let either = Condition::any()
        .add(node::Column::Id.eq(id_or_name))
        .add(node::Column::Name.eq(id_or_name));
    let listed = Condition::all()
        .add(either)
        .add(node::Column::DeletedAt.is_null());
    lock_where(transaction, listed).await
}

/// Nodes that are gone and whose keys identity has not ended yet.
pub(crate) async fn with_keys_to_end(connection: &impl ConnectionTrait) -> Result<Vec<NodeId>> {
    let gone = Condition::any()
        .add(node::Column::GivenUpAt.is_not_null())
        .add(node::Column::DeletedAt.is_not_null());
    let rows = node::Entity::find()
        .filter(gone)
        .filter(node::Column::KeyRevoked.eq(false))
        .all(connection)
        .await?;
    rows.into_iter()
        .map(|row| row.id.parse().map_err(|_| broken("id")))
        .collect()
}

/// Notes that identity has ended the keys of a node. Nobody can see it: no revision.
pub(crate) async fn note_keys_ended(
    connection: &impl ConnectionTrait,
    id: NodeId,
) -> Result<(), DbErr> {
    node::Entity::update_many()
        .col_expr(node::Column::KeyRevoked, Expr::value(true))
        .filter(node::Column::Id.eq(id.to_string()))
        .exec(connection)
        .await?;
    Ok(())
}

async fn lock_where(transaction: &DatabaseTransaction, which: Condition) -> Result<Option<Node>> {
    let row = node::Entity::find()
        .filter(which)
        .lock_exclusive()
        .one(transaction)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let gpus = gpu::Entity::find()
        .filter(gpu::Column::NodeId.eq(&row.id))
        .all(transaction)
        .await?;
    read(row, gpus).map(Some)
}

/// Ready nodes, and when they were heard last.
pub(crate) async fn ready(connection: &impl ConnectionTrait) -> Result<Vec<Heard>> {
    let rows = node::Entity::find()
        .filter(node::Column::Liveness.eq(READY))
        .all(connection)
        .await?;
    let heard = |row: node::Model| {
        let last_seen_at = from_micros(row.last_seen_at.ok_or_else(|| broken("last_seen_at"))?);
        Ok(Heard {
            node: row.id.parse().map_err(|_| broken("id"))?,
            last_seen_at,
        })
    };
    rows.into_iter().map(heard).collect()
}

/// How many nodes there are, by liveness.
pub(crate) async fn count(connection: &impl ConnectionTrait) -> Result<Vec<(String, u64)>> {
    Ok(count_by(node::Entity::find(), node::Column::Liveness, connection).await?)
}

/// Notes that a node was heard and what waits there, if it is still at `revision`; whether it was.
pub(crate) async fn touch(
    connection: &impl ConnectionTrait,
    id: NodeId,
    revision: u64,
    now: Timestamp,
    warm: Option<&Warm>,
) -> Result<bool> {
    let touched = node::Entity::update_many()
        .col_expr(
            node::Column::LastSeenAt,
            Expr::value(now.timestamp_micros()),
        )
        .col_expr(node::Column::Warm, Expr::value(write_warm(warm)?))
        .filter(node::Column::Id.eq(id.to_string()))
        .filter(node::Column::Revision.eq(column(revision)))
        .exec(connection)
        .await?;
    Ok(touched.rows_affected == 1)
}

/// Adds a node that has no hardware yet.
pub(crate) async fn insert(transaction: &DatabaseTransaction, node: &Node) -> Result<(), DbErr> {
    node::Entity::insert(row(node))
        .exec_without_returning(transaction)
        .await?;
    Ok(())
}

/// Writes a node that was locked.
pub(crate) async fn update(transaction: &DatabaseTransaction, node: &Node) -> Result<()> {
    let row = node::ActiveModel {
        warm: Set(write_warm(node.warm.as_ref())?),
        ..row(node)
    };
    node::Entity::update(row).exec(transaction).await?;
    gpu::Entity::delete_many()
        .filter(gpu::Column::NodeId.eq(node.id.to_string()))
        .exec(transaction)
        .await?;
    let gpus = node
        .report
        .hardware
        .gpus
        .iter()
        .map(|gpu| gpu::ActiveModel {
            node_id: Set(node.id.into()),
            position: Set(gpu.index.into()),
            uuid: Set(gpu.uuid.clone()),
            model: Set(gpu.model.clone()),
            memory_mib: Set(gpu.memory_mib.into()),
        });
    gpu::Entity::insert_many(gpus)
        .exec_without_returning(transaction)
        .await?;
    Ok(())
}

/// Revisions count changes, of which there are never so many.
fn column(revision: u64) -> i64 {
    i64::try_from(revision).unwrap_or(i64::MAX)
}

fn micros(at: Option<Timestamp>) -> Option<i64> {
    at.map(|at| at.timestamp_micros())
}

fn row(node: &Node) -> node::ActiveModel {
    let hardware = &node.report.hardware;
    node::ActiveModel {
        id: Set(node.id.into()),
        // The name of a deleted node is free for another.
        name: Set(match node.deleted_at {
            Some(_) => node.id.to_string(),
            None => node.name.clone(),
        }),
        cpu_overcommit: Set(node.cpu_overcommit.into()),
        milli_cores: Set(hardware.milli_cores.into()),
        memory_mib: Set(hardware.memory_mib.into()),
        disk_gib: Set(hardware.disk_gib.into()),
        boot_id: Set(node.report.boot_id.clone()),
        missing_isolation: Set(node.report.missing_isolation.join("\n")),
        liveness: Set(match node.liveness {
            Liveness::Ready => READY.to_owned(),
            Liveness::Silent => SILENT.to_owned(),
        }),
        schedulable: Set(match node.schedulable {
            Schedulable::Open => OPEN.to_owned(),
            Schedulable::Cordoned => CORDONED.to_owned(),
            Schedulable::Draining => DRAINING.to_owned(),
        }),
        last_seen_at: Set(micros(node.last_seen_at)),
        drain_deadline_at: Set(micros(node.drain_deadline_at)),
        given_up_at: Set(micros(node.given_up_at)),
        deleted_at: Set(micros(node.deleted_at)),
        key_revoked: NotSet,
        warm: NotSet,
        revision: Set(column(node.revision)),
        created_at: Set(node.created_at.timestamp_micros()),
    }
}

fn read(row: node::Model, gpus: Vec<gpu::Model>) -> Result<Node> {
    let number = |column, value: i64| u32::try_from(value).map_err(|_| broken(column));
    let hardware = Hardware {
        milli_cores: number("milli_cores", row.milli_cores)?,
        memory_mib: number("memory_mib", row.memory_mib)?,
        disk_gib: number("disk_gib", row.disk_gib)?,
        gpus: read_gpus(gpus)?,
    };
    let missing_isolation = row.missing_isolation.lines().map(str::to_owned).collect();
    Ok(Node {
        id: row.id.parse().map_err(|_| broken("id"))?,
        name: row.name,
        cpu_overcommit: number("cpu_overcommit", row.cpu_overcommit)?,
        report: Report {
            boot_id: row.boot_id,
            hardware,
            missing_isolation,
        },
        warm: read_warm(&row.warm)?,
        liveness: match row.liveness.as_str() {
            READY => Liveness::Ready,
            SILENT => Liveness::Silent,
            _ => return Err(broken("liveness")),
        },
        schedulable: match row.schedulable.as_str() {
            OPEN => Schedulable::Open,
            CORDONED => Schedulable::Cordoned,
            DRAINING => Schedulable::Draining,
            _ => return Err(broken("schedulable")),
        },
        last_seen_at: row.last_seen_at.map(from_micros),
        drain_deadline_at: row.drain_deadline_at.map(from_micros),
        given_up_at: row.given_up_at.map(from_micros),
        deleted_at: row.deleted_at.map(from_micros),
        revision: u64::try_from(row.revision).map_err(|_| broken("revision"))?,
        created_at: from_micros(row.created_at),
    })
}

/// As JSON; nothing where a node does not say.
fn write_warm(warm: Option<&Warm>) -> Result<String> {
    let text = warm.map(serde_json::to_string).transpose();
    let text = text.map_err(|error| Error::internal("writing what waits on a node", error))?;
    Ok(text.unwrap_or_default())
}

fn read_warm(text: &str) -> Result<Option<Warm>> {
    if text.is_empty() {
        return Ok(None);
    }
    serde_json::from_str(text)
        .map(Some)
        .map_err(|_| broken("warm"))
}

fn read_gpus(mut rows: Vec<gpu::Model>) -> Result<Vec<Gpu>> {
    rows.sort_by_key(|row| row.position);
    let gpu = |row: gpu::Model| {
        Ok(Gpu {
            index: u32::try_from(row.position).map_err(|_| broken("position"))?,
            uuid: row.uuid,
            model: row.model,
            memory_mib: u32::try_from(row.memory_mib).map_err(|_| broken("memory_mib"))?,
        })
    };
    rows.into_iter().map(gpu).collect()
}
