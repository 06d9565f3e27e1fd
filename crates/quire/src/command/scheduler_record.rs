//! `quire scheduler snapshot` and `replay`: what placement decisions rest on, and whether they come out the same again.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use contracts::scheduler::v1::TakeSnapshotRequest;
use serde::Serialize;

use crate::api::Api;
use crate::cli::Output;
use crate::print::{self, Row};

/// A file that was written.
#[derive(Debug, Serialize)]
struct Written {
    file: String,
    bytes: u64,
}

impl Row for Written {
    const COLUMNS: &'static [&'static str] = &["FILE", "BYTES"];

    fn cells(&self) -> Vec<String> {
        vec![self.file.clone(), self.bytes.to_string()]
    }
}

/// What a replay has come to.
#[derive(Debug, Serialize)]
struct Played {
    /// Decisions, all of which came out as they are written down.
    decisions: usize,
}

impl Row for Played {
    const COLUMNS: &'static [&'static str] = &["DECISIONS, ALL THE SAME"];

    fn cells(&self) -> Vec<String> {
        vec![self.decisions.to_string()]
    }
}

pub(super) async fn snapshot(api: &Api, file: &Path, output: Output) -> Result<()> {
    let mut parts = api
        .ask(api.record().take_snapshot(TakeSnapshotRequest {}))
        .await?;
    let mut document = Vec::new();
    loop {
        match parts.message().await {
            Ok(Some(next)) => document.extend(next.part),
            Ok(None) => break,
            Err(status) => return Err(crate::failure(&status, api.server())),
        }
    }
    fs::write(file, &document).with_context(|| format!("writing {}", file.display()))?;
    let written = Written {
        file: file.display().to_string(),
        bytes: document.len() as u64,
    };
    print::one(output, &written)
}

pub(super) fn replay(file: &Path, output: Output) -> Result<()> {
    let name = file.display();
    let text = fs::read_to_string(file).with_context(|| format!("reading {name}"))?;
    let played = ::scheduler::replay(&text).map_err(|why| anyhow!("{name} {why}"))?;
    if let Some((now, then)) = played.different {
        let same = played.same;
        bail!(
            "after {same} decisions that are the same, one is different\n  now:  {now}\n  then: {then}"
        );
    }
    let decisions = played.same;
    print::one(output, &Played { decisions })
}
