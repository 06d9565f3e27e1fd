//! Environments: sets of packages, each built once on this node and seen by workloads where it was built, to be read only.
//!
//! One is named by the hash of its lock. It is built at its final place (its programs hold absolute paths), under a lock that
//! the builder's own process holds too, and counts as there once its marker is written: a build that was killed is begun anew.

mod build;
mod notice;
mod output;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{fs, io};

use chassis::seal::sha256_hex;
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared, WeakShared};
use tokio::sync::watch;

use self::build::Build;
use crate::runtime::Progress;

/// Written last; an environment without it is not there.
const COMPLETE: &str = ".quire-complete";

/// Texts about a build are at least so far apart.
const SAY_EVERY: Duration = Duration::from_millis(500);

/// An environment that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Environment {
    /// Where it lies; its programs are in `bin`.
    pub(crate) folder: PathBuf,
    /// The Python that it stands on.
    pub(crate) python: PathBuf,
}

type Built = Result<Environment, String>;

/// All environments of one node.
#[derive(Debug)]
pub(crate) struct Environments {
    root: PathBuf,
    cache: PathBuf,
    pythons: PathBuf,
    uv: String,
    python: String,
    building: Mutex<HashMap<String, Building>>,
}

/// A build that is going on as long as somebody waits for it.
struct Building {
    outcome: WeakShared<BoxFuture<'static, Built>>,
    progress: watch::Receiver<String>,
}

impl std::fmt::Debug for Building {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Building")
    }
}

impl Environments {
    /// Environments below `data_dir`, built by the program `uv` on `python`.
    pub(crate) fn new(data_dir: &Path, uv: &str, python: &str) -> Self {
        Self {
            root: data_dir.join("environments"),
            // On the same file system, so that packages are shared by hard links.
            cache: data_dir.join("cache/uv"),
            pythons: data_dir.join("pythons"),
            uv: uv.to_owned(),
            python: python.to_owned(),
            building: Mutex::default(),
        }
    }

    /// The environment `digest`; built from `lock` when it is not there. However many ask at once, it is built once.
    ///
    /// # Errors
    /// Why it cannot be built, in the words of the resolver.
    pub(crate) async fn ensure(&self, digest: &str, lock: &str, progress: &Progress) -> Built {
        let environment = self.built(digest, lock, progress).await?;
        if let Err(error) = notice::add(&environment.folder) {
            tracing::warn!(%error, digest, "JupyterLab will not show when an idle notebook stops");
        }
        Ok(environment)
    }

    async fn built(&self, digest: &str, lock: &str, progress: &Progress) -> Built {
        check_digest(digest, lock)?;
        if let Some(environment) = find(&self.root.join(digest)) {
            return Ok(environment);
        }
        let (outcome, mut said) = self.join(digest, lock)?;
        let mut outcome = outcome.fuse();
        loop {
            let text = said.borrow_and_update().clone();
            if !text.is_empty() {
                progress.say(text);
            }
            tokio::select! {
                built = &mut outcome => return built,
                goes_on = next(&mut said) => if !goes_on { return outcome.await },
            }
        }
    }

    /// The environment `digest`, when it is there.
    pub(crate) fn present(&self, digest: &str) -> Option<Environment> {
        find(&self.root.join(digest))
    }

    /// The build of `digest` that is going on, or a new one.
    fn join(
        &self,
        digest: &str,
        lock: &str,
    ) -> Result<(Shared<BoxFuture<'static, Built>>, watch::Receiver<String>), String> {
        let mut building = self
            .building
            .lock()
            .map_err(|_| "a build ended in a panic".to_owned())?;
        let going_on = building
            .get(digest)
            .and_then(|going| Some((going.outcome.upgrade()?, going.progress.clone())));
        if let Some((outcome, progress)) = going_on.filter(|(outcome, _)| outcome.peek().is_none())
        {
            return Ok((outcome, progress));
        }
        let (said, progress) = watch::channel(String::new());
        let build = Build {
            folder: self.root.join(digest),
            cache: self.cache.clone(),
            pythons: self.pythons.clone(),
            uv: self.uv.clone(),
            python: self.python.clone(),
            lock: lock.to_owned(),
            said: Arc::new(said),
        };
        let outcome = build.run().boxed().shared();
        building.retain(|_, going| going.outcome.upgrade().is_some());
        if let Some(weak) = outcome.downgrade() {
            building.insert(
                digest.to_owned(),
                Building {
                    outcome: weak,
                    progress: progress.clone(),
                },
            );
        }
        Ok((outcome, progress))
    }
}

/// Waits for the next text, and for its turn: what was said in between is not said.
async fn next(said: &mut watch::Receiver<String>) -> bool {
    tokio::time::sleep(SAY_EVERY).await;
    said.changed().await.is_ok()
}

/// An environment that another lock made would be seen by all who ask for this one.
fn check_digest(digest: &str, lock: &str) -> Result<(), String> {
    let right = sha256_hex(lock);
    if digest == right {
        return Ok(());
    }
    let shown: String = digest.chars().take(80).collect();
    Err(format!(
        "environment_digest: {shown:?} is not the SHA-256 of environment_lock, which is {right}"
    ))
}

/// The complete environment in `folder`.
fn find(folder: &Path) -> Option<Environment> {
    folder.join(COMPLETE).is_file().then_some(())?;
    let python = base_python(folder).ok()?;
    Some(Environment {
        folder: folder.to_owned(),
        python,
    })
}

/// Root of the installation that an environment stands on, as its `pyvenv.cfg` says.
fn base_python(folder: &Path) -> io::Result<PathBuf> {
    let text = fs::read_to_string(folder.join("pyvenv.cfg"))?;
    let home = text
        .lines()
        .find_map(|line| line.split_once('=').filter(|(key, _)| key.trim() == "home"));
    let programs = home.map(|(_, value)| Path::new(value.trim()));
    programs
        .and_then(Path::parent)
        .map(Path::to_owned)
        .ok_or_else(|| io::Error::other("pyvenv.cfg does not say where its Python is"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_that_of_the_lock() {
        assert_eq!(
            check_digest(&sha256_hex("six==1.17.0"), "six==1.17.0"),
            Ok(())
        );
        for wrong in ["", "..", "../x", &sha256_hex("six==1.16.0")] {
            assert!(check_digest(wrong, "six==1.17.0").is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_complete_environments_are_there() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(
            folder.path().join("pyvenv.cfg"),
            "home = /opt/py/3.12/bin\nversion_info = 3.12\n",
        )
        .unwrap();
        assert_eq!(find(folder.path()), None);
        fs::write(folder.path().join(COMPLETE), "").unwrap();
        assert_eq!(
            find(folder.path()).unwrap().python,
            Path::new("/opt/py/3.12")
        );
    }
}
