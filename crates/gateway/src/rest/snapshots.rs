//! Snapshots of volumes.

use axum::Json;
use axum::extract::Path;
use contracts::volume::v1::{
    CreateSnapshotRequest, DeleteSnapshotRequest, ListSnapshotsRequest, RestoreSnapshotRequest,
    Snapshot as WireSnapshot, SnapshotState as WireState,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Answer;
use super::caller::Caller;
use super::extract::{Id, IdempotencyKey, Params};
use super::failure::Failure;
use super::json_body::{JsonBody, Nothing};
use super::page::{List, Order, PageQuery};
use super::values::{Time, present};

/// What the files of a volume were at one moment.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Snapshot {
    id: String,
    volume_id: String,
    /// Unique among those of its volume.
    name: String,
    state: SnapshotState,
    /// Why it could not be made; empty otherwise.
    reason: String,
    /// How long its files are together; 0 until they were copied.
    bytes: u64,
    dt_created: Time,
}

/// Where a snapshot is in its life.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum SnapshotState {
    Making,
    Ready,
    Failed,
    Deleting,
    Deleted,
}

impl TryFrom<WireSnapshot> for Snapshot {
    type Error = Failure;

    fn try_from(snapshot: WireSnapshot) -> Result<Self, Failure> {
        let state = match snapshot.state() {
            WireState::Unspecified => return present("state", None),
            WireState::Making => SnapshotState::Making,
            WireState::Ready => SnapshotState::Ready,
            WireState::Failed => SnapshotState::Failed,
            WireState::Deleting => SnapshotState::Deleting,
            WireState::Deleted => SnapshotState::Deleted,
        };
        Ok(Self {
            state,
            dt_created: Time::required("created_at", snapshot.created_at)?,
            id: snapshot.id,
            volume_id: snapshot.volume_id,
            name: snapshot.name,
            reason: snapshot.reason,
            bytes: snapshot.bytes,
        })
    }
}

/// What a new snapshot is called.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewSnapshot {
    /// 1 to 100 characters without "@"; made up when absent.
    name: Option<String>,
    /// The same one gives the same snapshot.
    request_id: Option<String>,
}

/// List the snapshots of a volume
#[utoipa::path(
    get, path = "/v1/volumes/{id}/snapshots", tag = "Volumes",
    params(("id" = String, Path, description = "Identifier of the volume"), PageQuery), responses((status = 200, body = List<Snapshot>))
)]
pub(super) async fn list_snapshots(
    caller: Caller,
    Id(volume_id): Id,
    Params(page): Params<PageQuery>,
) -> Answer<List<Snapshot>> {
    let page = page.read(["dtCreated"], Order::Descending)?;
    let answer = caller
        .volume()
        .list_snapshots(ListSnapshotsRequest { volume_id })
        .await?
        .into_inner();
    let snapshots = answer
        .snapshots
        .into_iter()
        .map(Snapshot::try_from)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Json(page.cut(snapshots, |snapshot| {
        snapshot.dt_created.key(&snapshot.id)
    })))
}

/// Keep what the files of a volume are now; nobody may write to them
#[utoipa::path(
    post, path = "/v1/volumes/{id}/snapshots", tag = "Volumes",
    params(("id" = String, Path, description = "Identifier of the volume")), request_body = NewSnapshot, responses((status = 200, body = Snapshot))
)]
pub(super) async fn create_snapshot(
    caller: Caller,
    Id(volume_id): Id,
    key: IdempotencyKey,
    JsonBody(new): JsonBody<NewSnapshot>,
) -> Answer<Snapshot> {
    let request = CreateSnapshotRequest {
        volume_id,
        name: new.name.unwrap_or_default(),
        request_id: key.or(new.request_id)?,
    };
    let answer = caller.volume().create_snapshot(request).await?;
    Ok(Json(
        present("snapshot", answer.into_inner().snapshot)?.try_into()?,
    ))
}

/// Remove a snapshot
#[utoipa::path(
    delete, path = "/v1/volumes/{id}/snapshots/{snapshot}", tag = "Volumes",
    params(("id" = String, Path, description = "Identifier of the volume"), ("snapshot" = String, Path, description = "Identifier or name of the snapshot")), responses((status = 200, body = Snapshot))
)]
pub(super) async fn delete_snapshot(
    caller: Caller,
    Path((volume_id, snapshot)): Path<(String, String)>,
) -> Answer<Snapshot> {
    let request = DeleteSnapshotRequest {
        volume_id,
        snapshot,
    };
    let answer = caller.volume().delete_snapshot(request).await?;
    Ok(Json(
        present("snapshot", answer.into_inner().snapshot)?.try_into()?,
    ))
}

/// Put a snapshot in the place of a volume's files; the answer is what is kept of those, which is ready when the restore is done
#[utoipa::path(
    post, path = "/v1/volumes/{id}/snapshots/{snapshot}/restore", tag = "Volumes",
    params(("id" = String, Path, description = "Identifier of the volume"), ("snapshot" = String, Path, description = "Identifier or name of the snapshot")), responses((status = 200, body = Snapshot))
)]
pub(super) async fn restore_snapshot(
    caller: Caller,
    Path((volume_id, snapshot)): Path<(String, String)>,
    key: IdempotencyKey,
    JsonBody(Nothing {}): JsonBody<Nothing>,
) -> Answer<Snapshot> {
    let request = RestoreSnapshotRequest {
        volume_id,
        snapshot,
        request_id: key.or(None)?,
    };
    let answer = caller.volume().restore_snapshot(request).await?;
    Ok(Json(present("kept", answer.into_inner().kept)?.try_into()?))
}
