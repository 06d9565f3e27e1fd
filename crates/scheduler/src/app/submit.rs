//! Into the queue.

use std::collections::HashSet;

use bus::Envelope;
use chassis::{Error, Result, telemetry};
use contracts::scheduler::v1::{OnSilence, Workload, WorkloadChanged, WorkloadSpec, WorkloadState};
use kernel::Resources;
use kernel::id::WorkloadId;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use super::{App, view};
use crate::domain::engine::Request;
use crate::store::entity::workload;

/// Largest spec that is stored, in bytes.
const MAX_SPEC: usize = 256 << 10;

/// Highest priority; the lowest is as far below 0.
const MOST_PRIORITY: i32 = 1_000;

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct NewWorkload {
    pub(crate) team_id: String,
    pub(crate) project_id: String,
    pub(crate) user_id: String,
    pub(crate) owner_id: String,
    pub(crate) request_id: String,
    pub(crate) spec: WorkloadSpec,
}

/// What placement needs to know of a spec, and of the node that its files were first attached on (empty = none): what works on
/// them goes there.
pub(super) fn request_of(spec: &WorkloadSpec, files_on: &str) -> Request {
    let named = |node: &str| (!node.is_empty()).then(|| node.to_owned());
    let files_on = named(files_on).filter(|_| !spec.volume_id.is_empty());
    Request {
        resources: spec
            .resources
            .clone()
            .map(Resources::from)
            .unwrap_or_default(),
        node: named(&spec.node_id).or(files_on),
    }
}

fn check(new: &NewWorkload) -> Result<()> {
    let spec = &new.spec;
    let resources = request_of(spec, "").resources;
    if new.request_id.is_empty() || new.request_id.len() > 200 {
        return Err(Error::invalid(
            "request_id",
            "must have 1 to 200 characters",
        ));
    }
    if resources.milli_cores == 0 || resources.memory_mib == 0 {
        return Err(Error::invalid(
            "spec.resources",
            "must ask for some CPU and some memory",
        ));
    }
    if (resources.gpus > 0) == resources.gpu_model.is_empty() {
        return Err(Error::invalid(
            "spec.resources.gpu_model",
            "must be given when GPUs are asked for, and only then",
        ));
    }
    if spec.command.is_empty() {
        return Err(Error::invalid(
            "spec.command",
            "is empty; give a program and its arguments",
        ));
    }
    if spec.on_silence() == OnSilence::Move && !spec.volume_id.is_empty() {
        return Err(Error::invalid(
            "spec.on_silence",
            "is move, but files lie on one node; use keep for a workload with a volume",
        ));
    }
    if !(-MOST_PRIORITY..=MOST_PRIORITY).contains(&spec.priority) {
        let priority = spec.priority;
        return Err(Error::invalid(
            "spec.priority",
            format!("is {priority}; -{MOST_PRIORITY} to {MOST_PRIORITY} is allowed"),
        ));
    }
    if prost::Message::encoded_len(spec) > MAX_SPEC {
        return Err(Error::invalid(
            "spec",
            format!("is larger than {MAX_SPEC} bytes"),
        ));
    }
    Ok(())
}

impl App {
    /// Puts a workload into the queue, once per request id. What is submitted at the same time is committed together.
    pub(crate) async fn submit(&self, new: NewWorkload) -> Result<Workload> {
        check(&new)?;
        if self.check_possible(&new.spec).await.is_err() {
            // It may be there already, and a node that joined a moment ago may be known to inventory only.
            if let Some(found) = self.submitted_before(&new).await? {
                return Ok(found);
            }
            self.sync_nodes().await?;
            self.check_possible(&new.spec).await?;
        }
        let row = self.queued(&new);
        let workload = view::workload(&row, None)?;
        let event = WorkloadChanged {
            workload: Some(workload.clone()),
        };
        let envelope = self.outbox.envelope(&event, &row.id, Some(&row.team_id));
        let app = self.clone();
        let insert = move |rows| {
            let app = app.clone();
            async move { app.insert_all(rows).await }
        };
        if self.submits.ask((row, envelope), insert).await? {
            self.outbox.nudge();
            self.placeable.notify_one();
            return Ok(workload);
        }
        let found = self.submitted_before(&new).await?;
        found.ok_or_else(|| Error::internal("submitting", "a workload that was there is gone"))
    }

    fn queued(&self, new: &NewWorkload) -> workload::Model {
        workload::Model {
            id: WorkloadId::generate().into(),
            team_id: new.team_id.clone(),
            project_id: new.project_id.clone(),
            user_id: new.user_id.clone(),
            owner_id: new.owner_id.clone(),
            request_id: new.request_id.clone(),
            spec: view::encode_spec(&new.spec),
            state: WorkloadState::Queued.into(),
            reason: "waits for a place".to_owned(),
            stop_wanted: false,
            retries_left: new.spec.retries.into(),
            generation: 0,
            files_on: String::new(),
            revision: 1,
            created_at: self.clock.now().timestamp_micros(),
            traceparent: telemetry::traceparent().unwrap_or_default(),
            priority: new.spec.priority.into(),
            preemptible: new.spec.preemptible,
            free: new.spec.free,
        }
    }

    /// Inserts those whose request is new, each with its event; gives of each whether it was.
    async fn insert_all(&self, new: Vec<(workload::Model, Envelope)>) -> Result<Vec<bool>> {
        let ids: Vec<String> = new.iter().map(|(row, _)| row.id.clone()).collect();
        let (rows, envelopes): (Vec<_>, Vec<_>) = new.into_iter().unzip();
        let rows = rows
            .into_iter()
            .map(|row| row.into_active_model().reset_all());
        let same = [workload::Column::TeamId, workload::Column::RequestId];
        let transaction = self.database.begin().await?;
        let inserted = workload::Entity::insert_many(rows)
            .on_conflict(OnConflict::columns(same).do_nothing().to_owned())
            .exec_with_returning(&transaction)
            .await?;
        let inserted: HashSet<String> = inserted.into_iter().map(|row| row.id).collect();
        let is_new: Vec<bool> = ids.iter().map(|id| inserted.contains(id)).collect();
        if inserted.is_empty() {
            return Ok(is_new);
        }
        let news = envelopes.into_iter().zip(&is_new);
        let news = news.filter_map(|(envelope, new)| new.then_some(envelope));
        self.outbox.append_all(&transaction, news).await?;
        transaction.commit().await?;
        Ok(is_new)
    }

    async fn submitted_before(&self, new: &NewWorkload) -> Result<Option<Workload>> {
        let found = workload::Entity::find()
            .filter(workload::Column::TeamId.eq(&new.team_id))
            .filter(workload::Column::RequestId.eq(&new.request_id))
            .one(self.database.reader())
            .await?;
        let Some(row) = found else { return Ok(None) };
        if row.spec != view::encode_spec(&new.spec) || row.owner_id != new.owner_id {
            let id = &new.request_id;
            return Err(Error::Conflict(format!(
                "request_id {id:?} was used before for another workload"
            )));
        }
        self.workload(&row.id, None).await.map(Some)
    }
}
