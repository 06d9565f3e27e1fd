//! The process runtime: no container engine, only what the kernel offers. Each workload is a process tree in a sandbox of its
//! own, under limits, with a user and a network of its own, below a shim that outlives the agent.

pub(crate) mod cgroup;
pub(crate) mod etc;
pub(crate) mod firewall;
mod furnish;
mod inside;
pub(crate) mod network;
mod notice;
mod port;
pub(crate) mod sandbox;
pub(crate) mod seccomp;
mod shims;
mod stop;
mod storage;
mod tool;
mod upstream;
mod user;
mod variables;
mod warm;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chassis::Error;
use contracts::scheduler::v1::WorkloadSpec;
use kernel::Clock;
use kernel::id::VolumeId;
use tokio::net::TcpStream;
use tokio::process::Command;

use self::cgroup::Group;
use self::sandbox::{Kind, STAGE};
use self::user::Users;
use self::variables::Passed;
use self::warm::Pool;
use super::{Ending, Inside, Job, Memory, Progress, Runtime, Start, Status};
use crate::attempt::{Folder, Notice};
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
    pool: Pool,
    notices: notice::Metrics,
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
        clock: Arc<dyn Clock>,
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
            pool: Pool::new(config, &isolation, clock),
            notices: notice::Metrics::new(),
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

    /// Memory that is set aside for sandboxes that wait, in MiB.
    pub(crate) fn reserved_mib(&self) -> u32 {
        self.pool.reserved_mib()
    }

    /// Ends all that runs in a sandbox, and comes back when its shim is gone.
    async fn end(&self, folder: &Folder) {
        loop {
            if let Some(shim) = shims::record(folder) {
                let group = self.isolation.group(&folder.sandbox_name());
                stop::end(&shim, group.as_ref());
            }
            let ended = tokio::time::timeout(KILL_AGAIN, shims::ended(folder)).await;
            if ended.is_ok() {
                return;
            }
        }
    }

    /// Removes what was made for a sandbox in which nothing runs, but for the folder of its files.
    async fn clear(self: &Arc<Self>, folder: &Folder) {
        let (runtime, folder) = (self.clone(), folder.clone());
        let removed = tokio::task::spawn_blocking(move || {
            runtime.isolation.remove(&folder.sandbox_name());
            folder
                .remove_sockets()
                .and_then(|()| files::remove_folder(folder.home()))
        });
        match removed.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "removing what an attempt ran in"),
            Err(error) => tracing::warn!(%error, "removing what an attempt ran in"),
        }
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

    async fn start(&self, job: &Job) -> Result<Start, String> {
        if !self.has_begun(job) {
            self.give_up_taken(job).await;
        }
        if self.status(job) != Status::Absent {
            return Ok(Start::Found);
        }
        // Prepared before: found at once.
        let (progress, _) = Progress::new();
        let environment = self.environment(job.spec(), &progress).await?;
        if let Some(environment) = &environment
            && self.take_over(job, environment).await
        {
            return Ok(Start::TakenOver);
        }
        let (runtime, furnished) = (Self::clone(self), job.clone());
        let plan =
            tokio::task::spawn_blocking(move || runtime.furnish(&furnished, environment.as_ref()))
                .await
                .map_err(|error| error.to_string())??;
        let args: Vec<OsString> = plan.into_args();
        shims::start(&job.folder, &self.program, args).await?;
        Ok(Start::Fresh)
    }

    fn status(&self, job: &Job) -> Status {
        shims::status(&job.folder)
    }

    fn memory(&self, job: &Job) -> Option<Memory> {
        let group = self.group(job)?;
        let (events, peak) = (&group.memory_events, &group.memory_peak);
        let limit = furnish::limits(job.spec()).memory_bytes();
        Some(Memory::read(Some(events), Some(peak), limit))
    }

    async fn ended(&self, job: &Job) -> Ending {
        let ending = shims::ended(&job.folder).await;
        self.remove(job).await;
        ending
    }

    async fn give_notice(&self, job: &Job, notice: &Notice) {
        self.tell(job, notice).await;
    }

    async fn stop(&self, job: &Job) {
        if let Some(shim) = shims::record(&job.folder) {
            stop::ask(&shim, self.group(job).as_ref());
        }
        let grace = Duration::from_secs(self.config.stop_grace_seconds.into());
        let ended = tokio::time::timeout(grace, shims::ended(&job.folder)).await;
        if ended.is_err() {
            self.end(&job.folder).await;
        }
    }

    async fn remove(&self, job: &Job) {
        self.clear(&job.folder).await;
    }

    fn has_begun(&self, job: &Job) -> bool {
        shims::has_begun(&job.folder)
    }

    fn group(&self, job: &Job) -> Option<Group> {
        self.isolation.group(&job.folder.sandbox_name())
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

    fn stage(&self) -> PathBuf {
        match self.isolation.kind {
            Kind::Plain => self.program.clone(),
            Kind::Root | Kind::UserNamespace => STAGE.into(),
        }
    }

    async fn inside(&self, job: &Job) -> chassis::Result<Inside> {
        self.enter(job).await
    }

    async fn port(&self, job: &Job, port: u16) -> chassis::Result<TcpStream> {
        let networks = self.isolation.networks.as_ref();
        let network = networks.and_then(|networks| networks.of(&job.folder.sandbox_name()));
        // On the host's own loopback others listen.
        let Some(network) = network else {
            let problem = "this node gives workloads no networks of their own, so their ports cannot be reached";
            return Err(Error::Precondition(problem.to_owned()));
        };
        port::connect(network, port).await.map_err(|error| {
            Error::Unavailable(format!("nothing answers on port {port} of it: {error}"))
        })
    }

    fn upstream(&self, job: &Job) -> Option<PathBuf> {
        upstream::link(&job.folder)
    }
}
