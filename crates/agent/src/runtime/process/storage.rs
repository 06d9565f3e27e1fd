//! `/storage` in a sandbox that runs.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::furnish::failed;
use super::sandbox::{Kind, STORAGE};
use super::{ProcessRuntime, shims, stop, tool};
use crate::runtime::Job;
use crate::show::Show;

/// Pause between looks whether a sandbox has its user by now.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

impl ProcessRuntime {
    /// Whether files can be shown to several users: as root only.
    pub(crate) fn shares_files(&self) -> bool {
        self.isolation.own_users && self.isolation.kind == Kind::Root
    }

    /// Shows a folder, which is made when it is not there, as the storage of a sandbox that has been started. Again changes nothing.
    pub(crate) async fn show_storage(
        self: &Arc<Self>,
        job: &Job,
        folder: &Path,
    ) -> Result<(), String> {
        let owner = self.users.owner_of(folder).map_err(failed)?;
        let (process, user) = self.until_it_has_its_user(job).await?;
        let show = Show {
            process,
            owner,
            user,
            source: folder.to_owned(),
            target: STORAGE.into(),
        };
        let program = self.program.display().to_string();
        let shown = tokio::task::spawn_blocking(move || {
            if is_shown(process)? {
                return Ok(());
            }
            tool::run(&program, &show.args(), "").map(drop)
        });
        shown.await.map_err(failed)?
    }

    /// The workload's first process and its user, once it is not root's any more.
    async fn until_it_has_its_user(&self, job: &Job) -> Result<(u32, u32), String> {
        loop {
            let shim = shims::record(&job.folder).ok_or("it has ended")?;
            let command = stop::command_in_sandbox(shim.child)
                .and_then(|process| u32::try_from(process.as_raw_nonzero().get()).ok());
            if let Some(process) = command
                && let Ok(seen) = fs::metadata(of(process))
                && seen.uid() >= self.config.first_uid
            {
                return Ok((process, seen.uid()));
            }
            if shim.living_child().is_none() {
                return Err("it has ended".to_owned());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

fn of(process: u32) -> PathBuf {
    Path::new("/proc").join(process.to_string())
}

fn is_shown(process: u32) -> Result<bool, String> {
    let mounts = fs::read_to_string(of(process).join("mountinfo")).map_err(failed)?;
    let mut places = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    Ok(places.any(|place| place == STORAGE))
}
