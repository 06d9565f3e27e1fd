//! Rows as the wire and the domain see them.

use chassis::Result;
use contracts::notebook::v1::{self as contract, Notebook, NotebookState, TemplateFile};
use contracts::to_wire_time;
use kernel::time::from_micros;
use secrecy::ExposeSecret;

use super::{App, unsigned, unsigned_32};
use crate::domain::origin;
use crate::domain::state::{Known, State, Wanted};
use crate::domain::template::Template;
use crate::store::entity::Model;

const WANTED: [(Wanted, i32); 3] = [
    (Wanted::Running, 1),
    (Wanted::Stopped, 2),
    (Wanted::Deleted, 3),
];

pub(super) fn wanted(row: &Model) -> Wanted {
    WANTED
        .into_iter()
        .find(|(_, number)| *number == row.wanted)
        .map_or(Wanted::Stopped, |(wanted, _)| wanted)
}

pub(super) fn wanted_number(wanted: Wanted) -> i32 {
    WANTED
        .into_iter()
        .find(|(known, _)| *known == wanted)
        .map_or(0, |(_, number)| number)
}

pub(super) fn state(row: &Model) -> State {
    state_of(row.state)
}

pub(super) fn state_of(number: i32) -> State {
    match NotebookState::try_from(number) {
        Ok(NotebookState::Pending) => State::Pending,
        Ok(NotebookState::Provisioned) => State::Provisioned,
        Ok(NotebookState::Running) => State::Running,
        Ok(NotebookState::Stopped) => State::Stopped,
        Ok(NotebookState::Cancelled) => State::Cancelled,
        Ok(NotebookState::Failed) => State::Failed,
        Ok(NotebookState::Preempted) => State::Preempted,
        Ok(NotebookState::Error | NotebookState::Unspecified) | Err(_) => State::Error,
    }
}

pub(super) fn state_number(state: State) -> i32 {
    let wire = match state {
        State::Pending => NotebookState::Pending,
        State::Provisioned => NotebookState::Provisioned,
        State::Running => NotebookState::Running,
        State::Stopped => NotebookState::Stopped,
        State::Cancelled => NotebookState::Cancelled,
        State::Failed => NotebookState::Failed,
        State::Error => NotebookState::Error,
        State::Preempted => NotebookState::Preempted,
    };
    wire.into()
}

/// Its turn in its queue; what is written down was checked.
pub(super) fn priority(row: &Model) -> i32 {
    i32::try_from(row.priority).unwrap_or_default()
}

pub(super) fn known(row: &Model) -> Known {
    Known {
        wanted: wanted(row),
        state: state(row),
        has_volume: !row.volume_id.is_empty(),
        asked_for: !row.launch.is_empty(),
        has_workload: !row.workload_id.is_empty(),
        stop_asked: row.stop_asked,
        restart: row.restart,
        keeps: !row.snapshot_request.is_empty(),
    }
}

/// A template that comes with Quire, without the content of its files.
pub(super) fn template(template: &Template) -> contract::Template {
    let files = template.files.iter().map(|file| TemplateFile {
        path: file.path.to_owned(),
        size: u32::try_from(file.content.len()).unwrap_or(u32::MAX),
        ..TemplateFile::default()
    });
    contract::Template {
        name: template.name.to_owned(),
        description: template.description.to_owned(),
        environment: template.environment.to_owned(),
        needs_gpu: template.needs_gpu,
        files: files.collect(),
        ..contract::Template::default()
    }
}

impl App {
    /// A notebook for whoever may open it: with its token.
    pub(super) fn with_token(&self, row: &Model) -> Result<Notebook> {
        let token = self.sealer.open(&row.id, &row.token_sealed)?;
        let token = token.expose_secret().to_owned();
        Ok(Notebook {
            token,
            ..self.without_token(row)
        })
    }

    /// A notebook for everyone else.
    pub(super) fn without_token(&self, row: &Model) -> Notebook {
        let time = |micros: i64| Some(to_wire_time(from_micros(micros)));
        Notebook {
            id: row.id.clone(),
            team_id: row.team_id.clone(),
            project_id: row.project_id.clone(),
            user_id: row.user_id.clone(),
            name: row.name.clone(),
            machine_type: row.machine_type.clone(),
            environment: row.environment.clone(),
            state: row.state,
            reason: row.reason.clone(),
            url: origin::url(&self.edge, &row.id),
            fqdn: origin::fqdn(&self.edge, &row.id),
            token: String::new(),
            volume_id: row.volume_id.clone(),
            workload_id: row.workload_id.clone(),
            idle_timeout_seconds: unsigned_32(row.idle_timeout_seconds),
            shutdown_timeout_seconds: unsigned_32(row.shutdown_timeout_seconds),
            created_at: time(row.created_at),
            modified_at: time(row.modified_at),
            started_at: row.started_at.and_then(time),
            revision: unsigned(row.revision),
            stops_at: row.stops_at.and_then(time),
            stops_because: row.stops_because.clone(),
            kept_until: row.kept_until.and_then(time),
            idle_warn_seconds: unsigned_32(row.idle_warn_seconds),
            run_until: row.run_until.and_then(time),
            restarting: row.restart,
            repository: row.repository.clone(),
            repository_ref: row.repository_ref.clone(),
            template: row.template.clone(),
            forked_from: row.forked_from.clone(),
            keeping: !row.snapshot_request.is_empty(),
            files_note: row.files_note.clone(),
            // On what nobody pays for it always may.
            preemptible: row.preemptible || row.free,
            priority: priority(row),
        }
    }
}
