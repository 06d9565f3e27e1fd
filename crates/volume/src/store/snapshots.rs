//! Snapshots, between rows and the domain.

use chassis::Result;
use kernel::id::{NodeId, SnapshotId, VolumeId};
use kernel::time::from_micros;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter,
    QueryOrder, QuerySelect,
    sea_query::Query,
};

use super::entity::{copy, snapshot};
use super::{broken, number};
use crate::domain::snapshot::{Snapshot, State};

const MAKING: &str = "making";
const READY: &str = "ready";
const FAILED: &str = "failed";
const DELETING: &str = "deleting";
const DELETED: &str = "deleted";
/// Most snapshots listed at once.
const LISTED: u64 = 1_000;

/// Adds a snapshot of a locked volume.
pub(crate) async fn insert(
    transaction: &DatabaseTransaction,
    new: &Snapshot,
    request_id: &str,
) -> Result<()> {
    let row = snapshot::ActiveModel {
        request_id: Set(request_id.to_owned()),
        ..columns(new)?
    };
    snapshot::Entity::insert(row)
        .exec_without_returning(transaction)
        .await?;
    Ok(())
}

/// What a request for a volume has made before.
pub(crate) async fn requested(
    connection: &impl ConnectionTrait,
    volume: VolumeId,
    request_id: &str,
) -> Result<Option<Snapshot>> {
    let row = snapshot::Entity::find()
        .filter(snapshot::Column::VolumeId.eq(volume.to_string()))
        .filter(snapshot::Column::RequestId.eq(request_id))
        .one(connection)
        .await?;
    row.map(read).transpose()
}

/// The snapshot of a volume with this identifier, or the one that now has this name; not one that is gone.
pub(crate) async fn named(
    connection: &impl ConnectionTrait,
    volume: VolumeId,
    name: &str,
) -> Result<Option<Snapshot>> {
    let by_name = Condition::all()
        .add(snapshot::Column::Name.eq(name))
        .add(snapshot::Column::State.is_in([MAKING, READY]));
    let row = snapshot::Entity::find()
        .filter(snapshot::Column::VolumeId.eq(volume.to_string()))
        .filter(snapshot::Column::State.ne(DELETED))
        .filter(
            Condition::any()
                .add(snapshot::Column::Id.eq(name))
                .add(by_name),
        )
        .one(connection)
        .await?;
    row.map(read).transpose()
}

/// Snapshots of a volume that are not gone, newest first.
pub(crate) async fn of_volume(
    connection: &impl ConnectionTrait,
    volume: VolumeId,
) -> Result<Vec<Snapshot>> {
    let rows = snapshot::Entity::find()
        .filter(snapshot::Column::VolumeId.eq(volume.to_string()))
        .filter(snapshot::Column::State.ne(DELETED))
        .order_by_desc(snapshot::Column::Id)
        .limit(LISTED)
        .all(connection)
        .await?;
    rows.into_iter().map(read).collect()
}

/// One snapshot, locked until the transaction ends.
pub(crate) async fn lock(
    transaction: &DatabaseTransaction,
    id: SnapshotId,
) -> Result<Option<Snapshot>> {
    let row = snapshot::Entity::find_by_id(id.to_string())
        .lock_exclusive()
        .one(transaction)
        .await?;
    row.map(read).transpose()
}

/// Snapshots whose files a node must remove and nothing copies any more, oldest first.
pub(crate) async fn deleting_on(
    connection: &impl ConnectionTrait,
    node: NodeId,
) -> Result<Vec<Snapshot>> {
    let copied = |column: copy::Column| {
        Query::select()
            .column(column)
            .from(copy::Entity)
            .and_where(column.is_not_null())
            .to_owned()
    };
    let rows = snapshot::Entity::find()
        .filter(snapshot::Column::NodeId.eq(node.to_string()))
        .filter(snapshot::Column::State.eq(DELETING))
        .filter(snapshot::Column::Id.not_in_subquery(copied(copy::Column::FromId)))
        .filter(snapshot::Column::Id.not_in_subquery(copied(copy::Column::ToId)))
        .filter(snapshot::Column::Id.not_in_subquery(copied(copy::Column::KeepId)))
        .order_by_asc(snapshot::Column::Id)
        .limit(LISTED)
        .all(connection)
        .await?;
    rows.into_iter().map(read).collect()
}

/// Writes a snapshot whose volume or itself was locked.
pub(crate) async fn update(transaction: &DatabaseTransaction, snapshot: &Snapshot) -> Result<()> {
    snapshot::Entity::update(columns(snapshot)?)
        .exec(transaction)
        .await?;
    Ok(())
}

/// All columns but the request, which never changes.
fn columns(snapshot: &Snapshot) -> Result<snapshot::ActiveModel> {
    Ok(snapshot::ActiveModel {
        id: Set(snapshot.id.into()),
        volume_id: Set(snapshot.volume.into()),
        team_id: Set(snapshot.team.into()),
        node_id: Set(snapshot.node.into()),
        request_id: NotSet,
        name: Set(snapshot.name.clone()),
        state: Set(match snapshot.state {
            State::Making => MAKING.to_owned(),
            State::Ready => READY.to_owned(),
            State::Failed => FAILED.to_owned(),
            State::Deleting => DELETING.to_owned(),
            State::Deleted => DELETED.to_owned(),
        }),
        reason: Set(snapshot.reason.clone()),
        bytes: Set(number(snapshot.bytes)?),
        revision: Set(number(snapshot.revision)?),
        created_at: Set(snapshot.created_at.timestamp_micros()),
    })
}

fn read(row: snapshot::Model) -> Result<Snapshot> {
    Ok(Snapshot {
        id: row.id.parse().map_err(|_| broken("id"))?,
        volume: row.volume_id.parse().map_err(|_| broken("volume_id"))?,
        team: row.team_id.parse().map_err(|_| broken("team_id"))?,
        node: row.node_id.parse().map_err(|_| broken("node_id"))?,
        name: row.name,
        state: match row.state.as_str() {
            MAKING => State::Making,
            READY => State::Ready,
            FAILED => State::Failed,
            DELETING => State::Deleting,
            DELETED => State::Deleted,
            _ => return Err(broken("state")),
        },
        reason: row.reason,
        bytes: u64::try_from(row.bytes).map_err(|_| broken("bytes"))?,
        revision: u64::try_from(row.revision).map_err(|_| broken("revision"))?,
        created_at: from_micros(row.created_at),
    })
}
