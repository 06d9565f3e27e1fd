//! Persistent files: those of notebooks, and kept ones.

use axum::Json;
use contracts::volume::v1::{
    DeleteVolumeRequest, GetVolumeRequest, ListVolumesRequest, ResizeVolumeRequest,
    Volume as WireVolume, VolumeFill as WireFill, VolumeState as WireState,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Answer;
use super::caller::Caller;
use super::extract::{Id, Params};
use super::failure::Failure;
use super::json_body::JsonBody;
use super::page::{List, Order, PageQuery, list};
use super::values::{Time, non_empty, present};

/// Files that outlive what wrote them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Volume {
    id: String,
    state: VolumeState,
    /// Why it is lost; empty otherwise.
    reason: String,
    /// What uses it, such as a notebook; null when nobody does.
    #[schema(required)]
    owner_id: Option<String>,
    /// Where kept files come from; empty before they were kept.
    label: String,
    /// Where the files lie; null before they were first used.
    #[schema(required)]
    node_id: Option<String>,
    /// Null for files from before projects were noted.
    #[schema(required)]
    project_id: Option<String>,
    /// How much the files may take, in bytes; null = as much as there is.
    #[schema(required)]
    quota_bytes: Option<u64>,
    /// How much they take, as measured last, in bytes; null before that.
    #[schema(required)]
    used_bytes: Option<u64>,
    /// How near that is to the quota.
    fill: VolumeFill,
    /// The team shares it: notebooks of the team on its node have it at /storage.
    shared: bool,
    dt_created: Time,
}

/// How near files are to their quota: nearly full from 90 % on, full from 100 % on.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
enum VolumeFill {
    Room,
    NearlyFull,
    Full,
}

/// How much files may take.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Resize {
    /// In bytes, 1 MiB or more, and not less than they take.
    quota_bytes: u64,
}

/// Where a volume is in its life.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum VolumeState {
    Ready,
    Deleting,
    Deleted,
    Lost,
}

impl TryFrom<WireVolume> for Volume {
    type Error = Failure;

    fn try_from(volume: WireVolume) -> Result<Self, Failure> {
        let state = match volume.state() {
            WireState::Unspecified => return present("state", None),
            WireState::Ready => VolumeState::Ready,
            WireState::Deleting => VolumeState::Deleting,
            WireState::Deleted => VolumeState::Deleted,
            WireState::Lost => VolumeState::Lost,
        };
        let fill = match volume.fill() {
            WireFill::Unspecified | WireFill::Room => VolumeFill::Room,
            WireFill::NearlyFull => VolumeFill::NearlyFull,
            WireFill::Full => VolumeFill::Full,
        };
        Ok(Self {
            state,
            fill,
            shared: volume.shared,
            quota_bytes: Some(volume.quota_bytes).filter(|bytes| *bytes > 0),
            used_bytes: Some(volume.used_bytes).filter(|bytes| *bytes > 0),
            dt_created: Time::required("created_at", volume.created_at)?,
            id: volume.id,
            reason: volume.reason,
            owner_id: non_empty(volume.owner_id),
            label: volume.label,
            node_id: non_empty(volume.node_id),
            project_id: non_empty(volume.project_id),
        })
    }
}

/// List the volumes of the team
#[utoipa::path(
    get, path = "/v1/volumes", tag = "Volumes",
    params(PageQuery), responses((status = 200, body = List<Volume>))
)]
pub(super) async fn list_volumes(
    caller: Caller,
    Params(page): Params<PageQuery>,
) -> Answer<List<Volume>> {
    let page = page.read(["dtCreated"], Order::Descending)?;
    let answer = caller
        .volume()
        .list_volumes(ListVolumesRequest {
            page: Some(page.for_service()),
            oldest_first: page.order == Order::Ascending,
        })
        .await?
        .into_inner();
    let volumes = answer
        .volumes
        .into_iter()
        .map(Volume::try_from)
        .collect::<Result<_, _>>()?;
    Ok(Json(list(volumes, answer.page.unwrap_or_default())))
}

/// Get a volume
#[utoipa::path(
    get, path = "/v1/volumes/{id}", tag = "Volumes",
    params(("id" = String, Path, description = "Identifier")), responses((status = 200, body = Volume))
)]
pub(super) async fn get_volume(caller: Caller, Id(id): Id) -> Answer<Volume> {
    let answer = caller.volume().get_volume(GetVolumeRequest { id }).await?;
    Ok(Json(
        present("volume", answer.into_inner().volume)?.try_into()?,
    ))
}

/// Change how much files may take
#[utoipa::path(
    patch, path = "/v1/volumes/{id}", tag = "Volumes",
    params(("id" = String, Path, description = "Identifier")),
    request_body = Resize, responses((status = 200, body = Volume))
)]
pub(super) async fn resize_volume(
    caller: Caller,
    Id(id): Id,
    JsonBody(Resize { quota_bytes }): JsonBody<Resize>,
) -> Answer<Volume> {
    let request = ResizeVolumeRequest { id, quota_bytes };
    let answer = caller.volume().resize_volume(request).await?;
    Ok(Json(
        present("volume", answer.into_inner().volume)?.try_into()?,
    ))
}

/// Remove files that nobody uses
#[utoipa::path(
    delete, path = "/v1/volumes/{id}", tag = "Volumes",
    params(("id" = String, Path, description = "Identifier")), responses((status = 200, body = Volume))
)]
pub(super) async fn delete_volume(caller: Caller, Id(id): Id) -> Answer<Volume> {
    let answer = caller
        .volume()
        .delete_volume(DeleteVolumeRequest { id })
        .await?;
    Ok(Json(
        present("volume", answer.into_inner().volume)?.try_into()?,
    ))
}
