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
pub(crate) struct Remembered(Arc<Mutex<HashMap<NodeId, Last>>>);

#[derive(Clone, Debug, Default)]
struct Last {
    /// With the revision that it made.
    report: Option<(u64, Report)>,
    warm: Option<Warm>,
}

impl Remembered {
    /// The revision at which `node` last reported just this.
    fn revision_of(&self, node: NodeId, report: &Report) -> Option<u64> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (revision, last) = known.get(&node)?.report.as_ref()?;
        (last == report).then_some(*revision)
    }

    fn remember(&self, node: NodeId, revision: u64, report: Report) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(node).or_default().report = Some((revision, report));
    }

    /// Whether `node` said something else of what waits there; remembers it.
    fn is_news(&self, node: NodeId, warm: &Warm) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = &mut known.entry(node).or_default().warm;
        if last.as_ref() == Some(warm) {
            return false;
        }
        *last = Some(warm.clone());
        true
    }
}

impl App {
    /// Takes a node's heartbeat in. It is ready from then on.
    pub(crate) async fn hear(&self, id: NodeId, report: Report) -> Result<()> {
        let report = report.check()?;
        if let Some(revision) = self.remembered.revision_of(id, &report) {
            // A node whose revision did not move is as ready and as equipped as when it was remembered.
            if nodes::touch(self.database.reader(), id, revision, self.clock.now()).await? {
                return Ok(());
            }
        }
        self.hear_change(id, report).await
    }

    /// Takes in what waits on a node for notebooks.
    pub(crate) async fn hear_warm(&self, id: NodeId, warm: Warm) -> Result<()> {
        let warm = warm.check()?;
        if self.remembered.is_news(id, &warm) {
            nodes::note_warm(self.database.reader(), id, &warm).await?;
        }
        Ok(())
    }

    async fn hear_change(&self, id: NodeId, report: Report) -> Result<()> {
        let transaction = self.database.begin().await?;
        let mut node = nodes::lock(&transaction, id)
            .await?
            .ok_or_else(|| Error::not_found("node", &id.to_string()))?;
        node.check_may_speak()?;
        let changed = node.hear(&report, self.clock.now());
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
