//! A notebook to be made: what Paperspace's clients send, as far as it means something here.

use std::collections::BTreeMap;
use std::time::Duration;

use chassis::{Error, Result};
use contracts::common::v1::Resources;
use contracts::notebook::v1::CreateNotebookRequest;
use kernel::size::{GpuRequest, ParseSizeError, parse_mib};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::extract::IdempotencyKey;

/// Longest time that can be asked for: 31 days.
const MOST_HOURS: f64 = 744.0;

/// A notebook to be made. Fields of Paperspace's own that are not listed here (`container`, `command`, `runtime`,
/// `workspaceUsername`, `workspacePassword`, `registry…`, `clusterId`, `shouldRunOnCreate`) may be sent with their defaults; other values are refused
/// with a word about what to use instead.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct NewNotebook {
    /// 1 to 100 characters, unique in the team. One is made up when it is absent.
    name: Option<String>,
    /// Identifier or name; the team's first project when it is absent.
    project_id: Option<String>,
    /// Label such as `C3`, in upper or lower case; the smallest available one when it is absent.
    machine_type: Option<String>,
    /// GPUs that it needs at least, in place of a machine type: `1`, `A100` or `A100:2`. The cheapest type that is available and
    /// has what is asked for is taken.
    gpu: Option<String>,
    /// CPU cores that it needs at least.
    cpu: Option<u32>,
    /// Memory that it needs at least, such as `16GiB`.
    memory: Option<String>,
    /// Files that it starts with: a volume that nobody uses, see `GET /v1/volumes`. New ones when it is absent.
    volume_id: Option<String>,
    /// What it starts in, such as `python`: see `GET /v1/environments`.
    environment: Option<String>,
    /// Name of a template, whose files it gets, and whose environment where `environment` is absent: see `GET /v1/templates`.
    template: Option<String>,
    /// Git repository that is in its files, in a folder of the repository's name, once Jupyter answers: `https://` or `http://`,
    /// without a user or a password.
    workspace: Option<String>,
    /// Branch, tag or commit of that; the repository's own choice when it is absent.
    workspace_ref: Option<String>,
    /// A notebook whose files it begins with, as a copy: identifier or name. What is absent here (project, machine type, environment,
    /// timeouts, priority, whether it may be stopped for others) is as there.
    fork_of: Option<String>,
    /// Identifier or name of a snapshot of that one's volume, whose files are copied; the files as they are when it is absent, which
    /// takes a notebook that does not run.
    fork_snapshot: Option<String>,
    /// Only false: notebooks are private to their team.
    is_public: Option<bool>,
    /// Stopped after so many hours, counted from its start whether it is used or not; 0 or absent is the machine type's own limit.
    #[schema(minimum = 0, maximum = 744)]
    shutdown_timeout: Option<f64>,
    /// Stopped after so many seconds without activity; 0 is never, absent is as the idle policies say, an hour without one.
    idle_timeout_seconds: Option<u32>,
    /// It may be stopped for others, with notice once it runs (30 seconds, unless the operator set another); it waits for a place again then, and starts again by itself on the same
    /// files. What was in memory is gone.
    preemptible: Option<bool>,
    /// Its turn: goes before work of the same queue with a lower number; 0 when it is absent.
    #[schema(minimum = -1000, maximum = 1000)]
    priority: Option<i32>,
    /// The same request id gives the same notebook. The `Idempotency-Key` header means the same.
    request_id: Option<String>,
    #[serde(flatten)]
    #[schema(ignore)]
    others: BTreeMap<String, Value>,
}

/// Fields of Paperspace's that begin so, and what to use here instead.
const ELSEWHERE: [(&str, &str); 6] = [
    (
        "container",
        "notebooks start in an environment, not in an image: use environment, see GET /v1/environments",
    ),
    ("command", "a notebook always runs Jupyter"),
    ("runtime", "use environment, see GET /v1/environments"),
    (
        "workspace",
        "a repository that asks who you are is cloned inside the notebook; its files stay",
    ),
    (
        "registry",
        "images are not used: use environment, see GET /v1/environments",
    ),
    ("clusterId", "an installation is one cluster"),
];

fn is_default(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some("")
}

