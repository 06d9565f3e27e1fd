//! What the newest decisions rest on, for whoever wants to play them again.

use chassis::{Error, Result};

use super::App;
use crate::snapshot::Snapshot;

impl App {
    /// The snapshot as a JSON document. Waits for the end of a placement pass.
    pub(crate) async fn snapshot(&self) -> Result<String> {
        let held = self.leadership.held()?;
        let mut place = self.kept.lock().await;
        let kept = self.board(&held, place.take()).await?;
        let mut boards = Vec::new();
        boards.extend(kept.before.clone());
        boards.push(kept.board.record().clone());
        *place = Some(kept);
        drop(place);
        serde_json::to_string(&Snapshot::of(boards))
            .map_err(|error| Error::internal("writing a snapshot", error))
    }
}
