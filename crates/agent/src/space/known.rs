//! What is known of the room that volumes have, and when to look again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chassis::{Error, Result};
use kernel::id::VolumeId;
use kernel::size::bytes_text;
use tokio::sync::Notify;

/// What nobody writes to is looked at so often all the same.
const RESTING: Duration = Duration::from_secs(600);
/// What is written to is looked at again after so many times as long as the look took: a twentieth of the time at most.
const PATIENCE: u32 = 20;
/// The disk of a node is never filled beyond this by copies: what runs there needs it to go on.
const RESERVE: u64 = 256 << 20;

/// The disk is nearly full below this part of it, or so many bytes if that is less, and until a fifth more is free.
const LITTLE: u64 = 10;
const LITTLE_BYTES: u64 = 10 << 30;

/// One volume.
#[derive(Clone, Copy, Debug, Default)]
struct Volume {
    /// As measured, and what was written since, in bytes.
    used: u64,
    /// 0 = as much as there is.
    quota: u64,
    /// From when until when it was measured.
    looked: Option<(Instant, Instant)>,
    /// When somebody changed the files.
    touched: Option<Instant>,
    /// Something could write to it when it was measured.
    was_used: bool,
}

impl Volume {
    fn is_due(&self, is_used: bool, now: Instant) -> bool {
        let Some((from, until)) = self.looked else {
            return true;
        };
        let age = now.saturating_duration_since(until);
        let again = (until - from) * PATIENCE;
        let touched = self.touched.is_some_and(|at| at >= from);
        // The end of what wrote there is one more reason.
        let written = is_used || self.was_used || touched;
        age >= if written { again } else { again.max(RESTING) }
    }
}

/// All volumes of this node.
#[derive(Debug)]
pub(crate) struct Space {
    /// Where they lie.
    folder: PathBuf,
    volumes: Mutex<BTreeMap<VolumeId, Volume>>,
    touched: Notify,
    /// The disk was nearly full at the last look.
    nearly_full: AtomicBool,
}

impl Space {
    /// Of the volumes in a folder.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            volumes: Mutex::default(),
            touched: Notify::new(),
            nearly_full: AtomicBool::new(false),
        }
    }

    /// What operators are to know of the disk. Without numbers: it is told again only when something else is to be told.
    pub(crate) fn warning(&self) -> Option<String> {
        let disk = rustix::fs::statvfs(&self.folder).ok()?;
        let was = self.nearly_full.load(Ordering::Relaxed);
        let is = is_nearly_full(
            was,
            disk.f_bavail * disk.f_frsize,
            disk.f_blocks * disk.f_frsize,
        );
        self.nearly_full.store(is, Ordering::Relaxed);
        is.then(|| {
            let folder = self.folder.display();
            format!("disk: that of {folder} is nearly full; make room there: copies are refused when it is full, and writes fail")
        })
    }

    /// Refuses to write `more` bytes where they do not fit, before the first of them is written.
    ///
    /// # Errors
    /// [`Error::Precondition`] with what is used, what may be, and what to do.
    pub(crate) fn check(&self, volume: &str, more: u64) -> Result<()> {
        self.check_disk(more)?;
        let known = volume
            .parse()
            .ok()
            .and_then(|id| self.lock().get(&id).copied());
        match known {
            Some(known)
                if known.quota > 0 && known.used.saturating_add(more.max(1)) > known.quota =>
            {
                Err(full(volume, &known, more))
            }
            _ => Ok(()),
        }
    }

    /// The same in the middle of writing; the quota only of who did not say before how much it will be.
    ///
    /// # Errors
    /// As those of [`Space::check`].
    pub(crate) fn check_writing(&self, volume: &str, said_before: bool) -> Result<()> {
        if said_before {
            return self.check_disk(0);
        }
        self.check(volume, 0)
    }

    fn check_disk(&self, more: u64) -> Result<()> {
        let free = rustix::fs::statvfs(&self.folder)
            .map_or(u64::MAX, |disk| disk.f_bavail.saturating_mul(disk.f_frsize));
        if free >= more.saturating_add(RESERVE) {
            return Ok(());
        }
        let (free, kept) = (bytes_text(free), bytes_text(RESERVE.min(free)));
        let problem = match more {
            0 => "nothing more is written".to_owned(),
            more => format!("{} more do not fit", bytes_text(more)),
        };
        Err(Error::Precondition(format!(
            "the disk of this node has only {free} left, of which {kept} are kept for what runs there, so {problem}; an operator can make \
             room there, or add a node"
        )))
    }

    /// So many bytes more are there, until it is measured again.
    pub(crate) fn wrote(&self, volume: &str, bytes: u64) {
        if let Ok(id) = volume.parse() {
            let mut volumes = self.lock();
            let known = volumes.entry(id).or_default();
            known.used = known.used.saturating_add(bytes);
        }
    }

    /// Somebody has changed the files: they are measured soon.
    pub(crate) fn touch(&self, volume: &str) {
        if let Ok(id) = volume.parse() {
            self.lock().entry(id).or_default().touched = Some(Instant::now());
            self.touched.notify_one();
        }
    }

    /// Waits until files were changed.
    pub(super) async fn touched(&self) {
        self.touched.notified().await;
    }

    /// Which of the volumes that are there are to be measured, what took the least time first. Others are forgotten.
    pub(super) fn due(
        &self,
        there: &[VolumeId],
        is_used: impl Fn(&VolumeId) -> bool,
        now: Instant,
    ) -> Vec<VolumeId> {
        let mut volumes = self.lock();
        volumes.retain(|id, _| there.contains(id));
        let known = |id: &VolumeId| volumes.get(id).copied().unwrap_or_default();
        let mut due: Vec<_> = there
            .iter()
            .map(|id| (known(id), *id))
            .filter(|(known, id)| known.is_due(is_used(id), now))
            .collect();
        due.sort_by_key(|(known, id)| (known.looked.map(|(from, until)| until - from), *id));
        due.into_iter().map(|(_, id)| id).collect()
    }

    /// Takes over what was measured between two moments.
    pub(super) fn measured(
        &self,
        id: VolumeId,
        used: u64,
        from: Instant,
        until: Instant,
        was_used: bool,
    ) {
        let mut volumes = self.lock();
        let known = volumes.entry(id).or_default();
        known.used = used;
        known.looked = Some((from, until));
        known.was_used = was_used;
    }

    /// Takes over the quotas; a volume that is not among them has none.
    pub(super) fn limit(&self, quotas: BTreeMap<VolumeId, u64>) {
        let mut volumes = self.lock();
        for (id, known) in volumes.iter_mut() {
            known.quota = quotas.get(id).copied().unwrap_or(0);
        }
    }

    /// Held for short changes only, each whole in itself.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<VolumeId, Volume>> {
        self.volumes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_nearly_full(was: bool, free: u64, size: u64) -> bool {
    let little = (size / LITTLE).min(LITTLE_BYTES);
    free < if was { little + little / 5 } else { little }
}

