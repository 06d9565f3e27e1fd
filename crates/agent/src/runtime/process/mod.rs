//! The process runtime: no container engine, only what the kernel offers. Each workload is a process tree in a sandbox of its
//! own, under limits, with a user and a network of its own, below a shim that outlives the agent.

pub(crate) mod cgroup;
pub(crate) mod etc;
pub(crate) mod firewall;
mod furnish;
pub(crate) mod network;
pub(crate) mod sandbox;
pub(crate) mod seccomp;
mod shims;
mod stop;
mod tool;
mod upstream;
mod user;
mod variables;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chassis::Error;
use contracts::scheduler::v1::WorkloadSpec;
use kernel::id::VolumeId;
use tokio::process::Command;

use self::cgroup::Group;
use self::user::Users;
use self::variables::Passed;
use super::{Ending, Job, Memory, Progress, Runtime, Status};
use crate::config::AgentConfig;
use crate::environment::{Environment, Environments};
use crate::files;
use crate::isolation::Isolation;
use crate::machine::Gpus;

pub(crate) use self::shims::log_tail;
pub(crate) use self::user::volumes;

/// Pause between tries to end what does not end.
const KILL_AGAIN: Duration = Duration::from_secs(1);

/// Runs workloads as processes of this machine.
#[derive(Debug)]
pub(crate) struct ProcessRuntime {
    config: AgentConfig,
    program: PathBuf,
    isolation: Isolation,
    environments: Environments,
    users: Users,
    gpus: Gpus,
    passed: Passed,
    /// Folders that no workload may see whole.
    secret: Vec<PathBuf>,
}

impl ProcessRuntime {
    /// A runtime with what `isolation` found; `program` has the hidden subcommands.
    pub(crate) fn new(
        config: &AgentConfig,
        program: PathBuf,
        isolation: Isolation,
        gpus: Gpus,
    ) -> Self {
        let home = std::env::vars_os()
            .find(|(name, _)| name == "HOME")
            .map(|(_, value)| value.into());
        let secret: Vec<PathBuf> = [Some(config.data_dir.clone()), home]
            .into_iter()
            .flatten()
            .collect();
        Self {
            passed: Passed::choose(std::env::vars_os(), &secret),
            environments: Environments::new(&config.data_dir, &config.uv, &config.python),
            users: Users::new(&config.data_dir, config.first_uid),
            config: config.clone(),
            program,
            isolation,
            gpus,
            secret,
        }
    }

    /// Ends and removes what was made for attempts that are not among `known`: an agent died before it could.
    pub(crate) fn remove_strays(&self, known: &[String]) {
        self.isolation.remove_all_but(known);
    }

    /// Removes what was laid on the machine for workloads, when there are none.
    pub(crate) fn leave(&self) {
        self.isolation.leave();
    }

    async fn environment(
        &self,
        spec: &WorkloadSpec,
        progress: &Progress,
    ) -> Result<Option<Environment>, String> {
        if spec.environment_digest.is_empty() && spec.environment_lock.is_empty() {
            return Ok(None);
        }
        self.environments
            .ensure(&spec.environment_digest, &spec.environment_lock, progress)
            .await
            .map(Some)
    }
}

#[async_trait::async_trait]
impl Runtime for Arc<ProcessRuntime> {
    async fn prepare(&self, job: &Job, progress: &Progress) -> Result<(), String> {
        if job.spec().command.is_empty() {
            return Err("command: is empty; a program and its arguments are needed".to_owned());
        }
        self.environment(job.spec(), progress).await.map(drop)
    }

    async fn start(&self, job: &Job) -> Result<(), String> {
        if self.status(job) != Status::Absent {
            return Ok(());
        }
        // Prepared before: found at once.
        let (progress, _) = Progress::new();
        let environment = self.environment(job.spec(), &progress).await?;
        let (runtime, furnished) = (Self::clone(self), job.clone());
        let plan =
            tokio::task::spawn_blocking(move || runtime.furnish(&furnished, environment.as_ref()))
                .await
                .map_err(|error| error.to_string())??;
        let args: Vec<OsString> = plan.into_args();
        shims::start(&job.folder, &self.program, args).await
    }

    fn status(&self, job: &Job) -> Status {
        shims::status(&job.folder)
    }

    fn memory(&self, job: &Job) -> Option<Memory> {
        let group = self.isolation.group(job.id())?;
        let (events, peak) = (&group.memory_events, &group.memory_peak);
        let limit = furnish::limits(job.spec()).memory_bytes();
        Some(Memory::read(Some(events), Some(peak), limit))
    }

    async fn ended(&self, job: &Job) -> Ending {
        let ending = shims::ended(&job.folder).await;
        self.remove(job).await;
        ending
    }

    async fn stop(&self, job: &Job) {
        if let Some(shim) = shims::record(&job.folder) {
            stop::ask(&shim, self.isolation.group(job.id()).as_ref());
        }
        let grace = Duration::from_secs(self.config.stop_grace_seconds.into());
        let mut patience = tokio::time::timeout(grace, shims::ended(&job.folder)).await;
        while patience.is_err() {
            if let Some(shim) = shims::record(&job.folder) {
                stop::end(&shim, self.isolation.group(job.id()).as_ref());
            }
            patience = tokio::time::timeout(KILL_AGAIN, shims::ended(&job.folder)).await;
        }
    }

    async fn remove(&self, job: &Job) {
        let (runtime, job) = (Self::clone(self), job.clone());
        let removed = tokio::task::spawn_blocking(move || {
            runtime.isolation.remove(job.id());
            job.folder
                .remove_sockets()
                .and_then(|()| files::remove_folder(job.folder.home()))
        });
        match removed.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "removing what an attempt ran in"),
            Err(error) => tracing::warn!(%error, "removing what an attempt ran in"),
        }
    }

    fn has_begun(&self, job: &Job) -> bool {
        shims::has_begun(&job.folder)
    }

    fn group(&self, job: &Job) -> Option<Group> {
        self.isolation.group(job.id())
    }

    fn errand(&self, volume: &str, command: &[String]) -> chassis::Result<Command> {
        let missing = || Error::not_found("volume", volume);
        let id: VolumeId = volume.parse().map_err(|_| missing())?;
        let home = volumes(&self.config.data_dir).join(id.to_string());
        if !home.is_dir() {
            return Err(missing());
        }
        let sandbox = self.errand_sandbox(home);
        let sandbox = sandbox.map_err(|cause| Error::internal("making a sandbox", cause))?;
        let mut errand = Command::new(&self.program);
        // Nothing of the agent's variables: what runs there can be read by what lies there.
        errand
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| name == "PATH"))
            .args(sandbox.args(command));
        Ok(errand)
    }

    fn upstream(&self, job: &Job) -> Option<PathBuf> {
        upstream::link(&job.folder)
    }
}
