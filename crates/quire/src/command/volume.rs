//! `quire volume`.

mod snapshot;

use std::collections::HashMap;

use anyhow::{Context, Result, bail};
use contracts::volume::v1::{
    DeleteVolumeRequest, GetVolumeRequest, ListVolumesRequest, ResizeVolumeRequest, Volume,
    VolumeFill,
};
use kernel::size::{bytes_text, parse_mib};
use serde::Serialize;

use self::snapshot::SnapshotRow;
use super::confirm::confirm;
use super::notebook;
use crate::api::Api;
use crate::cli::{Output, VolumeCommand};
use crate::print::{self, Row, out};

/// A volume as programs see it. Fields are only added.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct VolumeRow {
    id: String,
    state: String,
    reason: String,
    /// What uses it; empty = nobody does.
    owner_id: String,
    owner_name: String,
    label: String,
    node_id: String,
    project_id: String,
    created_at: String,
    /// How much the files take, in bytes; null = not measured yet.
    used_bytes: Option<u64>,
    /// How much they may; null = as much as there is.
    quota_bytes: Option<u64>,
    fill: &'static str,
    /// The team shares it, at /storage.
    shared: bool,
    /// Where one volume is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshots: Option<Vec<SnapshotRow>>,
}

impl VolumeRow {
    fn new(volume: Volume, names: &HashMap<String, String>) -> Self {
        let state = volume.state().as_str_name();
        let fill = match volume.fill() {
            VolumeFill::Full => "full",
            VolumeFill::NearlyFull => "nearly full",
            VolumeFill::Room | VolumeFill::Unspecified => "room",
        };
        Self {
            used_bytes: Some(volume.used_bytes).filter(|bytes| *bytes > 0),
            quota_bytes: Some(volume.quota_bytes).filter(|bytes| *bytes > 0),
            fill,
            shared: volume.shared,
            state: state.trim_start_matches("VOLUME_STATE_").to_lowercase(),
            owner_name: names.get(&volume.owner_id).cloned().unwrap_or_default(),
            created_at: print::time(volume.created_at),
            id: volume.id,
            reason: volume.reason,
            owner_id: volume.owner_id,
            label: volume.label,
            node_id: volume.node_id,
            project_id: volume.project_id,
            snapshots: None,
        }
    }

    /// `9.2 GiB of 10.0 GiB (nearly full)`.
    fn space(&self) -> String {
        let used = self.used_bytes.map_or_else(|| "?".to_owned(), bytes_text);
        match (self.quota_bytes, self.fill) {
            (None, _) => used,
            (Some(quota), "room") => format!("{used} of {}", bytes_text(quota)),
            (Some(quota), fill) => format!("{used} of {} ({fill})", bytes_text(quota)),
        }
    }
}

impl Row for VolumeRow {
    const COLUMNS: &'static [&'static str] = &[
        "ID",
        "USED BY",
        "STATE",
        "SPACE",
        "KEPT FROM",
        "NODE",
        "CREATED",
    ];

    fn cells(&self) -> Vec<String> {
        let used_by = match (self.owner_name.as_str(), self.owner_id.as_str()) {
            ("", "") if self.shared => "the team, at /storage",
            ("", "") => "nobody",
            ("", id) => id,
            (name, _) => name,
        };
        let state = match self.reason.as_str() {
            "" => self.state.clone(),
            reason => format!("{}: {reason}", self.state),
        };
        vec![
            self.id.clone(),
            used_by.to_owned(),
            state,
            self.space(),
            self.label.clone(),
            self.node_id.clone(),
            self.created_at.clone(),
        ]
    }
}

pub(super) async fn run(command: VolumeCommand, api: &Api, output: Output) -> Result<()> {
    match command {
        VolumeCommand::List => {
            let names = notebook::names(api).await?;
            let rows: Vec<_> = all(api)
                .await?
                .into_iter()
                .map(|volume| VolumeRow::new(volume, &names))
                .collect();
            print::list(
                output,
                &rows,
                "no files yet; notebooks get some when they start",
            )
        }
        VolumeCommand::Show { id } => {
            let names = notebook::names(api).await?;
            let volume = find(api, &id).await?;
            let snapshots = snapshot::rows(api, &volume.id).await?;
            let mut row = VolumeRow::new(volume, &names);
            if output == Output::Json {
                row.snapshots = Some(snapshots);
                return print::one(output, &row);
            }
            print::one(output, &row)?;
            print::list(output, &snapshots, "no snapshots")
        }
        VolumeCommand::Resize { id, size } => resize(api, output, &id, &size).await,
        VolumeCommand::Snapshot { id, name } => {
            snapshot::create(api, output, &id, name.unwrap_or_default()).await
        }
        VolumeCommand::Restore { snapshot } => snapshot::restore(api, output, &snapshot).await,
        VolumeCommand::SnapshotDelete { snapshot, yes } => {
            snapshot::delete(api, output, &snapshot, yes).await
        }
        VolumeCommand::Delete { id, yes } => delete(api, output, &id, yes).await,
    }
}

async fn all(api: &Api) -> Result<Vec<Volume>> {
    let page = |page| {
        let mut service = api.volume();
        let request = ListVolumesRequest {
            page,
            oldest_first: false,
        };
        async move { service.list_volumes(request).await }
    };
    api.all(page, |answer| (answer.volumes, answer.page)).await
}

/// The one volume with this identifier or beginning of it.
async fn find(api: &Api, wanted: &str) -> Result<Volume> {
    if wanted.parse::<kernel::id::VolumeId>().is_ok() {
        let request = GetVolumeRequest {
            id: wanted.to_owned(),
        };
        let answer = api.ask(api.volume().get_volume(request)).await?;
        return answer.volume.context("the answer holds no volume");
    }
    let matching = |volume: &Volume| volume.id.starts_with(wanted);
    let mut found: Vec<_> = all(api).await?.into_iter().filter(matching).collect();
    match (found.pop(), found.is_empty()) {
        (Some(volume), true) => Ok(volume),
        (None, _) => bail!("volume {wanted:?} not found; see \"quire volume list\""),
        (Some(_), false) => bail!("{wanted:?} could be several volumes; give more of it"),
    }
}

async fn resize(api: &Api, output: Output, wanted: &str, size: &str) -> Result<()> {
    let mib = parse_mib(size).context("--size")?;
    let request = ResizeVolumeRequest {
        id: find(api, wanted).await?.id,
        quota_bytes: u64::from(mib) << 20,
    };
    let answer = api.ask(api.volume().resize_volume(request)).await?;
    let volume = answer.volume.context("the answer holds no volume")?;
    let row = VolumeRow::new(volume, &notebook::names(api).await?);
    print::one(output, &row)
}

async fn delete(api: &Api, output: Output, wanted: &str, yes: bool) -> Result<()> {
    let volume = find(api, wanted).await?;
    let id = volume.id;
    if !yes {
        let label = match volume.label.as_str() {
            "" => String::new(),
            label => format!(" ({label})"),
        };
        confirm(&format!(
            "Delete volume {id}{label} with its files? They cannot be had back."
        ))?;
    }
    let request = DeleteVolumeRequest { id: id.clone() };
    api.ask(api.volume().delete_volume(request)).await?;
    if output == Output::Json {
        return print::json(&serde_json::json!({ "id": id, "deleted": true }));
    }
    out!("volume {id} is deleted");
    Ok(())
}
