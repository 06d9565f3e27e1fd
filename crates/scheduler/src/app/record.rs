//! The one way in which rows change: revision up, change numbered, event beside it.

use std::collections::HashMap;

use chassis::{Error, Result};
use contracts::scheduler::v1::{
    AttemptEnded, AttemptStarted, AttemptState, WorkloadChanged, WorkloadState,
};
use kernel::Timestamp;
use opentelemetry::KeyValue;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect,
};

use super::{App, view};
use crate::domain::lifecycle::{self, End, Next};
use crate::store::{self, entity};

/// A workload with its newest attempt, both locked.
#[derive(Clone, Debug)]
pub(super) struct Locked {
    pub(super) workload: entity::workload::Model,
    pub(super) attempt: Option<entity::attempt::Model>,
}

impl App {
    /// Locks a workload and its newest attempt.
    pub(super) async fn lock(
        &self,
        transaction: &DatabaseTransaction,
        workload_id: &str,
    ) -> Result<Locked> {
        let workload = entity::workload::Entity::find_by_id(workload_id)
            .lock_exclusive()
            .one(transaction)
            .await?
            .ok_or_else(|| Error::not_found("workload", workload_id))?;
        let attempt = entity::attempt::Entity::find()
            .filter(entity::attempt::Column::WorkloadId.eq(workload_id))
            .order_by_desc(entity::attempt::Column::Generation)
            .one(transaction)
            .await?;
        Ok(Locked { workload, attempt })
    }

    /// Locks workloads in one order, so that nobody waits in a circle; gives those that there are.
    pub(super) async fn lock_workloads(
        &self,
        transaction: &DatabaseTransaction,
        ids: impl IntoIterator<Item = impl Into<sea_orm::Value>>,
    ) -> Result<HashMap<String, entity::workload::Model>> {
        let rows = entity::workload::Entity::find()
            .filter(entity::workload::Column::Id.is_in(ids))
            .order_by_asc(entity::workload::Column::Id)
            .lock_exclusive()
            .all(transaction)
            .await?;
        let by_id = rows.into_iter().map(|row| (row.id.clone(), row));
        Ok(by_id.collect())
    }

    /// The newest attempts of workloads that are locked, by workload; those that never had one are left out.
    pub(super) async fn newest_attempts(
        &self,
        transaction: &DatabaseTransaction,
        locked: &HashMap<String, entity::workload::Model>,
    ) -> Result<HashMap<String, entity::attempt::Model>> {
        let tried = locked.values().filter(|workload| workload.generation > 0);
        let ids: Vec<&str> = tried.map(|workload| workload.id.as_str()).collect();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let attempts = entity::attempt::Entity::find()
            .filter(entity::attempt::Column::WorkloadId.is_in(ids))
            .all(transaction)
            .await?;
        let newest = |attempt: &entity::attempt::Model| {
            let workload = locked.get(&attempt.workload_id);
            workload.is_some_and(|workload| workload.generation == attempt.generation)
        };
        let newest = attempts.into_iter().filter(newest);
        Ok(newest.map(|row| (row.workload_id.clone(), row)).collect())
    }

    /// Stores an attempt under its next revision and change.
    pub(super) async fn store_attempt(
        &self,
        transaction: &DatabaseTransaction,
        mut row: entity::attempt::Model,
    ) -> Result<entity::attempt::Model> {
        row.revision += 1;
        row.change = store::next_change(transaction).await?;
        Ok(row
            .into_active_model()
            .reset_all()
            .update(transaction)
            .await?)
    }

    /// Stores a workload under its next revision and says so.
    pub(super) async fn store_workload(
        &self,
        transaction: &DatabaseTransaction,
        mut row: entity::workload::Model,
        newest: Option<&entity::attempt::Model>,
    ) -> Result<entity::workload::Model> {
        row.revision += 1;
        let row = row
            .into_active_model()
            .reset_all()
            .update(transaction)
            .await?;
        let event = WorkloadChanged {
            workload: Some(view::workload(&row, newest)?),
        };
        self.outbox
            .append(transaction, &event, &row.id, Some(&row.team_id))
            .await?;
        Ok(row)
    }

    /// Says that an attempt began to cost.
    pub(super) async fn say_started(
        &self,
        transaction: &DatabaseTransaction,
        row: &entity::attempt::Model,
    ) -> Result<()> {
        let event = AttemptStarted {
            attempt: Some(view::attempt(row)),
        };
        self.outbox
            .append(transaction, &event, &row.id, Some(&row.team_id))
            .await
    }

    /// Ends an attempt: fixes what it costs, frees what it has, and decides what becomes of its workload. Gives both
    /// as they are then.
    pub(super) async fn end_attempt(
        &self,
        transaction: &DatabaseTransaction,
        mut workload: entity::workload::Model,
        mut attempt: entity::attempt::Model,
        end: End,
        reason: &str,
        now: Timestamp,
    ) -> Result<(entity::workload::Model, entity::attempt::Model)> {
        let end = lifecycle::as_ordered(end, view::stop_as(&attempt), workload.stop_wanted);
        let (ended, fault) = view::end_numbers(end);
        // Why it had to go says more than that the process followed.
        let reason = match end {
            End::Preempted => attempt.reason.clone(),
            _ => reason.to_owned(),
        };
        let billable = view::billable(&attempt).ended();
        attempt.state = AttemptState::Ended.into();
        attempt.state_since = now.timestamp_micros();
        attempt.ended = ended.into();
        attempt.fault = fault.into();
        attempt.reason.clone_from(&reason);
        attempt.billable_until = billable.until.map(|at| at.timestamp_micros());
        attempt.unreachable_since = None;
        let attempt = self.store_attempt(transaction, attempt).await?;
        store::recount(transaction, &attempt.node_id).await?;

        let retries_left = super::unsigned_32(workload.retries_left);
        let state = match lifecycle::after_end(end, workload.stop_wanted, retries_left) {
            Next::Queue => WorkloadState::Queued,
            Next::Stop => WorkloadState::Stopped,
            Next::Fail => WorkloadState::Failed,
        };
        if state == WorkloadState::Queued && end == End::FailedByPlatform {
            workload.retries_left -= 1;
        }
        workload.state = state.into();
        // Why somebody wished the stop says more than that the process followed.
        if !(workload.stop_wanted && end == End::Stopped) {
            workload.reason = reason;
        }
        let workload = self
            .store_workload(transaction, workload, Some(&attempt))
            .await?;
        let event = AttemptEnded {
            attempt: Some(view::attempt(&attempt)),
        };
        self.outbox
            .append(transaction, &event, &attempt.id, Some(&attempt.team_id))
            .await?;
        self.metrics
            .ends
            .add(1, &[KeyValue::new("end", ended.as_str_name())]);
        Ok((workload, attempt))
    }

    /// After a commit: events go out, what became free is given on, agents are told.
    pub(super) fn nudge_all(&self) {
        self.outbox.nudge();
        self.placeable.notify_one();
        self.dispatchable.notify_one();
    }
}
