//! How many errands run at once, over files or inside workloads: on the node, and for one, so that nobody's keep others from theirs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use chassis::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The errands of one kind on a node.
#[derive(Debug)]
pub(crate) struct Errands {
    /// What they are, for people.
    what: &'static str,
    most: usize,
    most_of_one: usize,
    all: Arc<Semaphore>,
    /// Of those for which some run.
    some: Mutex<HashMap<String, Weak<Semaphore>>>,
}

/// One errand may run as long as this lives.
#[derive(Debug)]
pub(super) struct Permit {
    _of_node: OwnedSemaphorePermit,
    _of_one: OwnedSemaphorePermit,
}

impl Errands {
    /// Copies of files: each keeps a disk busy.
    pub(crate) fn copies() -> Self {
        Self::new("copies of its files", 32, 4)
    }

    /// Commands inside workloads: most of them wait for their people.
    pub(crate) fn commands() -> Self {
        Self::new("commands inside it", 512, 32)
    }

    fn new(what: &'static str, most: usize, most_of_one: usize) -> Self {
        Self {
            what,
            most,
            most_of_one,
            all: Arc::new(Semaphore::new(most)),
            some: Mutex::default(),
        }
    }

    /// Lets one begin for `one`: a volume, an attempt.
    ///
    /// # Errors
    /// [`Error::Exhausted`] when as many run as may.
    pub(super) fn begin(&self, one: &str) -> Result<Permit, Error> {
        let what = self.what;
        let of_one = self.of(one).try_acquire_owned().map_err(|_| {
            let most = self.most_of_one;
            Error::Exhausted(format!(
                "{most} {what} run already, or all of them are being copied; try again soon"
            ))
        })?;
        let of_node = self.all.clone().try_acquire_owned().map_err(|_| {
            let most = self.most;
            Error::Exhausted(format!("its node runs {most} such for all; try again soon"))
        })?;
        Ok(Permit {
            _of_node: of_node,
            _of_one: of_one,
        })
    }

    /// Keeps all others off `one` as long as this lives; `None` when some run now.
    pub(crate) fn all_of(&self, one: &str) -> Option<OwnedSemaphorePermit> {
        let most = u32::try_from(self.most_of_one).unwrap_or(u32::MAX);
        self.of(one).try_acquire_many_owned(most).ok()
    }

    fn of(&self, one: &str) -> Arc<Semaphore> {
        let mut some = self.some.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = some.get(one).and_then(Weak::upgrade) {
            return known;
        }
        some.retain(|_, semaphore| semaphore.strong_count() > 0);
        let new = Arc::new(Semaphore::new(self.most_of_one));
        some.insert(one.to_owned(), Arc::downgrade(&new));
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_leaves_room_for_others() {
        let errands = Errands::new("tries", 8, 4);
        let mut permits: Vec<_> = (0..4).map(|_| errands.begin("vo-1").unwrap()).collect();
        let refused = errands.begin("vo-1").unwrap_err().to_string();
        assert!(refused.contains("4 tries run already"), "{refused}");
        permits.push(errands.begin("vo-2").unwrap());
        permits.remove(0);
        permits.push(errands.begin("vo-1").unwrap());
        for number in permits.len()..8 {
            permits.push(errands.begin(&format!("vo-{}", 10 + number)).unwrap());
        }
        let refused = errands.begin("vo-9").unwrap_err().to_string();
        assert!(refused.contains("its node runs 8"), "{refused}");
        drop(permits);
        errands.begin("vo-9").unwrap();
        assert_eq!(errands.some.lock().unwrap().len(), 1, "none is left over");

        let running = errands.begin("vo-9").unwrap();
        assert!(errands.all_of("vo-9").is_none(), "one runs");
        drop(running);
        let all = errands.all_of("vo-9").unwrap();
        assert!(errands.begin("vo-9").is_err());
        errands.begin("vo-8").unwrap();
        drop(all);
        errands.begin("vo-9").unwrap();
    }
}
