//! What goes on at each notebook: how many requests are open, when bytes last went through.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::{Clock, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::metrics::{Direction, Metrics};

/// What is said in so long after a WebSocket's beginning, a page says by itself: also when it connects again after a pause, such as
/// that of a laptop that wakes up.
const GREETING: Duration = Duration::from_secs(10);

/// What an edge says every few seconds about the notebooks at which something happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeActivity {
    /// The edge, another one after each start.
    pub edge: String,
    /// When it said so.
    pub at: Timestamp,
    /// Those at which something happened since the message before.
    pub notebooks: Vec<NotebookActivity>,
}

/// What happened at one notebook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotebookActivity {
    /// The notebook.
    pub id: String,
    /// When bytes of its visitors last went through.
    pub last_traffic_at: Timestamp,
    /// When somebody last used it: what an open page asks for by itself is no use. Absent when nobody has since this edge knows of
    /// it.
    pub last_use_at: Option<Timestamp>,
    /// WebSockets that are open now.
    pub open_websockets: u32,
    /// Requests since the message before.
    pub requests: u64,
}

/// What goes on at all notebooks.
#[derive(Debug)]
pub(crate) struct Activity {
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    notebooks: Mutex<HashMap<String, Arc<Notebook>>>,
}

#[derive(Debug, Default)]
struct Notebook {
    open: AtomicU32,
    websockets: AtomicU32,
    requests: AtomicU64,
    /// Microseconds since 1970.
    last_traffic: AtomicI64,
    /// The same of use; 0 = never.
    last_use: AtomicI64,
    changed: AtomicBool,
}

impl Activity {
    pub(crate) fn new(clock: Arc<dyn Clock>, metrics: Arc<Metrics>) -> Self {
        Self {
            clock,
            metrics,
            notebooks: Mutex::default(),
        }
    }

    /// Lets one more request in unless `most` are in already. `used` = it is, or may become, use of the notebook.
    pub(crate) fn enter(&self, id: &str, most: u32, used: bool) -> Option<Arc<Visit>> {
        let notebook = self.lock().entry(id.to_owned()).or_default().clone();
        notebook
            .open
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| {
                (open < most).then_some(open + 1)
            })
            .ok()?;
        Some(Arc::new(Visit {
            notebook,
            clock: self.clock.clone(),
            metrics: self.metrics.clone(),
            used,
            websocket: AtomicBool::new(false),
            began: Instant::now(),
            last_traffic: AtomicU64::new(0),
        }))
    }

    /// Those at which something happened since the last call. Forgets those at which nothing goes on.
    pub(crate) fn changes(&self) -> Vec<NotebookActivity> {
        let mut notebooks = self.lock();
        let changed = notebooks
            .iter()
            .filter(|(_, notebook)| notebook.changed.swap(false, Ordering::Relaxed));
        let changes = changed
            .map(|(id, notebook)| NotebookActivity {
                id: id.clone(),
                last_traffic_at: kernel::time::from_micros(
                    notebook.last_traffic.load(Ordering::Relaxed),
                ),
                last_use_at: Some(notebook.last_use.load(Ordering::Relaxed))
                    .filter(|at| *at > 0)
                    .map(kernel::time::from_micros),
                open_websockets: notebook.websockets.load(Ordering::Relaxed),
                requests: notebook.requests.swap(0, Ordering::Relaxed),
            })
            .collect();
        notebooks.retain(|_, notebook| {
            Arc::get_mut(notebook).is_none_or(|alone| *alone.changed.get_mut())
        });
        changes
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Notebook>>> {
        self.notebooks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request to a notebook, or one WebSocket, as long as it lasts.
#[derive(Debug)]
pub(crate) struct Visit {
    notebook: Arc<Notebook>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    /// It is use; a WebSocket by its messages only.
    used: bool,
    websocket: AtomicBool,
    began: Instant,
    /// Milliseconds since it began.
    last_traffic: AtomicU64,
}

impl Visit {
    /// The notebook answers: the request counts.
    pub(crate) fn answered(&self) {
        self.notebook.requests.fetch_add(1, Ordering::Relaxed);
        self.touch();
    }

    /// It is a WebSocket now.
    pub(crate) fn becomes_websocket(&self) {
        if !self.websocket.swap(true, Ordering::Relaxed) {
            self.notebook.websockets.fetch_add(1, Ordering::Relaxed);
            self.metrics.websockets.add(1, &[]);
            self.touch();
        }
    }

    /// Bytes went through.
    pub(crate) fn moved(&self, direction: Direction, bytes: usize) {
        self.metrics.bytes(direction, bytes);
        self.touch();
    }

    /// A message of the visitor went through a WebSocket.
    pub(crate) fn message(&self) {
        if self.used && self.began.elapsed() >= GREETING {
            self.note_use();
        }
    }

    /// Waits until nothing has gone through for `limit`.
    pub(crate) async fn silent(&self, limit: Duration) {
        loop {
            let last =
                self.began + Duration::from_millis(self.last_traffic.load(Ordering::Relaxed));
            if last.elapsed() >= limit {
                return;
            }
            tokio::time::sleep_until(last + limit).await;
        }
    }

    fn touch(&self) {
        let since = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_traffic.store(since, Ordering::Relaxed);
        self.notebook
            .last_traffic
            .fetch_max(self.clock.now().timestamp_micros(), Ordering::Relaxed);
        self.notebook.changed.store(true, Ordering::Relaxed);
        if self.used && !self.websocket.load(Ordering::Relaxed) {
            self.note_use();
        }
    }

    fn note_use(&self) {
        self.notebook
            .last_use
            .fetch_max(self.clock.now().timestamp_micros(), Ordering::Relaxed);
        self.notebook.changed.store(true, Ordering::Relaxed);
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if self.websocket.load(Ordering::Relaxed) {
            self.notebook.websockets.fetch_sub(1, Ordering::Relaxed);
            self.metrics.websockets.add(-1, &[]);
            self.notebook.changed.store(true, Ordering::Relaxed);
        }
        self.notebook.open.fetch_sub(1, Ordering::Relaxed);
    }
}
