//! From the queue to a node.

use std::collections::BTreeMap;

use chassis::lease::{self, Held};
use chassis::{Error, Result, telemetry};
use contracts::inventory::v1::{NodeLiveness, NodeSchedulable};
use contracts::scheduler::v1::{AttemptEnd, AttemptState, Fault, WorkloadState};
use kernel::Resources;
use kernel::id::AttemptId;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait,
    IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
};
use tracing::Instrument as _;

use super::submit::request_of;
use super::{App, unsigned_32, view};
use crate::domain::engine::{Board, Decision, Device, NodeView, Obstacle, Request};
use crate::store::{self, Taken, entity};

/// Workloads read at once.
const PAGE: u64 = 256;

/// The dominant reason in words.
pub(super) fn waiting_reason(obstacles: &[Obstacle]) -> String {
    obstacles.first().map_or_else(
        || "waits for a place".to_owned(),
        |obstacle| format!("waits for a place: {}", obstacle.detail),
    )
}

impl App {
    /// Nodes as placement sees them.
    pub(super) async fn node_views(
        &self,
        connection: &impl ConnectionTrait,
    ) -> Result<Vec<NodeView>> {
        let nodes = entity::node::Entity::find()
            .order_by_asc(entity::node::Column::Id)
            .all(connection)
            .await?;
        let devices = entity::device::Entity::find()
            .order_by_asc(entity::device::Column::Uuid)
            .all(connection)
            .await?;
        Ok(nodes
            .into_iter()
            .map(|node| node_view(node, &devices))
            .collect())
    }

    /// The nodes as they are, and the engine on them.
    async fn board(&self, held: &Held) -> Result<Board> {
        let nodes = self.node_views(self.database.reader()).await?;
        let usual = self.usual_requests(held).await?;
        Ok(Board::new(nodes, &usual, self.policy))
    }

    /// Places what can be placed now, oldest first. Nodes are read once, and what a decision gave away is taken from what was
    /// read; the database is the guard: who commits what is not so there reads them anew.
    pub(crate) async fn place_queued(&self) -> Result<()> {
        let held = self.leadership.held()?;
        let mut board = self.board(&held).await?;
        let mut waiting = BTreeMap::<&'static str, u64>::new();
        let mut after = String::new();
        loop {
            let page = entity::workload::Entity::find()
                .filter(entity::workload::Column::State.eq(i32::from(WorkloadState::Queued)))
                .filter(entity::workload::Column::Id.gt(&after))
                .order_by_asc(entity::workload::Column::Id)
                .limit(PAGE)
                .all(self.database.reader())
                .await?;
            let Some(last) = page.last() else {
                self.metrics.queue.set(waiting);
                return Ok(());
            };
            after.clone_from(&last.id);
            for workload in &page {
                if let Some(what) = self.place_one(&held, workload, &mut board).await? {
                    *waiting.entry(what).or_default() += 1;
                }
            }
        }
    }

