//! How many errands over files run at once: on the node, and over one volume, so that nobody's copies keep others from theirs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use chassis::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Most on a node.
const MOST: usize = 32;
/// Most over one volume.
const MOST_OF_ONE: usize = 4;

/// The errands of a node.
#[derive(Debug)]
pub(crate) struct Errands {
    all: Arc<Semaphore>,
    /// Of volumes over which some run.
    volumes: Mutex<HashMap<String, Weak<Semaphore>>>,
}

/// One errand may run as long as this lives.
#[derive(Debug)]
pub(super) struct Permit {
    _of_node: OwnedSemaphorePermit,
    _of_volume: OwnedSemaphorePermit,
}

impl Errands {
    pub(crate) fn new() -> Self {
        Self {
            all: Arc::new(Semaphore::new(MOST)),
            volumes: Mutex::default(),
        }
    }

    /// Lets one begin over `volume`.
    ///
    /// # Errors
    /// [`Error::Exhausted`] when as many run as may.
    pub(super) fn begin(&self, volume: &str) -> Result<Permit, Error> {
        let of_volume = self.of(volume).try_acquire_owned().map_err(|_| {
            Error::Exhausted(format!(
                "{MOST_OF_ONE} copies of this notebook's files run; try again when one has ended"
            ))
        })?;
        let of_node = self.all.clone().try_acquire_owned().map_err(|_| {
            Error::Exhausted(format!("{MOST} copies run on this node; try again soon"))
        })?;
        Ok(Permit {
            _of_node: of_node,
            _of_volume: of_volume,
        })
    }

    fn of(&self, volume: &str) -> Arc<Semaphore> {
        let mut volumes = self.volumes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = volumes.get(volume).and_then(Weak::upgrade) {
            return known;
        }
        volumes.retain(|_, semaphore| semaphore.strong_count() > 0);
        let new = Arc::new(Semaphore::new(MOST_OF_ONE));
        volumes.insert(volume.to_owned(), Arc::downgrade(&new));
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_volume_leaves_room_for_others() {
        let errands = Errands::new();
        let mut permits: Vec<_> = (0..MOST_OF_ONE)
            .map(|_| errands.begin("vo-1").unwrap())
            .collect();
        let refused = errands.begin("vo-1").unwrap_err().to_string();
        assert!(refused.contains("this notebook's"), "{refused}");
        permits.push(errands.begin("vo-2").unwrap());
        permits.remove(0);
        permits.push(errands.begin("vo-1").unwrap());
        for number in permits.len()..MOST {
            permits.push(errands.begin(&format!("vo-{}", 10 + number)).unwrap());
        }
        let refused = errands.begin("vo-9").unwrap_err().to_string();
        assert!(refused.contains("on this node"), "{refused}");
        drop(permits);
        errands.begin("vo-9").unwrap();
        assert_eq!(
            errands.volumes.lock().unwrap().len(),
            1,
            "none is left over"
        );
    }
}