fn check_other(field: &str, value: &Value) -> Result<()> {
    if field == "shouldRunOnCreate" {
        let runs = value.is_null() || *value == Value::Bool(true);
        let problem =
            "a notebook starts when it is made; stop it with POST /v1/notebooks/{id}/stop";
        return if runs {
            Ok(())
        } else {
            Err(Error::invalid(field, problem))
        };
    }
    match ELSEWHERE
        .iter()
        .find(|(beginning, _)| field.starts_with(beginning))
    {
        Some(_) if is_default(value) => Ok(()),
        Some((_, instead)) => Err(Error::invalid(
            field,
            format!("is not offered: {instead}; leave it out"),
        )),
        None => {
            let known = "name, projectId, machineType, gpu, cpu, memory, volumeId, environment, template, workspace, workspaceRef, forkOf, forkSnapshot, isPublic, shutdownTimeout, idleTimeoutSeconds, preemptible, priority, requestId";
            let shown: String = field.chars().take(80).collect();
            Err(Error::invalid(
                shown,
                format!("unknown field, expected one of {known}"),
            ))
        }
    }
}

fn seconds(hours: f64) -> Result<u32> {
    let refuse = || {
        let problem = format!(
            "is {hours} hours; use 0 for the machine type's own limit, or up to {MOST_HOURS}"
        );
        Error::invalid("shutdownTimeout", problem)
    };
    if !(0.0..=MOST_HOURS).contains(&hours) {
        return Err(refuse());
    }
    let rounded = Duration::try_from_secs_f64(hours * 3_600.0 + 0.5).map_err(|_| refuse())?;
    let seconds = u32::try_from(rounded.as_secs()).map_err(|_| refuse())?;
    // 0 means something else: a time that rounds to it was not meant so.
    if seconds == 0 && hours > 0.0 {
        Err(refuse())
    } else {
        Ok(seconds)
    }
}

impl NewNotebook {
    /// The request as the notebook service reads it.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the field that means nothing here.
    pub(super) fn into_request(self, key: IdempotencyKey) -> Result<CreateNotebookRequest> {
        for (field, value) in &self.others {
            check_other(field, value)?;
        }
        if self.is_public == Some(true) {
            let problem = "public notebooks are not offered; leave it out or false";
            return Err(Error::invalid("isPublic", problem));
        }
        let resources = self.resources()?;
        Ok(CreateNotebookRequest {
            resources,
            volume_id: self.volume_id.unwrap_or_default(),
            template: self.template.unwrap_or_default(),
            repository: self.workspace.unwrap_or_default(),
            repository_ref: self.workspace_ref.unwrap_or_default(),
            fork: self.fork_of.unwrap_or_default(),
            fork_snapshot: self.fork_snapshot.unwrap_or_default(),
            dry_run: false,
            name: self.name.unwrap_or_default(),
            project: self.project_id.unwrap_or_default(),
            machine_type: self.machine_type.unwrap_or_default(),
            environment: self.environment.unwrap_or_default(),
            idle_timeout_seconds: self.idle_timeout_seconds,
            shutdown_timeout_seconds: self.shutdown_timeout.map_or(Ok(0), seconds)?,
            preemptible: self.preemptible.unwrap_or_default(),
            priority: self.priority.unwrap_or_default(),
            request_id: key.or(self.request_id)?,
        })
    }

    /// What it needs at least; `None` when nothing of the kind is asked for.
    fn resources(&self) -> Result<Option<Resources>> {
        if self.gpu.is_none() && self.cpu.is_none() && self.memory.is_none() {
            return Ok(None);
        }
        let mut resources = Resources::default();
        if let Some(gpu) = &self.gpu {
            let asked: GpuRequest = gpu
                .parse()
                .map_err(|error: ParseSizeError| Error::invalid("gpu", error.to_string()))?;
            resources.gpus = asked.count;
            resources.gpu_model = asked.model;
        }
        if let Some(cores) = self.cpu {
            resources.milli_cores = cores.checked_mul(1_000).ok_or_else(|| {
                Error::invalid(
                    "cpu",
                    format!("is {cores} cores, more than any machine has"),
                )
            })?;
        }
        if let Some(memory) = &self.memory {
            resources.memory_mib =
                parse_mib(memory).map_err(|error| Error::invalid("memory", error.to_string()))?;
        }
        Ok(Some(resources))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(text: &str) -> Result<CreateNotebookRequest> {
        let new: NewNotebook = serde_json::from_str(text).unwrap();
        new.into_request(IdempotencyKey::default())
    }

    #[test]
    fn what_paperspace_clients_send_is_read() {
        let request = request(
            r#"{"name": "n", "projectId": "p", "machineType": "c3", "isPublic": false, "shutdownTimeout": 6,
                "container": null, "registryUsername": "", "workspaceRef": null, "shouldRunOnCreate": true}"#,
        );
        let expected = CreateNotebookRequest {
            name: "n".to_owned(),
            project: "p".to_owned(),
            machine_type: "c3".to_owned(),
            shutdown_timeout_seconds: 21_600,
            ..CreateNotebookRequest::default()
        };
        assert_eq!(request.unwrap(), expected);
        assert_eq!(
            super::tests::request("{}").unwrap(),
            CreateNotebookRequest::default()
        );
    }

