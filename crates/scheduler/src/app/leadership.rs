//! Which replica leads: the one with the lease. What only the leader may do asks here first and fences its transactions.

use std::sync::Arc;

use chassis::lease::Held;
use chassis::{Error, Result};
use tokio::sync::watch;

/// Whether this replica leads, and with which epoch.
#[derive(Clone, Debug)]
pub(crate) struct Leadership {
    held: Arc<watch::Sender<Option<Held>>>,
}

impl Default for Leadership {
    fn default() -> Self {
        Self {
            held: Arc::new(watch::Sender::new(None)),
        }
    }
}

impl Leadership {
    /// Notes what is held now; gives whether that is something else than before.
    pub(crate) fn set(&self, held: Option<Held>) -> bool {
        self.held.send_if_modified(|current| {
            let changed = *current != held;
            *current = held;
            changed
        })
    }

    /// The lease of this leader; [`Error::Unavailable`] on a standby.
    pub(crate) fn held(&self) -> Result<Held> {
        self.held.borrow().clone().ok_or_else(|| {
            Error::Unavailable("this replica of the scheduler stands by; ask again".to_owned())
        })
    }

    /// Waits until something else than `held` is held.
    pub(crate) async fn until_lost(&self, held: &Held) {
        let mut watched = self.held.subscribe();
        // An error means that nobody can change it any more: the program ends.
        watched
            .wait_for(|current| current.as_ref() != Some(held))
            .await
            .ok();
    }
}
