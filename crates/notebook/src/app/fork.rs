//! A notebook that begins as another: with a copy of its files, and everything else as there where nothing else is said.

use chassis::auth::User;
use chassis::{Error, Result};
use contracts::common::v1::Role;
use contracts::volume::v1::{ForkVolumeRequest, ListSnapshotsRequest, SnapshotState};

use super::create::NewNotebook;
use super::{App, unsigned_32, view};
use crate::store::entity::Model;

/// What a fork begins with.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub(super) notebook: Model,
    /// Identifier of the snapshot whose files are copied; empty = the files as they are.
    snapshot_id: String,
}

impl NewNotebook {
    /// Files come from one place.
    pub(super) fn check_fork(&self) -> Result<()> {
        if self.fork.is_empty() {
            if self.fork_snapshot.is_empty() {
                return Ok(());
            }
            let problem = "is given without fork; name the notebook that it is a snapshot of";
            return Err(Error::invalid("fork_snapshot", problem));
        }
        let others = [
            ("volume_id", &self.volume_id),
            ("repository", &self.repository),
            ("template", &self.template),
        ];
        match others.iter().find(|(_, given)| !given.is_empty()) {
            Some((field, _)) => Err(Error::invalid(
                *field,
                "is given together with fork; the files of a fork are those of the other notebook: leave it out",
            )),
            None => Ok(()),
        }
    }

    /// The same with what it leaves open as at its origin.
    pub(super) fn as_fork_of(&self, origin: Option<&Origin>) -> Self {
        let mut new = self.clone();
        let Some(Origin { notebook, .. }) = origin else {
            return new;
        };
        if new.project.is_empty() {
            new.project.clone_from(&notebook.project_id);
        }
        if new.machine_type.is_empty() && new.resources.is_none() {
            new.machine_type.clone_from(&notebook.machine_type);
        }
        if new.idle_timeout_seconds.is_none() && notebook.idle_own {
            new.idle_timeout_seconds = Some(unsigned_32(notebook.idle_timeout_seconds));
        }
        if new.shutdown_timeout_seconds == 0 {
            new.shutdown_timeout_seconds = unsigned_32(notebook.shutdown_timeout_seconds);
        }
        new.preemptible |= notebook.preemptible;
        if new.priority == 0 {
            new.priority = view::priority(notebook);
        }
        new
    }
}

/// `row` with what it begins with.
pub(super) fn with_origin(row: Model, origin: Option<Origin>) -> Model {
    let Some(Origin {
        notebook,
        snapshot_id,
    }) = origin
    else {
        return row;
    };
    Model {
        reason: format!("begins with a copy of the files of {:?}", notebook.name),
        forked_from: notebook.id,
        fork_volume: notebook.volume_id,
        fork_snapshot: snapshot_id,
        // What could not be brought there is tried again here.
        repository: notebook.repository,
        repository_ref: notebook.repository_ref,
        template: notebook.template,
        template_id: notebook.template_id,
        furnished: notebook.furnished,
        ..row
    }
}

impl App {
    /// What a new notebook begins with; `None` = nothing of another's. Whoever copies files must be a member where they lie.
    pub(super) async fn origin(&self, caller: &User, new: &NewNotebook) -> Result<Option<Origin>> {
        if new.fork.is_empty() {
            return Ok(None);
        }
        let notebook = self.find(caller, &new.fork).await?;
        caller.require_in(&notebook.project_id, Role::Member)?;
        let name = &notebook.name;
        if notebook.volume_id.is_empty() {
            return Err(Error::Precondition(format!(
                "fork: {name:?} has no files yet; start it once"
            )));
        }
        if !new.fork_snapshot.is_empty() {
            let snapshot_id = self.snapshot_of(&notebook, &new.fork_snapshot).await?;
            return Ok(Some(Origin {
                notebook,
                snapshot_id,
            }));
        }
        if !view::state(&notebook).is_rest() {
            return Err(Error::Precondition(format!(
                "fork: {name:?} runs, and its files change; stop it first, or name a snapshot of its files (\"quire volume show {}\" lists \
                 them)",
                notebook.volume_id
            )));
        }
        Ok(Some(Origin {
            notebook,
            snapshot_id: String::new(),
        }))
    }

    /// The snapshot of a notebook's files that `wanted` names, by its identifier.
    async fn snapshot_of(&self, notebook: &Model, wanted: &str) -> Result<String> {
        let volume_id = &notebook.volume_id;
        let request = ListSnapshotsRequest {
            volume_id: volume_id.clone(),
        };
        let answer = self.volume.clone().list_snapshots(request).await?;
        let found = answer
            .into_inner()
            .snapshots
            .into_iter()
            .find(|snapshot| snapshot.id == wanted || snapshot.name == wanted);
        let Some(snapshot) = found else {
            return Err(Error::invalid(
                "fork_snapshot",
                format!(
                    "{wanted:?} is no snapshot of the files of {:?}; \"quire volume show {volume_id}\" lists them",
                    notebook.name
                ),
            ));
        };
        match snapshot.state() {
            SnapshotState::Ready => Ok(snapshot.id),
            SnapshotState::Failed => Err(Error::Precondition(format!(
                "fork_snapshot: {wanted:?} could not be made: {}",
                snapshot.reason
            ))),
            _ => Err(Error::Precondition(format!(
                "fork_snapshot: {wanted:?} is not there yet; try again in a moment"
            ))),
        }
    }

    /// Has the files copied for the first start.
    pub(super) async fn fork_volume(&self, row: &Model) -> Result<()> {
        let request = ForkVolumeRequest {
            source_id: row.fork_volume.clone(),
            snapshot: row.fork_snapshot.clone(),
            request_id: row.id.clone(),
            owner_id: row.id.clone(),
            project_id: row.project_id.clone(),
        };
        let forked = self.volume.clone().fork_volume(request).await;
        match forked.map_err(Error::from) {
            Ok(answer) => {
                let volume = answer.into_inner().volume.unwrap_or_default();
                self.metrics.changed("forked");
                self.note_volume(row, &volume.id).await
            }
            Err(error) => self.give_up_start(row, error).await,
        }
    }

    /// Notes which files it has.
    pub(super) async fn note_volume(&self, row: &Model, id: &str) -> Result<()> {
        self.update(&row.id, |row| {
            id.clone_into(&mut row.volume_id);
            Ok(true)
        })
        .await?;
        Ok(())
    }
}
