//! What a start of a notebook asks of the scheduler.

use chassis::{Error, Result};
use contracts::scheduler::v1::{OnSilence, SubmitWorkloadRequest, WorkloadSpec};
use contracts::volume::v1::VolumeState;

use super::loss::lost;
use super::template::Template;
use super::{App, unsigned_32, view};
use crate::domain::repository::{self, Repository};
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

/// Time until the first answer of a start that clones a repository before, or runs a command.
const FURNISHED_WITHIN_SECONDS: u32 = 1_800;
/// Waits for the files of a template, and goes on.
const PLACE: &str = include_str!("place.sh");
/// Clones a repository, and goes on.
const CLONE: &str = include_str!("clone.sh");
/// Runs the command of a template, and goes on.
const RUN: &str = include_str!("run.sh");

/// What a start does before Jupyter.
#[derive(Debug, Default)]
struct Before {
    template: Option<Template>,
    repository: Option<Repository>,
}

impl Before {
    /// What the start runs: one step after the other, each of which becomes the next. What people give stands beside the scripts,
    /// never in them.
    fn command(&self) -> Vec<String> {
        let mut words = Vec::new();
        if let Some(template) = &self.template {
            words.extend(["sh", "-c", PLACE, "place", template.name()]);
        }
        if let Some(Repository { url, at, folder }) = &self.repository {
            words.extend(["sh", "-c", CLONE, "clone", url, at, folder]);
        }
        if !self.template_command().is_empty() {
            words.extend(["sh", "-c", RUN, "run", self.template_command()]);
        }
        words.extend(["sh", "-c", COMMAND]);
        words.into_iter().map(str::to_owned).collect()
    }

    fn template_command(&self) -> &str {
        self.template.as_ref().map_or("", Template::command)
    }

    /// Said while the start is at it; empty = nothing is done before.
    fn said(&self) -> String {
        let template = self.template.as_ref().map(|template| {
            let name = template.name();
            match template.command() {
                "" => format!("bringing the files of template {name}"),
                _ => format!("bringing the files of template {name} and running its command"),
            }
        });
        let repository = self.repository.as_ref();
        let repository = repository.map(|repository| format!("cloning {}", repository.url));
        let said: Vec<_> = template.into_iter().chain(repository).collect();
        said.join(", ")
    }

