//! Taking a waiting sandbox over: its folder moves to the attempt, which is the claim; its home becomes the volume; its limits
//! become those of the machine type; and then it is told what it is.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::script::Script;
use super::waiting::Waiting;
use crate::attempt::Folder;
use crate::environment::Environment;
use crate::files;
use crate::moment;
use crate::runtime::Job;
use crate::runtime::process::furnish::{failed, limits};
use crate::runtime::process::sandbox::NOTEBOOKS;
use crate::runtime::process::variables::{SITE, encode};
use crate::runtime::process::{ProcessRuntime, shims, stop, tool};
use crate::show::Show;

impl ProcessRuntime {
    /// Starts a prepared workload in a sandbox that waits for one like it; false when there is none, or it could not be used:
    /// then nothing is left of it, and the workload is to be started as every other.
    pub(in super::super) async fn take_over(
        self: &Arc<Self>,
        job: &Job,
        environment: &Environment,
    ) -> bool {
        let spec = job.spec();
        let Some(script) = Script::read(&spec.command) else {
            return false;
        };
        // Devices are shown when a sandbox is made, and Python reads variables when it begins.
        if !job.assignment.gpu_uuids.is_empty() || !spec.env.is_empty() {
            return false;
        }
        self.pool.note(&spec.environment_digest, &spec.environment);
        let found = self.pool.take(&spec.environment_digest);
        let Some(waiting) = found.and_then(|waiting| self.if_it_suits(waiting, job)) else {
            self.pool.metrics.started("cold");
            return false;
        };
        let (runtime, of, environment) = (self.clone(), job.clone(), environment.clone());
        let former = waiting.job.folder.clone();
        let handed_over = tokio::task::spawn_blocking(move || {
            runtime.hand_over(waiting, &of, &environment, &script)
        });
        let problem = match handed_over.await {
            Ok(Ok(())) => {
                self.pool.was_of_use(&spec.environment_digest);
                self.pool.metrics.started("warm");
                return true;
            }
            Ok(Err(problem)) => problem,
            Err(error) => error.to_string(),
        };
        tracing::warn!(
            attempt = job.id(),
            problem,
            "a waiting sandbox could not be used"
        );
        self.pool.failed(&spec.environment_digest);
        self.pool.metrics.started("cold");
        self.give_up_taken(job).await;
        self.end_waiting(&former).await;
        false
    }

    /// A waiting sandbox that would become what this workload is when it is made anew. Where files of the volume come before
    /// modules that the sandbox has imported already, it would not, and waits on.
    fn if_it_suits(&self, waiting: Waiting, job: &Job) -> Option<Waiting> {
        let suits = self.home(job).is_ok_and(|home| {
            let is_new = fs::symlink_metadata(&home).is_err();
            let shown =
                || self.pool.shows_volumes() && !shadows(&home.join(SITE), &waiting.modules);
            is_new || shown()
        });
        if suits {
            return Some(waiting);
        }
        self.pool.put(waiting);
        None
    }

    fn hand_over(
        &self,
        waiting: Waiting,
        job: &Job,
        environment: &Environment,
        script: &Script,
    ) -> Result<(), String> {
        let (from, to) = (waiting.job.folder.clone(), &job.folder);
        // From here on it is this attempt's, whoever dies.
        fs::rename(from.root(), to.taken()).map_err(failed)?;
        files::write_for_now(&to.taken_ms(), moment::up_ms().to_string().as_bytes())
            .map_err(failed)?;
        let home = self.home(job)?;
        self.give_home(&waiting, to, &home)?;
        to.remove_sockets().map_err(failed)?;
        rename_new(from.run(), to.run()).map_err(failed)?;
        self.isolation.limit(waiting.job.id(), limits(job.spec()))?;
        let server = script.server(&self.variables(job, &home, Some(environment))?);
        files::write_for_now(&to.env(), &encode(&server.variables)?).map_err(failed)?;
        waiting.tell(&to.env(), &server.arguments).map_err(failed)
    }