    #[test]
    fn what_a_machine_needs_is_read_from_texts() {
        let asked = request(r#"{"gpu": "a100:2", "cpu": 4, "memory": "16GiB"}"#).unwrap();
        let expected = Resources {
            milli_cores: 4_000,
            memory_mib: 16_384,
            gpus: 2,
            gpu_model: "a100".to_owned(),
            ..Resources::default()
        };
        assert_eq!(asked.resources, Some(expected));
        assert_eq!(request("{}").unwrap().resources, None);
        for (text, field) in [
            (r#"{"gpu": "0"}"#, "gpu: "),
            (r#"{"memory": "16XB"}"#, "memory: "),
            (r#"{"cpu": 4294968}"#, "cpu: "),
        ] {
            let error = request(text).unwrap_err().to_string();
            assert!(error.starts_with(field), "{text}: {error}");
        }
    }

    #[test]
    fn a_workspace_is_a_repository() {
        let text = r#"{"workspace": "https://git.lan/a/b", "workspaceRef": "main", "workspacePassword": ""}"#;
        let asked = request(text).unwrap();
        assert_eq!(
            (asked.repository.as_str(), asked.repository_ref.as_str()),
            ("https://git.lan/a/b", "main")
        );
    }

    #[test]
    fn a_fork_names_what_it_begins_with() {
        let asked = request(r#"{"forkOf": "first", "forkSnapshot": "before"}"#).unwrap();
        let given = (asked.fork.as_str(), asked.fork_snapshot.as_str());
        assert_eq!(given, ("first", "before"));
    }

    #[test]
    fn its_turn_is_said_or_left_as_it_is() {
        let asked = request(r#"{"preemptible": true, "priority": -10}"#).unwrap();
        assert_eq!((asked.preemptible, asked.priority), (true, -10));
        let left = request(r#"{"preemptible": null}"#).unwrap();
        assert_eq!((left.preemptible, left.priority), (false, 0));
    }

    #[test]
    fn what_means_nothing_here_is_refused_by_name() {
        for (text, field, word) in [
            (
                r#"{"container": "tensorflow"}"#,
                "container: ",
                "environment",
            ),
            (
                r#"{"workspacePassword": "x"}"#,
                "workspacePassword: ",
                "clone",
            ),
            (
                r#"{"registryPassword": "x"}"#,
                "registryPassword: ",
                "environment",
            ),
            (r#"{"clusterId": 7}"#, "clusterId: ", "one cluster"),
            (
                r#"{"shouldRunOnCreate": false}"#,
                "shouldRunOnCreate: ",
                "/stop",
            ),
            (r#"{"isPublic": true}"#, "isPublic: ", "not offered"),
            (r#"{"shutdownTimeout": -1}"#, "shutdownTimeout: ", "-1"),
            (
                r#"{"shutdownTimeout": 0.0001}"#,
                "shutdownTimeout: ",
                "0.0001",
            ),
            (r#"{"shutdownTimeout": 1e300}"#, "shutdownTimeout: ", "744"),
            (r#"{"nmae": "x"}"#, "nmae: ", "unknown field"),
        ] {
            let error = request(text).unwrap_err().to_string();
            assert!(
                error.starts_with(field) && error.contains(word),
                "{text}: {error}"
            );
        }
    }

    proptest! {
        #[test]
        fn whole_minutes_are_exact(minutes in 0_u32..=44_640) {
            prop_assert_eq!(seconds(f64::from(minutes) / 60.0).unwrap(), minutes * 60);
        }
    }
}