    /// Places one workload, or gives what it waits for.
    async fn place_one(
        &self,
        held: &Held,
        workload: &entity::workload::Model,
        board: &mut Board,
    ) -> Result<Option<&'static str>> {
        let spec = view::decode_spec(&workload.spec)?;
        let request = request_of(&spec, &workload.files_on);
        match board.place(&request) {
            Decision::Place { node_id, gpu_uuids } => {
                let placement = Placement {
                    request: &request,
                    node_id,
                    gpu_uuids,
                };
                let span =
                    tracing::info_span!("place", workload = workload.id, node = placement.node_id);
                telemetry::continue_trace_from(&span, &workload.traceparent);
                let committed = self.commit_placement(held, &workload.id, &placement);
                if !committed.instrument(span).await? {
                    *board = self.board(held).await?;
                    return Ok(None);
                }
                board.take(&request, &placement.node_id, &placement.gpu_uuids);
                self.usual.note(&request);
                self.metrics.placements.add(1, &[]);
                self.outbox.nudge();
                self.dispatchable.notify_one();
                Ok(None)
            }
            Decision::Wait(obstacles) => {
                if board.is_stranded(&request)
                    && self.settle_stranded(held, workload, &spec).await?
                {
                    return Ok(None);
                }
                self.note_waiting(held, workload, &waiting_reason(&obstacles))
                    .await?;
                Ok(Some(obstacles.first().map_or("place", |first| first.what)))
            }
        }
    }

    /// Commits one decision if it still holds: the workload waits, the node is open, and all of it is free.
    async fn commit_placement(
        &self,
        held: &Held,
        id: &str,
        placement: &Placement<'_>,
    ) -> Result<bool> {
        let transaction = self.database.begin().await?;
        lease::fence(&transaction, held).await?;
        let locked = self.lock(&transaction, id).await?;
        let mut workload = locked.workload;
        if workload.state != i32::from(WorkloadState::Queued) || workload.stop_wanted {
            return Ok(false);
        }
        if !placement.take(&transaction).await? {
            return Ok(false);
        }
        workload.generation += 1;
        workload.state = WorkloadState::Active.into();
        workload.reason = "has a place; is being started".to_owned();
        let spec = view::decode_spec(&workload.spec)?;
        if !spec.volume_id.is_empty() {
            workload.files_on.clone_from(&placement.node_id);
        }
        let now = self.clock.now().timestamp_micros();
        let attempt = entity::attempt::Model {
            id: AttemptId::generate().into(),
            workload_id: workload.id.clone(),
            generation: workload.generation,
            gpu_uuids: placement.gpu_uuids.join(" "),
            milli_cores: placement.request.resources.milli_cores.into(),
            memory_mib: placement.request.resources.memory_mib.into(),
            disk_gib: placement.request.resources.disk_gib.into(),
            node_id: placement.node_id.clone(),
            machine_type: spec.machine_type,
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
            change: store::next_change(&transaction).await?,
        };
        let attempt = attempt
            .into_active_model()
            .reset_all()
            .insert(&transaction)
            .await?;
        self.store_workload(&transaction, workload, Some(&attempt))
            .await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Writes down why a workload waits, when that has changed.
    async fn note_waiting(
        &self,
        held: &Held,
        seen: &entity::workload::Model,
        reason: &str,
    ) -> Result<()> {
        if seen.reason == reason {
            return Ok(());
        }
        let transaction = self.database.begin().await?;
        lease::fence(&transaction, held).await?;
        let locked = self.lock(&transaction, &seen.id).await?;
        let mut workload = locked.workload;
        if workload.state != i32::from(WorkloadState::Queued) {
            return Ok(());
        }
        workload.reason = reason.to_owned();
        self.store_workload(&transaction, workload, locked.attempt.as_ref())
            .await?;
        transaction.commit().await?;
        self.outbox.nudge();
        Ok(())
    }
}

/// A decision on its way into the database.
struct Placement<'a> {
    request: &'a Request,
    node_id: String,
    gpu_uuids: Vec<String>,
}

impl Placement<'_> {
    async fn take(&self, transaction: &DatabaseTransaction) -> Result<bool> {
        let resources = &self.request.resources;
        let taken = Taken {
            milli_cores: resources.milli_cores.into(),
            memory_mib: resources.memory_mib.into(),
            disk_gib: resources.disk_gib.into(),
        };
        if !store::take(transaction, &self.node_id, taken).await? {
            return Ok(false);
        }
        for uuid in &self.gpu_uuids {
            if !store::take_device(transaction, &self.node_id, uuid).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn node_view(row: entity::node::Model, devices: &[entity::device::Model]) -> NodeView {
    let resources = |milli_cores, memory_mib, disk_gib| Resources {
        milli_cores: unsigned_32(milli_cores),
        memory_mib: unsigned_32(memory_mib),
        disk_gib: unsigned_32(disk_gib),
        ..Resources::default()
    };
    NodeView {
        closed: closed(&row),
        gone: row.given_up || row.deleted,
        total: resources(
            row.total_milli_cores,
            row.total_memory_mib,
            row.total_disk_gib,
        ),
        free: resources(row.free_milli_cores, row.free_memory_mib, row.free_disk_gib),
        devices: devices
            .iter()
            .filter(|device| device.node_id == row.id)
            .map(|device| Device {
                uuid: device.uuid.clone(),
                model: device.model.clone(),
                free_milli: unsigned_32(device.free_milli),
            })
            .collect(),
        id: row.id,
        name: row.name,
    }
}

fn closed(row: &entity::node::Model) -> Option<&'static str> {
    if row.given_up || row.deleted {
        return Some(if row.given_up { "given up" } else { "deleted" });
    }
    match (
        NodeLiveness::try_from(row.liveness),
        NodeSchedulable::try_from(row.schedulable),
    ) {
        (Ok(NodeLiveness::Ready), Ok(NodeSchedulable::Open)) => None,
        (Ok(NodeLiveness::Ready), Ok(NodeSchedulable::Draining)) => Some("draining"),
        (Ok(NodeLiveness::Ready), _) => Some("cordoned"),
        _ => Some("silent"),
    }
}

/// A node that inventory speaks of without a valid identifier is a defect there.
pub(super) fn checked_node_id(id: &str) -> Result<()> {
    id.parse::<kernel::id::NodeId>()
        .map(|_| ())
        .map_err(|error| Error::internal("reading a node", error))
}

#[cfg(test)]
mod tests;
