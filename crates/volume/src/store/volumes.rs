//! Volumes, between rows and the domain.

use chassis::auth::User;
use chassis::database::count_by;
use chassis::{Result, page};
use contracts::common::v1::PageInfo;
use contracts::volume::v1::ListVolumesRequest;
use kernel::id::{AttemptId, CopyId, NodeId, TeamId, VolumeId};
use kernel::time::from_micros;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect,
};

use super::entity::volume;
use super::{broken, number};
use crate::domain::quota::{Fill, Space};
use crate::domain::volume::{Attachment, State, Volume};

const READY: &str = "ready";
const DELETING: &str = "deleting";
const DELETED: &str = "deleted";
const LOST: &str = "lost";
const ROOM: &str = "room";
const NEARLY_FULL: &str = "nearly_full";
const FULL: &str = "full";
/// Most volumes listed at once.
const LISTED: u64 = 1_000;

/// Adds a volume unless the team's request made one before; gives the one that there is then.
pub(crate) async fn insert_or_find(
    transaction: &DatabaseTransaction,
    new: &Volume,
    request_id: &str,
) -> Result<Volume> {
    let row = volume::ActiveModel {
        request_id: Set(request_id.to_owned()),
        ..columns(new)?
    };
    volume::Entity::insert(row)
        .on_conflict_do_nothing_on([volume::Column::TeamId, volume::Column::RequestId])
        .exec_without_returning(transaction)
        .await?;
    requested(transaction, new.team, request_id)
        .await?
        .ok_or_else(|| broken("request_id"))
}

/// The volume that a team's request has made.
pub(crate) async fn requested(
    connection: &impl ConnectionTrait,
    team: TeamId,
    request_id: &str,
) -> Result<Option<Volume>> {
    let row = volume::Entity::find()
        .filter(volume::Column::TeamId.eq(team.to_string()))
        .filter(volume::Column::RequestId.eq(request_id))
        .one(connection)
        .await?;
    row.map(read).transpose()
}

/// What a team shares, made of `new` when it has nothing yet.
pub(crate) async fn shared_or_insert(
    transaction: &DatabaseTransaction,
    new: &Volume,
) -> Result<Volume> {
    if let Some(there) = shared_of(transaction, new.team).await? {
        return Ok(there);
    }
    let row = volume::ActiveModel {
        request_id: Set(format!("storage/{}", new.id)),
        ..columns(new)?
    };
    // Whoever is faster has made it.
    volume::Entity::insert(row)
        .on_conflict(OnConflict::new().do_nothing().to_owned())
        .exec_without_returning(transaction)
        .await?;
    shared_of(transaction, new.team)
        .await?
        .ok_or_else(|| broken("shared"))
}

async fn shared_of(connection: &impl ConnectionTrait, team: TeamId) -> Result<Option<Volume>> {
    let row = volume::Entity::find()
        .filter(volume::Column::TeamId.eq(team.to_string()))
        .filter(volume::Column::Shared.eq(true))
        .filter(volume::Column::State.ne(DELETED))
        .one(connection)
        .await?;
    row.map(read).transpose()
}

/// Whether something of a team is attached on a node.
pub(crate) async fn is_team_at_work(
    connection: &impl ConnectionTrait,
    team: TeamId,
    node: NodeId,
) -> Result<bool> {
    let attached = volume::Entity::find()
        .filter(volume::Column::TeamId.eq(team.to_string()))
        .filter(volume::Column::NodeId.eq(node.to_string()))
        .filter(volume::Column::AttemptId.is_not_null())
        .one(connection)
        .await?;
    Ok(attached.is_some())
}

/// One volume.
pub(crate) async fn find(
    connection: &impl ConnectionTrait,
    id: VolumeId,
) -> Result<Option<Volume>> {
    let row = volume::Entity::find_by_id(id.to_string())
        .one(connection)
        .await?;
    row.map(read).transpose()
}

/// One volume, locked until the transaction ends.
pub(crate) async fn lock(
    transaction: &DatabaseTransaction,
    id: VolumeId,
) -> Result<Option<Volume>> {
    let row = volume::Entity::find_by_id(id.to_string())
        .lock_exclusive()
        .one(transaction)
        .await?;
    row.map(read).transpose()
}

