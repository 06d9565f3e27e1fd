//! Decisions into the database, many in one transaction. Rows are locked in the order of the house: lease, workloads, counter of
//! changes, nodes.

use std::collections::{BTreeMap, HashMap};

use bus::Envelope;
use chassis::lease::{self, Held};
use chassis::{Result, telemetry};
use contracts::scheduler::v1::{
    AttemptEnd, AttemptState, Fault, WorkloadChanged, WorkloadSpec, WorkloadState,
};
use kernel::id::AttemptId;
use sea_orm::{ActiveModelTrait, DatabaseTransaction, EntityTrait, IntoActiveModel};

use super::Placement;
use crate::app::kept::Seen;
use crate::app::{App, view};
use crate::store::entity::{attempt, workload};
use crate::store::{self, Taken};

/// What a workload that has a place says of itself.
const PLACED: &str = "has a place; is being started";

/// A decision that is in the database.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) attempt: attempt::Model,
    pub(super) spec: WorkloadSpec,
    pub(super) traceparent: String,
}

/// A decision that still holds, and the workload's row.
#[derive(Debug)]
struct Holding<'a> {
    placement: &'a Placement,
    workload: &'a workload::Model,
    spec: WorkloadSpec,
}

impl App {
    /// Commits decisions as far as they still hold: of workloads that wait no more nothing is committed. Gives what was committed by
    /// the workloads; `None` when a place is not free any more, and nothing was committed.
    pub(super) async fn commit_placements(
        &self,
        held: &Held,
        placements: &[Placement],
    ) -> Result<Option<HashMap<String, Placed>>> {
        if placements.is_empty() {
            return Ok(Some(HashMap::new()));
        }
        let transaction = self.database.begin().await?;
        lease::fence(&transaction, held).await?;
        let ids = placements.iter().map(|placement| &placement.work.id);
        let locked = self.lock_workloads(&transaction, ids).await?;
        let mut still = Vec::new();
        for placement in placements {
            let workload = locked.get(&placement.work.id);
            if let Some(workload) = workload.filter(|workload| waits(workload)) {
                still.push(Holding {
                    placement,
                    workload,
                    spec: view::decode_spec(&workload.spec)?,
                });
            }
        }
        if still.is_empty() {
            return Ok(Some(HashMap::new()));
        }
        let last = store::next_changes(&transaction, still.len()).await?;
        if !take(&transaction, &still).await? {
            return Ok(None);
        }
        let attempts = self.new_attempts(&still, last);
        let rows = attempts.iter().cloned();
        let rows = rows.map(|row| row.into_active_model().reset_all());
        attempt::Entity::insert_many(rows)
            .exec_without_returning(&transaction)
            .await?;
        let mut active = Vec::new();
        let mut envelopes = Vec::new();
        for (holding, attempt) in still.iter().zip(&attempts) {
            let files_on = if holding.spec.volume_id.is_empty() {
                &holding.workload.files_on
            } else {
                &holding.placement.node_id
            };
            active.push((holding.workload.id.as_str(), files_on.as_str()));
            envelopes.push(self.placed_event(holding, files_on, attempt)?);
        }
        store::activate(&transaction, active, PLACED).await?;
        self.outbox.append_all(&transaction, envelopes).await?;
        transaction.commit().await?;
        self.outbox.nudge();
        let placed = still.into_iter().zip(attempts).map(|(holding, attempt)| {
            let placed = Placed {
                attempt,
                spec: holding.spec,
                traceparent: holding.workload.traceparent.clone(),
            };
            (holding.workload.id.clone(), placed)
        });
        Ok(Some(placed.collect()))
    }

