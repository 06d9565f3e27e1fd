//! What the newest decisions rest on, for whoever wants to play them again.

use chassis::{Error, Result};

use super::App;
use crate::snapshot::Snapshot;

impl App {
    /// The snapshot as a JSON document. Waits for the end of a placement pass.
    pub(crate) async fn snapshot(&self) -> Result<String> {
        let held = self.leadership.held()?;
        let mut place = self.kept.lock().await;
        let kept = self.kept(&held, place.take()).await?;
        let mut clusters = Vec::new();
        clusters.extend(kept.before.clone());
        clusters.push(kept.cluster.record().clone());
        *place = Some(kept);
        drop(place);
        serde_json::to_string(&Snapshot::of(clusters))
            .map_err(|error| Error::internal("writing a snapshot", error))
    }
}
