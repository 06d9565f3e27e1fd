//! How much the files of volumes take of the disk, and how much more they may: measured here, told to the volume service, which knows
//! the quotas, and asked by whoever is about to write. Nothing of this stops a workload: it is told, and copies are refused.

mod known;
pub(crate) mod walk;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chassis::grpc::Caller;
use chassis::{Error, Result};
use contracts::volume::v1::volume_service_client::VolumeServiceClient;
use contracts::volume::v1::{ReportVolumeUseRequest, VolumeUse};
use kernel::id::VolumeId;
use tokio_util::sync::CancellationToken;

use crate::attempt::Board;
use crate::blocking;

pub(crate) use self::known::Space;

/// A round ends after so long, and goes on with the next.
const ROUND: Duration = Duration::from_secs(5);
/// Most volumes that are told in one call.
const MOST: usize = 1_000;

/// Measures volumes and tells of them.
#[derive(Debug)]
pub(crate) struct Measuring {
    pub(crate) caller: Caller,
    pub(crate) node_id: String,
    /// The folder of all volumes.
    pub(crate) volumes: PathBuf,
    pub(crate) board: Arc<Board>,
    pub(crate) space: Arc<Space>,
    /// Pause between rounds.
    pub(crate) every: Duration,
}

impl Measuring {
    /// Measures until `cancel`.
    ///
    /// # Errors
    /// When no thread can be had to look with.
    pub(crate) async fn run(self, cancel: CancellationToken) -> Result<()> {
        let mut healthy = true;
        let mut untold = BTreeMap::new();
        loop {
            self.measure(&mut untold, &cancel).await?;
            let told = self.tell(&mut untold).await;
            if let (Err(error), true) = (&told, healthy) {
                tracing::warn!(
                    error = chassis::error::chain(error),
                    "it cannot be told how much files take; trying again"
                );
            }
            healthy = told.is_ok();
            tokio::select! {
                () = cancel.cancelled() => return Ok(()),
                () = self.space.touched() => {}
                () = tokio::time::sleep(self.every) => {}
            }
        }
    }

    /// Measures what is due, what took the least time first.
    async fn measure(
        &self,
        untold: &mut BTreeMap<VolumeId, u64>,
        cancel: &CancellationToken,
    ) -> Result<()> {
        let began = Instant::now();
        let in_use: Vec<String> = self
            .board
            .all()
            .iter()
            .filter(|entry| entry.holds_volume(&entry.job.spec().volume_id))
            .map(|entry| entry.job.spec().volume_id.clone())
            .collect();
        let folder = self.volumes.clone();
        let there = blocking(move || volumes_in(&folder)).await?;
        let is_used = |id: &VolumeId| in_use.contains(&id.to_string());
        for id in self.space.due(&there, is_used, began) {
            if cancel.is_cancelled() || began.elapsed() > ROUND {
                return Ok(());
            }
            let (folder, stop) = (self.volumes.join(id.to_string()), cancel.clone());
            let at = Instant::now();
            // One that goes away meanwhile is not among those of the next round.
            if let Ok(used) =
                blocking(move || walk::held(&folder, walk::Pace::Gentle, &stop)).await?
            {
                self.space
                    .measured(id, used, at, Instant::now(), is_used(&id));
                untold.insert(id, used);
            }
        }
        Ok(())
    }

    /// Tells what was measured and hears the quotas.
    async fn tell(&self, untold: &mut BTreeMap<VolumeId, u64>) -> Result<()> {
        loop {
            let told: Vec<_> = untold
                .iter()
                .map(|(id, used)| (*id, *used))
                .take(MOST)
                .collect();
            let request = ReportVolumeUseRequest {
                node_id: self.node_id.clone(),
                uses: told.iter().map(|(id, used)| use_of(*id, *used)).collect(),
            };
            let mut service = VolumeServiceClient::new(self.caller.clone());
            let answer = service.report_volume_use(request).await?.into_inner();
            let quotas = answer.quotas.into_iter().map(|of| {
                let id = of.volume_id.parse();
                let id = id.map_err(|_| Error::invalid("quotas.volume_id", "is no volume's"))?;
                Ok((id, of.quota_bytes))
            });
            self.space.limit(quotas.collect::<Result<_>>()?);
            for (id, _) in &told {
                untold.remove(id);
            }
            if untold.is_empty() {
                return Ok(());
            }
        }
    }
}

fn use_of(id: VolumeId, used_bytes: u64) -> VolumeUse {
    VolumeUse {
        volume_id: id.into(),
        used_bytes,
    }
}

/// The volumes whose files lie there. What grows beside them has another kind of name.
fn volumes_in(folder: &Path) -> Vec<VolumeId> {
    std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(io::Result::ok)
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}
