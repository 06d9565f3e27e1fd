//! Into the queue.

use chassis::database::is_unique_violation;
use chassis::{Error, Result, telemetry};
use contracts::scheduler::v1::{OnSilence, Workload, WorkloadChanged, WorkloadSpec, WorkloadState};
use kernel::Resources;
use kernel::id::WorkloadId;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter,
};

use super::{App, view};
use crate::domain::engine::{self, Request};
use crate::store::entity::workload;

/// Largest spec that is stored, in bytes.
const MAX_SPEC: usize = 256 << 10;

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
    if prost::Message::encoded_len(spec) > MAX_SPEC {
        return Err(Error::invalid(
            "spec",
            format!("is larger than {MAX_SPEC} bytes"),
        ));
    }
    Ok(())
}

impl App {
    /// Puts a workload into the queue, once per request id.
    pub(crate) async fn submit(&self, new: NewWorkload) -> Result<Workload> {
        check(&new)?;
        if let Some(found) = self.submitted_before(self.database.reader(), &new).await? {
            return Ok(found);
        }
        if self.check_possible(&new.spec).await.is_err() {
            // A node that joined a moment ago may be known to inventory only.
            self.sync_nodes().await?;
            self.check_possible(&new.spec).await?;
        }
        let transaction = self.database.begin().await?;
        let row = workload::Model {
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
        };
        let row = match row
            .into_active_model()
            .reset_all()
            .insert(&transaction)
            .await
        {
            Ok(row) => row,
            Err(error) if is_unique_violation(&error) => {
                // Somebody was faster with the same request.
                transaction.rollback().await?;
                let found = self.submitted_before(self.database.reader(), &new).await?;
                return found.ok_or_else(|| error.into());
            }
            Err(error) => return Err(error.into()),
        };
        let event = WorkloadChanged {
            workload: Some(view::workload(&row, None)?),
        };
        self.outbox
            .append(&transaction, &event, &row.id, Some(&row.team_id))
            .await?;
        transaction.commit().await?;
        self.outbox.nudge();
        self.placeable.notify_one();
        view::workload(&row, None)
    }

    /// Refuses what no node that is there could ever host.
    async fn check_possible(&self, spec: &WorkloadSpec) -> Result<()> {
        let nodes = self.node_views(self.database.reader()).await?;
        engine::could_ever_fit(&nodes, &request_of(spec, "")).map_err(|obstacles| {
            let why: Vec<_> = obstacles
                .into_iter()
                .map(|obstacle| obstacle.detail)
                .collect();
            let machine_type = &spec.machine_type;
            Error::Precondition(format!(
                "no node could ever host {machine_type}: {}",
                why.join("; ")
            ))
        })
    }

    async fn submitted_before(
        &self,
        connection: &impl ConnectionTrait,
        new: &NewWorkload,
    ) -> Result<Option<Workload>> {
        let found = workload::Entity::find()
            .filter(workload::Column::TeamId.eq(&new.team_id))
            .filter(workload::Column::RequestId.eq(&new.request_id))
            .one(connection)
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
