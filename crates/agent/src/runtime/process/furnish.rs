//! What a workload is given before it begins: a home, a user, variables, limits, a network, and a sandbox with all that it may
//! see.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use contracts::scheduler::v1::WorkloadSpec;
use kernel::id::{ParseIdError, VolumeId};
use secrecy::ExposeSecret as _;

use super::cgroup::Limits;
use super::sandbox::{Access, Bind, Kind, NOTEBOOKS, RUN, Sandbox};
use super::variables::{Sources, encode};
use super::{ProcessRuntime, etc, volumes};
use crate::environment::Environment;
use crate::files;
use crate::runtime::Job;
use crate::shim::plan::Plan;

/// Size of one of the two log files of an attempt.
const LOG_BYTES: u64 = 8 << 20;
/// Where programs for GPUs look how devices are connected.
const GPU_TOPOLOGY: &[&str] = &["/sys/bus", "/sys/devices"];

pub(super) fn failed(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl ProcessRuntime {
    /// Makes all that the workload runs in, and says with which arguments its shim is to be started.
    pub(super) fn furnish(
        &self,
        job: &Job,
        environment: Option<&Environment>,
    ) -> Result<Plan, String> {
        let (folder, spec) = (&job.folder, job.spec());
        let home = self.home(job)?;
        let user = self.user_of(&home)?;
        folder.remove_sockets().map_err(failed)?;
        files::private_folder(folder.run()).map_err(failed)?;
        if let Some(user) = user {
            chown(folder.run(), Some(user), Some(user)).map_err(failed)?;
        }
        let variables = encode(&self.variables(job, &home, environment)?)?;
        files::write_for_now(&folder.env(), &variables).map_err(failed)?;
        let group = self.isolation.limit(job.id(), limits(spec))?;
        let sandbox = Sandbox {
            kind: self.isolation.kind,
            program: self.program.clone(),
            user,
            cgroups: group
                .as_ref()
                .map(|group| group.folders.clone())
                .unwrap_or_default(),
            network: self.isolation.connect(job.id())?,
            seccomp: self.isolation.seccomp.clone(),
            folder: self.as_seen(&home, NOTEBOOKS),
            errand: false,
            binds: self.binds(job, &home, user, environment)?,
        };
        Ok(Plan {
            dir: folder.root().to_owned(),
            log_bytes: LOG_BYTES,
            memory_limit: group.as_ref().map(|group| group.memory_limit.clone()),
            memory_events: group.as_ref().map(|group| group.memory_events.clone()),
            memory_peak: group.as_ref().map(|group| group.memory_peak.clone()),
            kill: group.and_then(|group| group.kill),
            program: self.program.clone().into_os_string(),
            args: sandbox.args(&spec.command),
        })
    }

    /// The sandbox of an errand over the files in `home`.
    pub(super) fn errand_sandbox(&self, home: PathBuf) -> Result<Sandbox, String> {
        Ok(Sandbox {
            kind: self.isolation.kind,
            program: self.program.clone(),
            user: self.user_of(&home)?,
            cgroups: Vec::new(),
            network: None,
            seccomp: self.isolation.seccomp.clone(),
            folder: self.as_seen(&home, NOTEBOOKS),
            errand: true,
            binds: vec![Bind {
                source: home,
                target: NOTEBOOKS.into(),
                access: Access::Write,
            }],
        })
    }

    /// The workload's home on this host: its volume, or a folder that goes with the attempt.
    pub(super) fn home(&self, job: &Job) -> Result<PathBuf, String> {
        let volume_id = &job.spec().volume_id;
        if volume_id.is_empty() {
            return Ok(job.folder.home().to_owned());
        }
        let volume: VolumeId = volume_id
            .parse()
            .map_err(|error: ParseIdError| format!("volume_id: {error}"))?;
        Ok(volumes(&self.config.data_dir).join(volume.to_string()))
    }

    /// The user that owns a home, which is made when it is not there yet; `None` where workloads have none of their own.
    pub(crate) fn user_of(&self, home: &Path) -> Result<Option<u32>, String> {
        if self.isolation.own_users {
            return self.users.owner_of(home).map(Some).map_err(failed);
        }
        files::private_folder(home).map(|()| None).map_err(failed)
    }

    /// Where the workload sees a folder of the host.
    pub(super) fn as_seen(&self, folder: &Path, inside: &str) -> PathBuf {
        if self.isolation.kind == Kind::Plain {
            folder.to_owned()
        } else {
            PathBuf::from(inside)
        }
    }

    /// The variables of a workload, with a token of its own that is kept for whoever asks it.
    pub(super) fn variables(
        &self,
        job: &Job,
        home: &Path,
        environment: Option<&Environment>,
    ) -> Result<BTreeMap<String, String>, String> {
        let token = chassis::seal::random_secret().map_err(failed)?;
        files::write_for_now(&job.folder.token(), token.expose_secret().as_bytes())
            .map_err(failed)?;
        Ok(self.variables_with(job, home, environment, token.expose_secret()))
    }

    /// The variables of a workload that has this token.
    pub(super) fn variables_with(
        &self,
        job: &Job,
        home: &Path,
        environment: Option<&Environment>,
        token: &str,
    ) -> BTreeMap<String, String> {
        let sources = Sources {
            passed: &self.passed,
            spec: &job.spec().env,
            environment: environment.map(|environment| environment.folder.as_path()),
            home: &self.as_seen(home, NOTEBOOKS),
            run: &self.as_seen(job.folder.run(), RUN),
            token,
            gpus: &job.assignment.gpu_uuids,
        };
        sources.all()
    }

    fn binds(
        &self,
        job: &Job,
        home: &Path,
        user: Option<u32>,
        environment: Option<&Environment>,
    ) -> Result<Vec<Bind>, String> {
        let user = user.unwrap_or_else(|| rustix::process::geteuid().as_raw());
        let mut binds = etc::prepare(&job.folder.etc(), user).map_err(failed)?;
        binds.extend(self.passed.binds.iter().cloned());
        if let Some(environment) = environment {
            binds.push(Bind::in_place(&environment.folder));
            binds.extend(self.python_of(environment));
        }
        let gpus = &job.assignment.gpu_uuids;
        binds.extend(self.gpus.devices(gpus)?.into_iter().map(Bind::device));
        let topology = GPU_TOPOLOGY
            .iter()
            .map(Path::new)
            .filter(|path| !gpus.is_empty() && path.exists());
        binds.extend(topology.map(Bind::in_place));
        for (source, target) in [(home, NOTEBOOKS), (job.folder.run(), RUN)] {
            binds.push(Bind {
                source: source.to_owned(),
                target: target.into(),
                access: Access::Write,
            });
        }
        Ok(binds)
    }

    /// The installation that an environment stands on, under the name that the environment knows and under its own. One that
    /// holds what workloads must not see is not shown.
    fn python_of(&self, environment: &Environment) -> Vec<Bind> {
        let names = [
            Some(environment.python.clone()),
            fs::canonicalize(&environment.python).ok(),
        ];
        let harmless = names.into_iter().flatten().filter(|name| {
            let harmful = self.secret.iter().any(|secret| secret.starts_with(name));
            if harmful {
                tracing::warn!(path = %name.display(), "this Python lies beside secrets; workloads cannot see it");
            }
            !harmful
        });
        harmless.map(Bind::in_place).collect()
    }
}

/// What a workload of this specification may use.
pub(super) fn limits(spec: &WorkloadSpec) -> Limits {
    let resources = spec.resources.clone().unwrap_or_default();
    Limits {
        milli_cores: resources.milli_cores,
        memory_mib: resources.memory_mib,
        yields: false,
    }
}
