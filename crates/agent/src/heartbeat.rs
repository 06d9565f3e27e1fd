//! Tells inventory that this node lives, and what it has; hears which edges there are.

use std::sync::Arc;
use std::time::Duration;

use chassis::grpc::Caller;
use chassis::{Error, Result};
use contracts::inventory::v1::inventory_service_client::InventoryServiceClient;
use contracts::inventory::v1::{Hardware, HeartbeatRequest};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::blocking;
use crate::machine::{Gpus, hardware};
use crate::moment;
use crate::relay::Listing;
use crate::runtime::process::ProcessRuntime;
use crate::space::Space;

/// Pause after one that failed.
const AGAIN: Duration = Duration::from_secs(1);
/// Bounds on the pause that inventory asks for.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(30);

/// One node's heartbeat.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    pub(crate) caller: Caller,
    pub(crate) node_id: String,
    pub(crate) disk_gib: watch::Receiver<Option<u32>>,
    pub(crate) reserve_mib: u32,
    pub(crate) gpus: Gpus,
    pub(crate) missing_isolation: Vec<String>,
    pub(crate) edges: Listing,
    pub(crate) runtime: Arc<ProcessRuntime>,
    pub(crate) space: Arc<Space>,
}

impl Heartbeat {
    /// Beats until `cancel`.
    ///
    /// # Errors
    /// Never by itself.
    pub(crate) async fn run(self, cancel: CancellationToken) -> Result<()> {
        let mut healthy = true;
        loop {
            let beat = self.beat().await;
            if let (Err(error), true) = (&beat, healthy) {
                tracing::warn!(
                    error = chassis::error::chain(error),
                    "inventory does not take the heartbeat; trying again"
                );
            }
            healthy = beat.is_ok();
            tokio::select! {
                () = cancel.cancelled() => return Ok(()),
                () = tokio::time::sleep(beat.unwrap_or(AGAIN)) => {}
            }
        }
    }

    async fn beat(&self) -> Result<Duration> {
        let request = HeartbeatRequest {
            node_id: self.node_id.clone(),
            boot_id: moment::boot_id(),
            hardware: Some(self.hardware().await?),
            missing_isolation: self
                .missing_isolation
                .iter()
                .cloned()
                .chain(self.space.warning())
                .collect(),
            warm: Some(self.runtime.warm_pools()),
        };
        let answer = InventoryServiceClient::new(self.caller.clone())
            .heartbeat(request)
            .await?
            .into_inner();
        self.edges.hear(&answer.edges);
        Ok(Duration::from_millis(answer.next_in_ms.into()).clamp(SHORTEST, LONGEST))
    }

    /// Drivers may take their time to answer about their devices.
    async fn hardware(&self) -> Result<Hardware> {
        // The first look at the disk is waited for: less than there is would be a machine too small for what runs there.
        let mut disk = self.disk_gib.clone();
        let found = disk.wait_for(Option::is_some).await.map(|found| *found);
        let Ok(Some(disk_gib)) = found else {
            return Err(Error::Unavailable("this agent ends".to_owned()));
        };
        let (gpus, reserve) = (self.gpus.clone(), self.reserve_mib);
        blocking(move || hardware(&gpus, disk_gib, reserve)).await
    }
}
