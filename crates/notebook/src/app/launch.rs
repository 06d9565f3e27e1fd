//! What a start of a notebook asks of the scheduler.

use chassis::{Error, Result};
use contracts::scheduler::v1::{OnSilence, SubmitWorkloadRequest, WorkloadSpec};
use contracts::volume::v1::VolumeState;

use super::loss::lost;
use super::{App, unsigned_32};
use crate::domain::repository::{self, Repository};
use crate::domain::template::{self, File};
use crate::store::entity::Model;

/// How often a start is tried again after a fault of the platform.
const RETRIES: u32 = 2;
/// `JupyterLab` on the socket and with the token that the agent gives it. Everything else of its configuration is the user's,
/// in the notebook's own files. The extension manager only shows: what it would install goes beside an environment that belongs to
/// all and where `JupyterLab` does not look; for that it would load an HTTP client and all certificates at every start.
const COMMAND: &str = "JUPYTER_TOKEN=\"$QUIRE_HTTP_TOKEN\" exec jupyter lab --no-browser \
    --ServerApp.sock=\"$QUIRE_HTTP_SOCKET\" --ServerApp.root_dir=\"$HOME\" --ServerApp.base_url=/ \
    --ServerApp.port_retries=0 --ServerApp.allow_remote_access=True --ServerApp.trust_xheaders=True \
    --LabApp.extension_manager=readonly";

/// Time until the first answer of a start that clones a repository before.
const CLONE_WITHIN_SECONDS: u32 = 1_800;
/// Places files, and goes on.
const PLACE: &str = include_str!("place.sh");
/// Clones a repository, and goes on.
const CLONE: &str = include_str!("clone.sh");

/// What a start runs: one step after the other, each of which becomes the next. What people give stands beside the scripts, never in
/// them.
fn command(files: &[File], repository: Option<&Repository>) -> Vec<String> {
    let mut words = Vec::new();
    if !files.is_empty() {
        words.extend(["sh", "-c", PLACE, "place"]);
        words.extend(files.iter().flat_map(|file| [file.path, file.content]));
        words.push("--");
    }
    if let Some(Repository { url, at, folder }) = repository {
        words.extend(["sh", "-c", CLONE, "clone", url, at, folder]);
    }
    words.extend(["sh", "-c", COMMAND]);
    words.into_iter().map(str::to_owned).collect()
}

/// The shorter of two limits, where 0 is none.
pub(super) fn shorter(one: u32, other: u32) -> u32 {
    match (one, other) {
        (0, limit) | (limit, 0) => limit,
        (one, other) => one.min(other),
    }
}

impl App {
    /// The workload of a notebook's newest start.
    pub(super) async fn launch(&self, row: &Model) -> Result<SubmitWorkloadRequest> {
        // None needs the answer of another, and somebody waits for all of them.
        let (types, environment, volume) = tokio::join!(
            self.machine_types(),
            self.environment_of(row),
            self.claim_volume(row)
        );
        // Whether a node could host it now was asked with the wish; the scheduler knows what became of the nodes since.
        let machine = types?
            .into_iter()
            .find(|machine| machine.name == row.machine_type)
            .ok_or_else(|| Error::not_found("machine type", &row.machine_type))?;
        let (environment, volume) = (environment?, volume?);
        if volume.state() == VolumeState::Lost {
            return Err(Error::Precondition(lost(&volume.reason)));
        }
        // No machine waits beside files that are not there yet.
        if !volume.copy_id.is_empty() {
            return Err(Error::Unavailable("its files are being copied".to_owned()));
        }
        let asked = unsigned_32(row.shutdown_timeout_seconds);
        let repository = repository::check(&row.repository, &row.repository_ref)?;
        let repository = repository.filter(|_| !row.furnished);
        let files = match row.template.as_str() {
            "" => &[][..],
            _ if row.furnished => &[][..],
            name => template::named(name)?.files,
        };
        let spec = WorkloadSpec {
            kind: "notebook".to_owned(),
            machine_type: machine.name,
            resources: machine.resources,
            environment: environment.name,
            environment_digest: environment.digest,
            environment_lock: environment.lock,
            command: command(files, repository.as_ref()),
            volume_id: row.volume_id.clone(),
            node_id: volume.node_id,
            ready_path: "/api/status".to_owned(),
            max_duration_seconds: shorter(machine.max_duration_seconds, asked),
            on_silence: OnSilence::Keep.into(),
            retries: RETRIES,
            ready_timeout_seconds: repository.as_ref().map_or(0, |_| CLONE_WITHIN_SECONDS),
            first_step: repository.map_or_else(String::new, |it| format!("cloning {}", it.url)),
            ..WorkloadSpec::default()
        };
        Ok(SubmitWorkloadRequest {
            team_id: row.team_id.clone(),
            project_id: row.project_id.clone(),
            user_id: row.user_id.clone(),
            owner_id: row.id.clone(),
            request_id: format!("{}/{}", row.id, row.start_number),
            spec: Some(spec),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_give_is_never_part_of_a_script() {
        let repository = repository::check("https://h.lan/a/$(id).git", "main").unwrap();
        let file = File {
            path: "a.txt",
            content: "$(id)",
        };
        let words = command(&[file], repository.as_ref());
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let [place, clone] = [PLACE, CLONE].map(|script| ["sh", "-c", script]);
        let wanted = [
            &place[..],
            &["place", "a.txt", "$(id)", "--"],
            &clone,
            &["clone", "https://h.lan/a/$(id).git", "main", "--id-"],
            &["sh", "-c", COMMAND],
        ];
        assert_eq!(words, wanted.concat());
        assert_eq!(command(&[], None), ["sh", "-c", COMMAND]);
    }

    #[test]
    fn files_are_placed_once_and_the_next_step_is_taken() {
        let home = tempfile::tempdir().unwrap();
        let place = |content: &str| {
            let words = ["-c", PLACE, "place", "a/b c.txt", content, "--"];
            let next = ["sh", "-c", "printf %s \"$1\"", "next", "--"];
            let done = std::process::Command::new("sh")
                .args(words)
                .args(next)
                .env("HOME", home.path())
                .output()
                .unwrap();
            assert!(done.status.success(), "{done:?}");
            assert_eq!(done.stdout, b"--");
            std::fs::read_to_string(home.path().join("a/b c.txt")).unwrap()
        };
        assert_eq!(place("one\n-n $(id) %s\n"), "one\n-n $(id) %s\n");
        assert_eq!(place("two"), "one\n-n $(id) %s\n", "what is there stays");
    }

    #[test]
    fn no_limit_is_not_the_shortest() {
        assert_eq!(shorter(0, 0), 0);
        assert_eq!(shorter(0, 60), 60);
        assert_eq!(shorter(60, 0), 60);
        assert_eq!(shorter(60, 30), 30);
    }
}