    /// Gives the sandbox its home. One that is new is the folder that it has; an older one is shown in its place, with the
    /// sandbox's user as the owner of what belongs to the volume's.
    fn give_home(&self, waiting: &Waiting, to: &Folder, home: &Path) -> Result<(), String> {
        let from = &waiting.job.folder;
        let Ok(volume) = fs::symlink_metadata(home) else {
            return rename_new(from.home(), home).map_err(failed);
        };
        // It goes with the attempt; until then it tells that its user is taken.
        rename_new(from.home(), to.home()).map_err(failed)?;
        let user = fs::symlink_metadata(to.home()).map_err(failed)?.uid();
        let process = shims::record(to)
            .and_then(|shim| stop::command_in_sandbox(shim.child))
            .and_then(|process| u32::try_from(process.as_raw_nonzero().get()).ok())
            .ok_or("it has ended")?;
        let show = Show {
            process,
            owner: volume.uid(),
            user,
            source: home.to_owned(),
            target: NOTEBOOKS.into(),
        };
        let shown = tool::run(&self.program.display().to_string(), &show.args(), "");
        // A sandbox that has ended meanwhile says nothing about this machine.
        let is_there = || Path::new("/proc").join(process.to_string()).exists();
        shown.map(drop).inspect_err(|_| {
            if is_there() {
                self.pool.shows_none();
            }
        })
    }

    /// Ends a sandbox that was taken over and never became the workload: an agent died on the way, or something failed.
    pub(in super::super) async fn give_up_taken(self: &Arc<Self>, job: &Job) {
        let taken = job.folder.taken();
        if !taken.is_dir() {
            return;
        }
        let (data, run) = (&self.config.data_dir, &self.config.run_dir);
        let former = Folder::of_waiting(data, run, &job.folder.sandbox_name());
        self.end(&job.folder).await;
        self.clear(&job.folder).await;
        let removed = tokio::task::spawn_blocking(move || files::remove_folder(&taken)).await;
        if !matches!(removed, Ok(Ok(()))) {
            tracing::warn!(?removed, "removing a sandbox that was taken over in vain");
        }
        // What had not moved yet.
        self.clear(&former).await;
    }
}

/// Whether a folder of packages has one that comes before a module of these, or before any other (`sitecustomize`). When it
/// cannot be looked at, it may.
fn shadows(site: &Path, modules: &BTreeSet<String>) -> bool {
    let entries = match fs::read_dir(site) {
        Ok(entries) => entries,
        Err(error) => return error.kind() != io::ErrorKind::NotFound,
    };
    entries.map_while(Result::ok).any(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        let module = name.split('.').next().unwrap_or_default();
        modules.contains(module) || ["sitecustomize", "usercustomize"].contains(&module)
    })
}

/// Moves a folder to where nothing is.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    Ok(renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_that_come_before_imported_ones_are_seen() {
        let folder = tempfile::tempdir().unwrap();
        let site = folder.path().join("site");
        let modules: BTreeSet<String> = ["six", "tornado"].map(str::to_owned).into();
        assert!(!shadows(&site, &modules), "there is none");
        for (name, comes_before) in [
            ("numpy", false),
            ("six-1.17.0.dist-info", false),
            ("sixth.py", false),
            ("six.py", true),
            ("tornado", true),
            ("six.cpython-312-x86_64-linux-gnu.so", true),
            ("sitecustomize.py", true),
        ] {
            fs::create_dir_all(&site).unwrap();
            fs::write(site.join(name), "").unwrap();
            assert_eq!(shadows(&site, &modules), comes_before, "{name}");
            fs::remove_dir_all(&site).unwrap();
        }
        fs::write(&site, "").unwrap();
        assert!(shadows(&site, &modules), "it cannot be looked at");
    }
}