    /// In how many seconds Jupyter has to answer; 0 = as the node has it.
    fn within_seconds(&self) -> u32 {
        if self.repository.is_some() || !self.template_command().is_empty() {
            FURNISHED_WITHIN_SECONDS
        } else {
            0
        }
    }
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
        // Its event may have been lost.
        self.note_fill(&volume).await?;
        // No machine waits beside files that are not there yet.
        if !volume.copy_id.is_empty() {
            return Err(Error::Unavailable("its files are being copied".to_owned()));
        }
        let asked = unsigned_32(row.shutdown_timeout_seconds);
        let before = if row.furnished {
            Before::default()
        } else {
            Before {
                template: self.template_of(row).await?,
                repository: repository::check(&row.repository, &row.repository_ref)?,
            }
        };
        let spec = WorkloadSpec {
            kind: "notebook".to_owned(),
            machine_type: machine.name,
            resources: machine.resources,
            environment: environment.name,
            environment_digest: environment.digest,
            environment_lock: environment.lock,
            command: before.command(),
            volume_id: row.volume_id.clone(),
            node_id: volume.node_id,
            ready_path: "/api/status".to_owned(),
            max_duration_seconds: shorter(machine.max_duration_seconds, asked),
            on_silence: OnSilence::Keep.into(),
            retries: RETRIES,
            ready_timeout_seconds: before.within_seconds(),
            first_step: before.said(),
            priority: view::priority(row),
            preemptible: row.preemptible,
            free: machine.free,
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
    use std::path::Path;

    use super::*;

    fn of_team(command: &str) -> Template {
        Template::OfTeam(Box::new(crate::store::template::Model {
            id: "tp-1".to_owned(),
            team_id: "te-1".to_owned(),
            name: "mine".to_owned(),
            description: String::new(),
            environment: "python".to_owned(),
            environment_digest: String::new(),
            command: command.to_owned(),
            notebook_id: "nb-1".to_owned(),
            user_id: "us-1".to_owned(),
            created_at: 0,
            deleted_at: None,
            request_id: String::new(),
            request_hash: String::new(),
        }))
    }

    #[test]
    fn what_people_give_is_never_part_of_a_script() {
        let before = Before {
            template: Some(of_team("echo $(id)")),
            repository: repository::check("https://h.lan/a/$(id).git", "main").unwrap(),
        };
        let words = before.command();
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let [place, clone, run] = [PLACE, CLONE, RUN].map(|script| ["sh", "-c", script]);
        let wanted = [
            &place[..],
            &["place", "mine"],
            &clone,
            &["clone", "https://h.lan/a/$(id).git", "main", "--id-"],
            &run,
            &["run", "echo $(id)"],
            &["sh", "-c", COMMAND],
        ];
        assert_eq!(words, wanted.concat());
        assert_eq!(Before::default().command(), ["sh", "-c", COMMAND]);
    }

    #[test]
    fn what_takes_long_gets_time_and_is_said() {
        let said = |template: Option<Template>, repository: &str| {
            let repository = repository::check(repository, "").unwrap();
            let before = Before {
                template,
                repository,
            };
            (before.said(), before.within_seconds())
        };
        assert_eq!(said(None, ""), (String::new(), 0));
        let files = "bringing the files of template mine";
        assert_eq!(said(Some(of_team("")), ""), (files.to_owned(), 0));
        let all = said(Some(of_team("make")), "https://h.lan/a");
        let told = format!("{files} and running its command, cloning https://h.lan/a");
        assert_eq!(all, (told, 1_800));
    }

    fn run(home: &Path, words: &[&str]) -> (bool, String, String) {
        let next = ["sh", "-c", "printf %s \"$1\"", "next", "--"];
        let done = std::process::Command::new("sh")
            .args(words)
            .args(next)
            .env("HOME", home)
            .current_dir(home)
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (done.status.success(), text(done.stdout), text(done.stderr))
    }

    #[test]
    fn files_are_awaited_and_placed_where_nothing_is_and_the_next_step_is_taken() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path();
        let brought = home.join(".quire/template");
        let bring = |content: &str| {
            std::fs::create_dir_all(brought.join("files/a/-b c")).unwrap();
            std::fs::write(brought.join("files/a/-b c/d$(id).txt"), content).unwrap();
            std::fs::write(brought.join("files/top"), content).unwrap();
            std::fs::write(brought.join("ready"), "").unwrap();
        };
        let place = || run(home, &["-c", PLACE, "place", "mine"]);
        let read = |path: &str| std::fs::read_to_string(home.join(path)).unwrap();
        std::thread::scope(|scope| {
            let placing = scope.spawn(place);
            while !brought.is_dir() {
                std::thread::yield_now();
            }
            bring("one");
            let (placed, said, _) = placing.join().unwrap();
            assert!(placed && said == "--", "{said}");
        });
        assert_eq!(read("a/-b c/d$(id).txt"), "one");
        assert!(!brought.exists());
        std::fs::remove_file(home.join("top")).unwrap();
        bring("two");
        assert!(place().0);
        assert_eq!(read("a/-b c/d$(id).txt"), "one", "what is there stays");
        assert_eq!(read("top"), "two");
    }

    #[test]
    fn a_command_runs_or_ends_the_start_with_its_words() {
        let home = tempfile::tempdir().unwrap();
        let (went_on, said, _) = run(home.path(), &["-c", RUN, "run", "pwd >at; cat; echo made"]);
        assert!(went_on && said == "made\n--", "{said}");
        let at = std::fs::read_to_string(home.path().join("at")).unwrap();
        assert_eq!(Path::new(at.trim()), home.path());
        let (went_on, _, why) = run(
            home.path(),
            &["-c", RUN, "run", "echo no network >&2; exit 7"],
        );
        assert!(!went_on);
        let told = "no network\nthe command of the template ended with exit code 7\n";
        assert_eq!(why, told);
    }

    #[test]
    fn no_limit_is_not_the_shortest() {
        assert_eq!(shorter(0, 0), 0);
        assert_eq!(shorter(0, 60), 60);
        assert_eq!(shorter(60, 0), 60);
        assert_eq!(shorter(60, 30), 30);
    }
}
