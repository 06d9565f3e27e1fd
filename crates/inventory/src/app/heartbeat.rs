//! Heartbeats: many, and almost all say what the one before said. Those cost one statement; only a change costs a transaction.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chassis::{Error, Result};
use kernel::id::NodeId;

use super::App;
use crate::domain::node::Report;
use crate::domain::warm::Warm;
use crate::store::nodes;

/// What this program knows of the nodes' last reports. A hint only: the revision tells whether it still holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Remembered(Arc<Mutex<HashMap<NodeId, (u64, Report)>>>);

impl Remembered {
    /// The revision at which `node` last reported just this.
    fn revision_of(&self, node: NodeId, report: &Report) -> Option<u64> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .get(&node)
            .filter(|(_, last)| last == report)
            .map(|(revision, _)| *revision)
    }

    fn remember(&self, node: NodeId, revision: u64, report: Report) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(node, (revision, report));
    }
}

impl App {
    /// Takes a node's heartbeat in, with what waits there for notebooks. It is ready from then on.
    pub(crate) async fn hear(&self, id: NodeId, report: Report, warm: Option<Warm>) -> Result<()> {
        let report = report.check()?;
        let warm = warm.map(Warm::check).transpose()?;
        if let Some(revision) = self.remembered.revision_of(id, &report) {
            // A node whose revision did not move is as ready and as equipped as when it was remembered.
            let (reader, now) = (self.database.reader(), self.clock.now());
            if nodes::touch(reader, id, revision, now, warm.as_ref()).await? {
                return Ok(());
            }
        }
        self.hear_change(id, report, warm).await
    }

    async fn hear_change(&self, id: NodeId, report: Report, warm: Option<Warm>) -> Result<()> {
        let transaction = self.database.begin().await?;
        let mut node = nodes::lock(&transaction, id)
            .await?
            .ok_or_else(|| Error::not_found("node", &id.to_string()))?;
        node.check_may_speak()?;
        let changed = node.hear(&report, self.clock.now());
        node.warm = warm;
        nodes::update(&transaction, &node).await?;
        if changed {
            self.publish(&transaction, &node).await?;
        }
        transaction.commit().await?;
        self.outbox.nudge();
        self.remembered.remember(id, node.revision, report);
        Ok(())
    }
}