/// The volumes that these attempts may write to, locked until the transaction ends.
pub(crate) async fn lock_attached(
    transaction: &DatabaseTransaction,
    attempts: &[AttemptId],
) -> Result<Vec<Volume>> {
    let attempts = attempts.iter().map(ToString::to_string);
    let rows = volume::Entity::find()
        .filter(volume::Column::AttemptId.is_in(attempts))
        .order_by_asc(volume::Column::Id)
        .lock_exclusive()
        .all(transaction)
        .await?;
    rows.into_iter().map(read).collect()
}

/// The volumes that this copies from or to, locked until the transaction ends.
pub(crate) async fn lock_copied(
    transaction: &DatabaseTransaction,
    copy: CopyId,
) -> Result<Vec<Volume>> {
    let rows = volume::Entity::find()
        .filter(volume::Column::CopyId.eq(copy.to_string()))
        .order_by_asc(volume::Column::Id)
        .lock_exclusive()
        .all(transaction)
        .await?;
    rows.into_iter().map(read).collect()
}

/// A page of the volumes that have files or may get some, of the user's team and in projects that they see.
pub(crate) async fn page_of_team(
    connection: &impl ConnectionTrait,
    user: &User,
    asked: &ListVolumesRequest,
) -> Result<(Vec<Volume>, PageInfo)> {
    let hidden = user.hidden_projects().map(|project| project.to_string());
    let seen = volume::Entity::find()
        .filter(volume::Column::TeamId.eq(user.team.to_string()))
        .filter(volume::Column::ProjectId.is_not_in(hidden))
        .filter(volume::Column::State.ne(DELETED));
    let (id, page) = (volume::Column::Id, asked.page.as_ref());
    let (rows, info) = page::by_id(connection, seen, id, page, asked.oldest_first, |row| {
        row.id.clone()
    })
    .await?;
    let volumes = rows.into_iter().map(read).collect::<Result<_>>()?;
    Ok((volumes, info))
}

/// How many volumes have files or may get some, by state.
pub(crate) async fn count(connection: &impl ConnectionTrait) -> Result<Vec<(String, u64)>> {
    let there = volume::Entity::find().filter(volume::Column::State.ne(DELETED));
    Ok(count_by(there, volume::Column::State, connection).await?)
}

/// Volumes whose files a node must remove and nothing copies any more, oldest first.
pub(crate) async fn deleting_on(
    connection: &impl ConnectionTrait,
    node: NodeId,
) -> Result<Vec<Volume>> {
    let rows = volume::Entity::find()
        .filter(volume::Column::NodeId.eq(node.to_string()))
        .filter(volume::Column::State.eq(DELETING))
        .filter(volume::Column::CopyId.is_null())
        .order_by_asc(volume::Column::Id)
        .limit(LISTED)
        .all(connection)
        .await?;
    rows.into_iter().map(read).collect()
}

/// Volumes with files on a node that it still has to keep or to remove, oldest first.
pub(crate) async fn on_node(
    connection: &impl ConnectionTrait,
    node: NodeId,
) -> Result<Vec<Volume>> {
    let rows = volume::Entity::find()
        .filter(volume::Column::NodeId.eq(node.to_string()))
        .filter(volume::Column::State.is_in([READY, DELETING]))
        .order_by_asc(volume::Column::Id)
        .limit(LISTED)
        .all(connection)
        .await?;
    rows.into_iter().map(read).collect()
}

/// Some of the volumes with files on a node, locked until the transaction ends.
pub(crate) async fn lock_on_node(
    transaction: &DatabaseTransaction,
    node: NodeId,
) -> Result<Vec<Volume>> {
    let rows = volume::Entity::find()
        .filter(volume::Column::NodeId.eq(node.to_string()))
        .filter(volume::Column::State.is_in([READY, DELETING]))
        .order_by_asc(volume::Column::Id)
        .limit(LISTED)
        .lock_exclusive()
        .all(transaction)
        .await?;
    rows.into_iter().map(read).collect()
}

