//! Snapshots of volumes: made, restored, deleted.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use contracts::volume::v1::{
    CreateSnapshotRequest, DeleteSnapshotRequest, ListSnapshotsRequest, RestoreSnapshotRequest,
    Snapshot, SnapshotState,
};
use serde::Serialize;

use super::super::confirm::confirm;
use super::find;
use crate::api::{Api, request_id};
use crate::cli::Output;
use crate::print::{self, Row, out};
use crate::wait::{Patience, patiently, until};

/// Pause between two looks at a snapshot that is being made.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// Copying much takes long; it goes on without being waited for.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// A snapshot as programs see it. Fields are only added.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SnapshotRow {
    id: String,
    volume_id: String,
    name: String,
    state: String,
    reason: String,
    bytes: u64,
    created_at: String,
}

impl SnapshotRow {
    fn new(snapshot: Snapshot) -> Self {
        let state = snapshot.state().as_str_name();
        Self {
            state: state.trim_start_matches("SNAPSHOT_STATE_").to_lowercase(),
            created_at: print::time(snapshot.created_at),
            id: snapshot.id,
            volume_id: snapshot.volume_id,
            name: snapshot.name,
            reason: snapshot.reason,
            bytes: snapshot.bytes,
        }
    }
}

impl Row for SnapshotRow {
    const COLUMNS: &'static [&'static str] = &["SNAPSHOT", "ID", "STATE", "BYTES", "CREATED"];

    fn cells(&self) -> Vec<String> {
        let state = match self.reason.as_str() {
            "" => self.state.clone(),
            reason => format!("{}: {reason}", self.state),
        };
        vec![
            self.name.clone(),
            self.id.clone(),
            state,
            self.bytes.to_string(),
            self.created_at.clone(),
        ]
    }
}

pub(super) async fn rows(api: &Api, volume_id: &str) -> Result<Vec<SnapshotRow>> {
    let listed = list(api, volume_id).await?;
    Ok(listed.into_iter().map(SnapshotRow::new).collect())
}

async fn list(api: &Api, volume_id: &str) -> Result<Vec<Snapshot>> {
    let request = ListSnapshotsRequest {
        volume_id: volume_id.to_owned(),
    };
    let answer = api.ask(api.volume().list_snapshots(request)).await?;
    Ok(answer.snapshots)
}

pub(super) async fn create(api: &Api, output: Output, wanted: &str, name: String) -> Result<()> {
    let request = CreateSnapshotRequest {
        volume_id: find(api, wanted).await?.id,
        name,
        request_id: request_id(),
    };
    let answer = api
        .make(|| {
            let (mut volumes, request) = (api.volume(), request.clone());
            async move { volumes.create_snapshot(request).await }
        })
        .await?;
    let asked = answer.snapshot.context("the answer holds no snapshot")?;
    let made = made(api, asked, "it goes on being made").await?;
    print::one(output, &SnapshotRow::new(made))
}

pub(super) async fn restore(api: &Api, output: Output, wanted: &str) -> Result<()> {
    let (volume_id, snapshot) = parts(api, wanted).await?;
    let request = RestoreSnapshotRequest {
        volume_id,
        snapshot,
        request_id: request_id(),
    };
    let answer = api
        .make(|| {
            let (mut volumes, request) = (api.volume(), request.clone());
            async move { volumes.restore_snapshot(request).await }
        })
        .await?;
    let asked = answer.kept.context("the answer holds no snapshot")?;
    let kept = made(api, asked, "the restore goes on").await?;
    if output == Output::Json {
        return print::one(output, &SnapshotRow::new(kept));
    }
    let (volume, name) = (kept.volume_id, kept.name);
    out!("{wanted} is restored; what was there is kept as {volume}@{name}");
    Ok(())
}

pub(super) async fn delete(api: &Api, output: Output, wanted: &str, yes: bool) -> Result<()> {
    let (volume_id, snapshot) = parts(api, wanted).await?;
    if !yes {
        confirm(&format!("Delete snapshot {wanted}? It cannot be had back."))?;
    }
    let request = DeleteSnapshotRequest {
        volume_id,
        snapshot,
    };
    let answer = api.ask(api.volume().delete_snapshot(request)).await?;
    let going = answer.snapshot.context("the answer holds no snapshot")?;
    if output == Output::Json {
        return print::json(&serde_json::json!({ "id": going.id, "deleted": true }));
    }
    out!("snapshot {wanted} is deleted");
    Ok(())
}

/// The volume and the snapshot of `VOLUME@SNAPSHOT`.
async fn parts(api: &Api, wanted: &str) -> Result<(String, String)> {
    let Some((volume, snapshot)) = wanted.split_once('@') else {
        bail!(
            "{wanted:?} names no snapshot; write VOLUME@SNAPSHOT, as \"quire volume show\" lists them"
        );
    };
    Ok((find(api, volume).await?.id, snapshot.to_owned()))
}

/// Waits until a snapshot is made, or could not be.
async fn made(api: &Api, asked: Snapshot, goes_on: &str) -> Result<Snapshot> {
    let look = format!("quire volume show {}", asked.volume_id);
    let patience = Patience {
        limit: PATIENCE,
        goes_on,
        look: &look,
    };
    let ready = until(LOOK_EVERY, || async {
        let listed = list(api, &asked.volume_id).await?;
        let found = listed.into_iter().find(|one| one.id == asked.id);
        let one = found.context("the snapshot was deleted meanwhile")?;
        match one.state() {
            SnapshotState::Ready => Ok(Some(one)),
            SnapshotState::Making => Ok(None),
            _ => bail!("it could not be done: {}", one.reason),
        }
    });
    patiently(patience, ready).await
}
