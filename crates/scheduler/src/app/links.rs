//! The lines to the agents that are connected now. One per node: a newer line replaces an older one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use contracts::agent::v1::OpenLinkResponse;
use tokio::sync::{Mutex as Turn, OwnedMutexGuard, mpsc};

/// One line.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    number: u64,
    sender: mpsc::Sender<Result<OpenLinkResponse, tonic::Status>>,
}

impl Link {
    /// Sends unless the agent is too slow or gone; what is lost is sent again by the next round of dispatching.
    pub(crate) fn send(&self, message: OpenLinkResponse) -> bool {
        self.sender.try_send(Ok(message)).is_ok()
    }
}

impl Link {
    /// Ends the line with a reason, unless the agent is too slow or gone.
    pub(crate) fn hang_up(&self, why: chassis::Error) {
        self.sender.try_send(Err(why.into())).ok();
    }
}

/// All lines.
#[derive(Clone, Debug, Default)]
pub(crate) struct Links {
    next: Arc<AtomicU64>,
    open: Arc<Mutex<HashMap<String, Link>>>,
    /// Held by whoever commits placements until their nodes are told.
    telling: Arc<Turn<()>>,
}

impl Links {
    /// A line on which answers go to `sender`; nobody finds it before it is open.
    pub(crate) fn link(
        &self,
        sender: mpsc::Sender<Result<OpenLinkResponse, tonic::Status>>,
    ) -> Link {
        Link {
            number: self.next.fetch_add(1, Ordering::Relaxed),
            sender,
        }
    }

    /// Waits until what was placed was told. Who reads after a commit of placements, and then waits here, speaks after them: no
    /// node hears of a stop before it has heard of the start.
    pub(crate) async fn telling(&self) -> OwnedMutexGuard<()> {
        self.telling.clone().lock_owned().await
    }

    /// Makes `link` the line to a node.
    pub(crate) fn open(&self, node_id: &str, link: &Link) {
        if let Ok(mut open) = self.open.lock() {
            open.insert(node_id.to_owned(), link.clone());
        }
    }

    /// Forgets `link`, unless a newer one has replaced it.
    pub(crate) fn close(&self, node_id: &str, link: &Link) {
        if let Ok(mut open) = self.open.lock()
            && open
                .get(node_id)
                .is_some_and(|current| current.number == link.number)
        {
            open.remove(node_id);
        }
    }

    pub(crate) fn get(&self, node_id: &str) -> Option<Link> {
        self.open.lock().ok()?.get(node_id).cloned()
    }
}