    fn new_attempts(&self, placed: &[Holding<'_>], last_change: i64) -> Vec<attempt::Model> {
        let now = self.clock.now().timestamp_micros();
        let first_change = last_change - i64::try_from(placed.len()).unwrap_or(0) + 1;
        (first_change..)
            .zip(placed)
            .map(|(change, holding)| {
                let Holding {
                    placement,
                    workload,
                    spec,
                } = holding;
                let asked = &placement.work.request.resources;
                attempt::Model {
                    id: AttemptId::generate().into(),
                    workload_id: workload.id.clone(),
                    generation: workload.generation + 1,
                    gpu_uuids: placement.gpu_uuids.join(" "),
                    milli_cores: asked.milli_cores.into(),
                    memory_mib: asked.memory_mib.into(),
                    disk_gib: asked.disk_gib.into(),
                    node_id: placement.node_id.clone(),
                    machine_type: spec.machine_type.clone(),
                    team_id: workload.team_id.clone(),
                    project_id: workload.project_id.clone(),
                    owner_id: workload.owner_id.clone(),
                    state: AttemptState::Placed.into(),
                    ended: AttemptEnd::Unspecified.into(),
                    stop_as: AttemptEnd::Stopped.into(),
                    fault: Fault::Unspecified.into(),
                    reason: String::new(),
                    state_since: now,
                    placed_at: now,
                    billable_from: None,
                    billable_until: None,
                    confirmed_until: None,
                    unreachable_since: None,
                    run_until: None,
                    boot_id: String::new(),
                    sequence: 0,
                    revision: 1,
                    change,
                    leaves_at: None,
                    leaves_for: String::new(),
                    verdict: serde_json::to_string(&placement.verdict).unwrap_or_default(),
                }
            })
            .collect()
    }

    /// What `store::activate` makes of the workload, as an event in the workload's own trace.
    fn placed_event(
        &self,
        holding: &Holding<'_>,
        files_on: &str,
        attempt: &attempt::Model,
    ) -> Result<Envelope> {
        let workload = holding.workload;
        let active = workload::Model {
            state: WorkloadState::Active.into(),
            reason: PLACED.to_owned(),
            generation: workload.generation + 1,
            revision: workload.revision + 1,
            files_on: files_on.to_owned(),
            ..workload.clone()
        };
        let span = tracing::info_span!("place", workload = workload.id, node = attempt.node_id);
        telemetry::continue_trace_from(&span, &workload.traceparent);
        span.in_scope(|| self.changed_event(&active, Some(attempt)))
    }

    /// Writes down why workloads wait. Gives those that still do, as they are then.
    pub(super) async fn note_waiting(
        &self,
        held: &Held,
        news: &[(String, String)],
    ) -> Result<Vec<(String, Seen)>> {
        let news: HashMap<&str, &str> = news
            .iter()
            .map(|(id, reason)| (id.as_str(), reason.as_str()))
            .collect();
        let transaction = self.database.begin().await?;
        lease::fence(&transaction, held).await?;
        let locked = self
            .lock_workloads(&transaction, news.keys().copied())
            .await?;
        let newest = self.newest_attempts(&transaction, &locked).await?;
        let (mut reasons, mut noted) = (Vec::new(), Vec::new());
        let mut envelopes = Vec::new();
        for (id, workload) in locked.iter().filter(|(_, workload)| waits(workload)) {
            let Some(reason) = news.get(id.as_str()) else {
                continue;
            };
            let changed = workload::Model {
                reason: (*reason).to_owned(),
                revision: workload.revision + 1,
                ..workload.clone()
            };
            reasons.push((id.as_str(), *reason));
            let seen = Seen {
                revision: changed.revision,
                reason: changed.reason.clone(),
            };
            noted.push((id.clone(), seen));
            envelopes.push(self.changed_event(&changed, newest.get(id))?);
        }
        if reasons.is_empty() {
            return Ok(noted);
        }
        store::note_reasons(&transaction, reasons).await?;
        self.outbox.append_all(&transaction, envelopes).await?;
        transaction.commit().await?;
        self.outbox.nudge();
        Ok(noted)
    }

    fn changed_event(
        &self,
        workload: &workload::Model,
        newest: Option<&attempt::Model>,
    ) -> Result<Envelope> {
        let event = WorkloadChanged {
            workload: Some(view::workload(workload, newest)?),
        };
        Ok(self
            .outbox
            .envelope(&event, &workload.id, Some(&workload.team_id)))
    }
}

fn waits(workload: &workload::Model) -> bool {
    workload.state == i32::from(WorkloadState::Queued) && !workload.stop_wanted
}

/// Takes what was decided, if all of it is free.
async fn take(transaction: &DatabaseTransaction, placed: &[Holding<'_>]) -> Result<bool> {
    let mut taken: BTreeMap<&str, Taken> = BTreeMap::new();
    let mut devices = Vec::new();
    for Holding { placement, .. } in placed {
        let resources = &placement.work.request.resources;
        let sum = taken.entry(&placement.node_id).or_default();
        sum.milli_cores += i64::from(resources.milli_cores);
        sum.memory_mib += i64::from(resources.memory_mib);
        sum.disk_gib += i64::from(resources.disk_gib);
        let of_node = |uuid| (placement.node_id.as_str(), String::as_str(uuid));
        devices.extend(placement.gpu_uuids.iter().map(of_node));
    }
    Ok(store::take(transaction, &taken).await?
        && store::take_devices(transaction, &devices).await?)
}
