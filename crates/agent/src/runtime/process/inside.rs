//! Commands beside a workload, inside its sandbox.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use chassis::{Error, Result};
use tokio::process::Command;

use super::sandbox::{Kind, NOTEBOOKS};
use super::variables::encode;
use super::{ProcessRuntime, shims, stop};
use crate::exec::Frame;
use crate::join::Join;
use crate::runtime::{Inside, Job, Progress};

fn failed(problem: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::internal("entering a workload", problem)
}

impl ProcessRuntime {
    /// What runs a command inside a workload that runs.
    ///
    /// # Errors
    /// [`Error::Precondition`] when it does not run any more; why its sandbox cannot be entered.
    pub(super) async fn enter(&self, job: &Job) -> Result<Inside> {
        let over = || Error::Precondition("it does not run any more".to_owned());
        let shim = shims::record(&job.folder).ok_or_else(over)?;
        shim.living_child().ok_or_else(over)?;
        let home = self.home(job).map_err(failed)?;
        let (process, user) = match self.isolation.kind {
            Kind::Plain => (None, self.user_of(&home).map_err(failed)?),
            Kind::Root => {
                let (process, user) = self.of_sandbox(shim.child).ok_or_else(over)?;
                (Some(process), Some(user))
            }
            // Its owner could change what the command would be run by before it has given anything up.
            Kind::UserNamespace => {
                let problem = "this node's agent is not root, so nobody can go inside what it runs";
                return Err(Error::Precondition(problem.to_owned()));
            }
        };
        let group = self.isolation.group(&job.folder.sandbox_name());
        let join = Join {
            process,
            user,
            cgroups: group.map(|group| group.folders).unwrap_or_default(),
            seccomp: self.isolation.seccomp.clone().filter(|_| process.is_some()),
            folder: self.as_seen(&home, NOTEBOOKS),
        };
        // Prepared before: found at once.
        let (progress, _) = Progress::new();
        let environment = self.environment(job.spec(), &progress).await;
        let environment = environment.map_err(failed)?;
        let token = fs::read_to_string(job.folder.token()).map_err(|_| over())?;
        let variables = self.variables_with(job, &home, environment.as_ref(), &token);
        let mut command = Command::new(&self.program);
        command
            .args(join.args())
            // Nothing of the agent's own variables is anybody's business.
            .env_clear()
            .current_dir("/");
        Ok(Inside {
            command,
            first: Frame::Variables(encode(&variables).map_err(failed)?).encode(),
            variables,
        })
    }

    /// The workload's own process in a sandbox, and the sandbox's user, who need not be the owner of the files on the disk. None
    /// while it has not become that user yet.
    fn of_sandbox(&self, outer: u32) -> Option<(u32, u32)> {
        let find = || stop::command_in_sandbox(outer);
        let found = find()?;
        let process = found.as_raw_nonzero().get().unsigned_abs();
        let user = fs::metadata(Path::new("/proc").join(process.to_string()));
        let user = user.ok()?.uid();
        // Still the same: its number did not become another's while it was looked at.
        (user >= self.config.first_uid && find() == Some(found)).then_some((process, user))
    }
}
