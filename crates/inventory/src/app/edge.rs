//! Edges: they register again and again, and heartbeats tell agents of those that live.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chassis::{Error, Result};
use chrono::TimeDelta;
use kernel::Timestamp;

use super::App;
use crate::domain::edge::{Edge, FORGOTTEN_AFTER, MOST_EDGES};
use crate::store::edges;

/// How long a reading serves: heartbeats are many, and edges come and go rarely.
const SERVES: TimeDelta = TimeDelta::seconds(1);

/// Edges, and when they were read.
type Reading = Option<(Timestamp, Arc<[Edge]>)>;

/// The edges that live, as this program read them last.
#[derive(Clone, Debug, Default)]
pub(crate) struct LastRead(Arc<Mutex<Reading>>);

impl LastRead {
    fn lock(&self) -> MutexGuard<'_, Reading> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl App {
    /// Notes that an edge lives.
    pub(crate) async fn register_edge(&self, edge: Edge) -> Result<()> {
        let now = self.clock.now();
        let transaction = self.database.begin().await?;
        let others = edges::make_room(&transaction, &edge, now - FORGOTTEN_AFTER).await?;
        if others >= MOST_EDGES {
            return Err(Error::Exhausted(format!(
                "{others} edges are registered, and {MOST_EDGES} may be; end one, or wait half a minute for those that ended"
            )));
        }
        edges::put(&transaction, &edge, now).await?;
        transaction.commit().await?;
        *self.edges.lock() = None;
        Ok(())
    }

    /// The edges that live.
    pub(crate) async fn living_edges(&self) -> Result<Arc<[Edge]>> {
        let now = self.clock.now();
        let read = self.edges.lock().clone();
        if let Some((_, edges)) = read.filter(|(at, _)| now - *at < SERVES) {
            return Ok(edges);
        }
        let oldest = now - FORGOTTEN_AFTER;
        let edges: Arc<[Edge]> = edges::seen_after(self.database.reader(), oldest)
            .await?
            .into();
        *self.edges.lock() = Some((now, edges.clone()));
        Ok(edges)
    }
}
