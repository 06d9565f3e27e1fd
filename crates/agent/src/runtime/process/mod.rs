//! The process runtime: no container engine, only what the kernel offers. Each workload is a process tree in a sandbox of its
//! own, under limits, with a user and a network of its own, below a shim that outlives the agent.

pub(crate) mod cgroup;
pub(crate) mod etc;
pub(crate) mod firewall;
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
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use contracts::scheduler::v1::WorkloadSpec;
use secrecy::ExposeSecret as _;

use self::cgroup::{Group, Limits};
use self::sandbox::{Access, Bind, Kind, NOTEBOOKS, RUN, Sandbox};
use self::user::Users;
use self::variables::{Passed, Sources};
use super::{Ending, Job, Progress, Runtime, Status};
use crate::config::AgentConfig;
use crate::environment::{Environment, Environments};
use crate::files;
use crate::isolation::Isolation;
use crate::machine::Gpus;
use crate::shim::plan::Plan;

pub(crate) use self::shims::log_tail;
pub(crate) use self::user::volumes;

/// Size of one of the two log files of an attempt.
const LOG_BYTES: u64 = 8 << 20;
/// Where programs for GPUs look how devices are connected.
const GPU_TOPOLOGY: &[&str] = &["/sys/bus", "/sys/devices"];
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
}

impl ProcessRuntime {
    /// A runtime with what `isolation` found; `program` has the hidden subcommands.
    pub(crate) fn new(
        config: &AgentConfig,
        program: PathBuf,
        isolation: Isolation,
        gpus: Gpus,
    ) -> Self {
        let own: Vec<_> = std::env::vars_os().collect();
        let home = own
            .iter()
            .find(|(name, _)| name == "HOME")
            .map(|(_, value)| PathBuf::from(value));
        let secret = [Some(config.data_dir.as_path()), home.as_deref()];
        let secret: Vec<&Path> = secret.into_iter().flatten().collect();
        Self {
            passed: Passed::choose(own.iter().cloned(), &secret),
            environments: Environments::new(&config.data_dir, &config.uv, &config.python),
            users: Users::new(&config.data_dir, config.first_uid),
            config: config.clone(),
            program,
            isolation,
            gpus,
        }
    }

    /// Ends and removes what was made for attempts that are not among `known`: an agent died before it could.
    pub(crate) fn remove_strays(&self, known: &[String]) {
        let stray = |name: &String| !known.contains(name);
        for name in self
            .isolation
            .cgroups
            .iter()
            .flat_map(|cgroups| cgroups.names())
            .filter(stray)
        {
            self.remove_group(&name);
        }
        for name in self
            .isolation
            .networks
            .iter()
            .flat_map(|networks| networks.names())
            .filter(stray)
        {
            self.remove_network(&name);
        }
    }

    /// Removes what was laid on the machine for workloads, when there are none.
    pub(crate) fn leave(&self) {
        self.isolation.leave();
    }

    fn remove_group(&self, attempt: &str) {
        if let Some(group) = self.group(attempt)
            && let Err(error) = cgroup::remove(&group)
        {
            tracing::warn!(attempt, %error, "removing the limits of an attempt");
        }
    }

    fn remove_network(&self, attempt: &str) {
        if let Some(networks) = &self.isolation.networks
            && let Err(error) = networks.remove(attempt)
        {
            tracing::warn!(attempt, error, "removing the network of an attempt");
        }
    }

