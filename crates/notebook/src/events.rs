//! Events and live messages that the notebook service listens to.

use bus::{Bus, Delivery, Handler};
use chassis::Result;
use contracts::scheduler::v1::WorkloadChanged;
use contracts::volume::v1::VolumeChanged;
use futures::StreamExt as _;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use crate::app::App;

/// Takes over what the scheduler says of workloads.
#[derive(Clone, Debug)]
pub(crate) struct Workloads(pub(crate) App);

#[async_trait::async_trait]
impl Handler for Workloads {
    async fn handle(&self, delivery: &Delivery) -> Result<bool> {
        let Some(event) = delivery.decode::<WorkloadChanged>()? else {
            return Ok(false);
        };
        if let Some(workload) = event.workload {
            self.0.observe(&workload).await?;
        }
        Ok(true)
    }
}

/// Takes over what the volume service says of files: that they are lost, how full they are, and that a start need not wait for them
/// any more.
#[derive(Clone, Debug)]
pub(crate) struct Volumes(pub(crate) App);

#[async_trait::async_trait]
impl Handler for Volumes {
    async fn handle(&self, delivery: &Delivery) -> Result<bool> {
        let Some(event) = delivery.decode::<VolumeChanged>()? else {
            return Ok(false);
        };
        if let Some(volume) = event.volume {
            if volume.copy_id.is_empty() {
                self.0.changed.notify_one();
            }
            self.0.note_lost(std::slice::from_ref(&volume)).await?;
            self.0.note_fill(&volume).await?;
        }
        Ok(true)
    }
}

/// What edges say of visitors, on a plain subject: it need not last.
#[derive(Debug, Deserialize)]
struct EdgeActivity {
    notebooks: Vec<Seen>,
}

#[derive(Debug, Deserialize)]
struct Seen {
    id: String,
    /// Absent where only a page that is open asked for news.
    last_use_at: Option<chrono::DateTime<chrono::Utc>>,
}

/// Notes when notebooks are used, until `cancel`.
pub(crate) async fn listen_to_edges(app: App, bus: Bus, cancel: CancellationToken) -> Result<()> {
    let failed = |error| chassis::Error::internal("listening to edges", error);
    let mut messages = bus
        .client()
        .subscribe(bus::edge_activity_subject())
        .await
        .map_err(failed)?;
    loop {
        let message = tokio::select! {
            () = cancel.cancelled() => return Ok(()),
            message = messages.next() => message,
        };
        let Some(message) = message else {
            return Ok(());
        };
        let Ok(activity) = serde_json::from_slice::<EdgeActivity>(&message.payload) else {
            continue;
        };
        for seen in activity.notebooks {
            if let Some(at) = seen.last_use_at {
                app.note_use(&seen.id, at);
            }
        }
    }
}
