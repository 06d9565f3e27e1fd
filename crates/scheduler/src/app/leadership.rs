//! Which replica leads: the one with the lease. What only the leader may do asks here first and fences its transactions.

use std::sync::{Arc, RwLock};

use chassis::lease::Held;
use chassis::{Error, Result};

/// Whether this replica leads, and with which epoch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leadership {
    held: Arc<RwLock<Option<Held>>>,
}

impl Leadership {
    pub(crate) fn set(&self, held: Option<Held>) {
        if let Ok(mut current) = self.held.write() {
            *current = held;
        }
    }

    /// The lease of this leader; [`Error::Unavailable`] on a standby.
    pub(crate) fn held(&self) -> Result<Held> {
        let held = self.held.read().ok().and_then(|held| held.clone());
        held.ok_or_else(|| {
            Error::Unavailable("this replica of the scheduler stands by; ask again".to_owned())
        })
    }
}