    fn group(&self, attempt: &str) -> Option<Group> {
        self.isolation
            .cgroups
            .as_ref()
            .map(|cgroups| cgroups.group(attempt))
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

    /// Makes all that the workload runs in, and says with which arguments its shim is to be started.
    fn furnish(&self, job: &Job, environment: Option<&Environment>) -> Result<Plan, String> {
        let failed = |error: std::io::Error| error.to_string();
        let (folder, spec) = (&job.folder, job.spec());
        let volume = self.home(job, spec)?;
        let user = self.user_of(&volume).map_err(failed)?;
        folder.remove_sockets().map_err(failed)?;
        files::private_folder(folder.run()).map_err(failed)?;
        if let Some(user) = user {
            chown(folder.run(), Some(user), Some(user)).map_err(failed)?;
        }
        self.write_variables(job, spec, &volume, environment)?;
        let limits = limits(spec);
        let group = self
            .isolation
            .cgroups
            .as_ref()
            .map(|cgroups| cgroups.create(job.id(), limits));
        let group = group
            .transpose()
            .map_err(|error| format!("limits cannot be set: {error}"))?;
        let network = self
            .isolation
            .networks
            .as_ref()
            .map(|networks| networks.create(job.id()))
            .transpose()?;
        let sandbox = Sandbox {
            kind: self.isolation.kind,
            program: self.program.clone(),
            user,
            cgroups: group
                .as_ref()
                .map(|group| group.folders.clone())
                .unwrap_or_default(),
            network,
            seccomp: self.isolation.seccomp.clone(),
            folder: self.seen_home(&volume).to_owned(),
            binds: self.binds(job, &volume, user, environment)?,
        };
        let enforced = group.as_ref().map(|_| limits.memory_bytes()).unwrap_or(0);
        Ok(Plan {
            dir: folder.root().to_owned(),
            log_bytes: LOG_BYTES,
            memory_limit: enforced,
            memory_events: group.as_ref().map(|group| group.memory_events.clone()),
            memory_peak: group.as_ref().map(|group| group.memory_peak.clone()),
            kill: group.and_then(|group| group.kill),
            program: self.program.clone().into_os_string(),
            args: sandbox.args(&spec.command),
        })
    }

    /// The workload's home on this host: its volume, or a folder that goes with the attempt.
    fn home(&self, job: &Job, spec: &WorkloadSpec) -> Result<PathBuf, String> {
        if spec.volume_id.is_empty() {
            return Ok(job.folder.home().to_owned());
        }
        let volume: kernel::id::VolumeId = spec
            .volume_id
            .parse()
            .map_err(|error: kernel::id::ParseIdError| format!("volume_id: {error}"))?;
        Ok(volumes(&self.config.data_dir).join(volume.to_string()))
    }

    fn user_of(&self, home: &Path) -> std::io::Result<Option<u32>> {
        if self.isolation.own_users {
            return self.users.owner_of(home).map(Some);
        }
        files::private_folder(home).map(|()| None)
    }

    fn seen_home<'a>(&self, volume: &'a Path) -> &'a Path {
        if self.isolation.kind == Kind::Plain {
            volume
        } else {
            Path::new(NOTEBOOKS)
        }
    }

    fn write_variables(
        &self,
        job: &Job,
        spec: &WorkloadSpec,
        volume: &Path,
        environment: Option<&Environment>,
    ) -> Result<(), String> {
        let failed = |error: std::io::Error| error.to_string();
        let token = chassis::seal::random_secret().map_err(|error| error.to_string())?;
        files::write(&job.folder.token(), token.expose_secret().as_bytes()).map_err(failed)?;
        let run = if self.isolation.kind == Kind::Plain {
            job.folder.run()
        } else {
            Path::new(RUN)
        };
        let sources = Sources {
            passed: &self.passed,
            spec: &spec.env,
            environment: environment.map(|environment| environment.folder.as_path()),
            home: self.seen_home(volume),
            run,
            token: token.expose_secret(),
            gpus: &job.assignment.gpu_uuids,
        };
        files::write(&job.folder.env(), &sources.encode()?).map_err(failed)
    }

    /// The installation that an environment stands on, under the name that the environment knows and under its own. One that
    /// holds the agent's own data cannot be shown without it, and is not.
    fn python_of(&self, environment: &Environment) -> Vec<Bind> {
        let own = std::fs::canonicalize(&environment.python).ok();
        let names = [Some(environment.python.clone()), own];
        let harmless = names
            .into_iter()
            .flatten()
            .filter(|name| !self.config.data_dir.starts_with(name));
        harmless.map(Bind::in_place).collect()
    }

    fn binds(
        &self,
        job: &Job,
        volume: &Path,
        user: Option<u32>,
        environment: Option<&Environment>,
    ) -> Result<Vec<Bind>, String> {
        let user = user.unwrap_or_else(|| rustix::process::geteuid().as_raw());
        let mut binds = etc::prepare(&job.folder.etc(), user).map_err(|error| error.to_string())?;
        binds.extend(self.passed.binds.iter().cloned());
        if let Some(environment) = environment {
            binds.push(Bind::in_place(&environment.folder));
            binds.extend(self.python_of(environment));
        }
        let devices = self.gpus.devices(&job.assignment.gpu_uuids)?;
        binds.extend(devices.into_iter().map(|device| Bind {
            source: device.clone(),
            target: device,
            access: Access::Device,
        }));
        if !job.assignment.gpu_uuids.is_empty() {
            binds.extend(
                GPU_TOPOLOGY
                    .iter()
                    .map(Path::new)
                    .filter(|path| path.exists())
                    .map(Bind::in_place),
            );
        }
        let write = |source: &Path, target: &str| Bind {
            source: source.to_owned(),
            target: target.into(),
            access: Access::Write,
        };
        binds.extend([write(volume, NOTEBOOKS), write(job.folder.run(), RUN)]);
        Ok(binds)
    }
}

fn limits(spec: &WorkloadSpec) -> Limits {
    let resources = spec.resources.clone().unwrap_or_default();
    Limits {
        milli_cores: resources.milli_cores,
        memory_mib: resources.memory_mib,
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

    async fn ended(&self, job: &Job) -> Ending {
        let ending = shims::ended(&job.folder).await;
        self.remove(job).await;
        ending
    }

    async fn stop(&self, job: &Job) {
        if let Some(shim) = shims::record(&job.folder) {
            stop::ask(&shim, self.group(job.id()).as_ref());
        }
        let grace = Duration::from_secs(self.config.stop_grace_seconds.into());
        let mut patience = tokio::time::timeout(grace, shims::ended(&job.folder)).await;
        while patience.is_err() {
            if let Some(shim) = shims::record(&job.folder) {
                stop::end(&shim, self.group(job.id()).as_ref());
            }
            patience = tokio::time::timeout(KILL_AGAIN, shims::ended(&job.folder)).await;
        }
    }

    async fn remove(&self, job: &Job) {
        let (runtime, job) = (Self::clone(self), job.clone());
        let removed = tokio::task::spawn_blocking(move || {
            runtime.remove_group(job.id());
            runtime.remove_network(job.id());
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

    fn upstream(&self, job: &Job) -> Option<PathBuf> {
        upstream::link(&job.folder)
    }
}