fn full(volume: &str, known: &Volume, more: u64) -> Error {
    let (used, quota) = (bytes_text(known.used), bytes_text(known.quota));
    let problem = if more == 0 {
        "there is no room for more".to_owned()
    } else {
        format!("{} more do not fit", bytes_text(more))
    };
    Error::Precondition(format!(
        "the files take {used} of {quota} (volume {volume}), and {problem}; remove some (quire notebook rm), or let an admin of the team run: quire volume \
         resize {volume} --size SIZE"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn what_does_not_fit_is_refused_with_the_numbers_and_the_next_step() {
        let root = tempfile::tempdir().unwrap();
        let space = Space::new(root.path().to_owned());
        let id = VolumeId::generate();
        let name = id.to_string();
        space.check(&name, 0).unwrap();
        let now = Instant::now();
        space.measured(id, 9 * GIB, now, now, false);
        space.check(&name, 2 << 20).unwrap();
        space.limit([(id, 10 * GIB)].into());
        space.check(&name, GIB).unwrap();
        let refused = space.check(&name, GIB + 1).unwrap_err().to_string();
        assert!(
            refused.contains("take 9.0 GiB of 10.0 GiB")
                && refused.contains(&format!("quire volume resize {id}")),
            "{refused}"
        );
        space.wrote(&name, GIB);
        let refused = space.check(&name, 0).unwrap_err().to_string();
        assert!(refused.contains("no room for more"), "{refused}");
        space.limit(BTreeMap::new());
        space.check(&name, GIB).unwrap();
        let refused = space.check(&name, u64::MAX).unwrap_err().to_string();
        assert!(refused.contains("the disk of this node"), "{refused}");
    }

    #[test]
    fn a_disk_is_nearly_full_until_there_is_clearly_room() {
        let (small, large) = (10 * GIB, 1_000 * GIB);
        for (was, free, size, is) in [
            (false, GIB + 1, small, false),
            (false, GIB - 1, small, true),
            (true, GIB + 1, small, true),
            (true, GIB * 5 / 4, small, false),
            (false, 11 * GIB, large, false),
            (false, 9 * GIB, large, true),
        ] {
            assert_eq!(is_nearly_full(was, free, size), is, "{was} {free} {size}");
        }
        let root = tempfile::tempdir().unwrap();
        let told = Space::new(root.path().to_owned())
            .warning()
            .unwrap_or_default();
        assert!(told.len() < 300, "{told}");
    }

    #[test]
    fn who_writes_is_measured_more_often_and_what_takes_long_less_often() {
        let space = Space::new(PathBuf::new());
        let (quick, slow, resting) = (
            VolumeId::generate(),
            VolumeId::generate(),
            VolumeId::generate(),
        );
        let there = [slow, quick, resting];
        let is_used = |id: &VolumeId| *id != resting;
        let second = Duration::from_secs(1);
        let start = Instant::now();
        assert_eq!(space.due(&there, is_used, start).len(), 3, "never measured");
        space.measured(slow, 1, start, start + 9 * second, true);
        space.measured(quick, 1, start, start + second / 10, true);
        space.measured(resting, 1, start, start + second / 10, false);
        let due = |after: u32| space.due(&there, is_used, start + after * second);
        assert_eq!(due(1), []);
        assert_eq!(due(3), [quick]);
        assert_eq!(due(189), [quick, slow]);
        space.touch(&resting.to_string());
        assert_eq!(due(3).len(), 2, "somebody copied into it");
        let now = Instant::now();
        space.measured(resting, 1, now, now, false);
        assert_eq!(due(599), [quick, slow]);
        assert_eq!(due(700).len(), 3);
        assert_eq!(
            space.due(&there, |_| false, start + 3 * second),
            [quick],
            "its end"
        );
        assert_eq!(space.due(&[], is_used, start), []);
        assert!(space.lock().is_empty(), "what is gone is forgotten");
    }
}