/// Volumes with files on a node and a quota, by identifier.
pub(crate) async fn limited_on(
    connection: &impl ConnectionTrait,
    node: NodeId,
) -> Result<Vec<Volume>> {
    let rows = volume::Entity::find()
        .filter(volume::Column::NodeId.eq(node.to_string()))
        .filter(volume::Column::State.eq(READY))
        .filter(volume::Column::QuotaBytes.gt(0))
        .order_by_asc(volume::Column::Id)
        .all(connection)
        .await?;
    rows.into_iter().map(read).collect()
}

/// Lost volumes after an identifier, by identifier.
pub(crate) async fn lost_after(
    connection: &impl ConnectionTrait,
    after: &str,
) -> Result<Vec<Volume>> {
    let rows = volume::Entity::find()
        .filter(volume::Column::State.eq(LOST))
        .filter(volume::Column::Id.gt(after))
        .order_by_asc(volume::Column::Id)
        .limit(LISTED)
        .all(connection)
        .await?;
    rows.into_iter().map(read).collect()
}

/// Writes a volume that was locked.
pub(crate) async fn update(transaction: &DatabaseTransaction, volume: &Volume) -> Result<()> {
    volume::Entity::update(columns(volume)?)
        .exec(transaction)
        .await?;
    Ok(())
}

/// All columns but the request, which never changes.
fn columns(volume: &Volume) -> Result<volume::ActiveModel> {
    Ok(volume::ActiveModel {
        id: Set(volume.id.into()),
        team_id: Set(volume.team.into()),
        request_id: NotSet,
        node_id: Set(volume.node.map(String::from)),
        state: Set(match volume.state {
            State::Ready => READY.to_owned(),
            State::Deleting => DELETING.to_owned(),
            State::Deleted => DELETED.to_owned(),
            State::Lost => LOST.to_owned(),
        }),
        project_id: Set(volume.project.clone()),
        reason: Set(volume.reason.clone()),
        owner_id: Set(volume.owner.clone()),
        label: Set(volume.label.clone()),
        copy_id: Set(volume.copy.map(String::from)),
        quota_bytes: Set(number(volume.space.quota)?),
        used_bytes: Set(number(volume.space.used)?),
        fill: Set(match volume.space.fill {
            Fill::Room => ROOM.to_owned(),
            Fill::NearlyFull => NEARLY_FULL.to_owned(),
            Fill::Full => FULL.to_owned(),
        }),
        shared: Set(volume.shared),
        attempt_id: Set(volume.attachment.map(|held| held.attempt.into())),
        generation: Set(volume
            .attachment
            .map(|held| number(held.generation))
            .transpose()?),
        revision: Set(number(volume.revision)?),
        created_at: Set(volume.created_at.timestamp_micros()),
    })
}

fn read(row: volume::Model) -> Result<Volume> {
    let attachment = match (row.attempt_id, row.generation) {
        (Some(attempt), Some(generation)) => Some(Attachment {
            attempt: attempt.parse().map_err(|_| broken("attempt_id"))?,
            generation: u64::try_from(generation).map_err(|_| broken("generation"))?,
        }),
        _ => None,
    };
    let node = row
        .node_id
        .map(|node| node.parse().map_err(|_| broken("node_id")));
    let space = Space {
        quota: u64::try_from(row.quota_bytes).map_err(|_| broken("quota_bytes"))?,
        used: u64::try_from(row.used_bytes).map_err(|_| broken("used_bytes"))?,
        fill: match row.fill.as_str() {
            ROOM => Fill::Room,
            NEARLY_FULL => Fill::NearlyFull,
            FULL => Fill::Full,
            _ => return Err(broken("fill")),
        },
    };
    let copy = row
        .copy_id
        .map(|copy| copy.parse().map_err(|_| broken("copy_id")));
    Ok(Volume {
        id: row.id.parse().map_err(|_| broken("id"))?,
        team: row.team_id.parse().map_err(|_| broken("team_id"))?,
        project: row.project_id,
        reason: row.reason,
        owner: row.owner_id,
        label: row.label,
        copy: copy.transpose()?,
        space,
        shared: row.shared,
        node: node.transpose()?,
        state: match row.state.as_str() {
            READY => State::Ready,
            DELETING => State::Deleting,
            DELETED => State::Deleted,
            LOST => State::Lost,
            _ => return Err(broken("state")),
        },
        attachment,
        revision: u64::try_from(row.revision).map_err(|_| broken("revision"))?,
        created_at: from_micros(row.created_at),
    })
}
