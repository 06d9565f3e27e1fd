//! Why a workload is in the state that it is in.

use chassis::{Error, Result};
use chassis::auth::User;
use contracts::scheduler::v1::{
    AttemptState, ExplainWorkloadResponse, Obstacle, SmallestChange, Workload, WorkloadState,
};
use sea_orm::{ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter};

use super::place::waiting_reason;
use super::submit::request_of;
use super::{App, view};
use crate::domain::engine::{self, Change, Decision, NodeView};
use crate::domain::lifecycle::{self, State};
use crate::store::entity;

/// How a reason begins that the last placement pass gave.
const WAITS: &str = "waits for a place: ";

fn wire(change: Change, nodes: &[NodeView]) -> SmallestChange {
    let node = nodes.iter().find(|node| node.id == change.node_id);
    SmallestChange {
        summary: change.in_words(node.map_or("", |node| &node.name)),
        opens: change.opens.is_some(),
        node_id: change.node_id,
        more: Some(change.more.into()),
    }
}

impl App {
    /// The dominant reason, and for one that waits what stands in the way and its place in the queue.
    pub(crate) async fn explain(
        &self,
        id: &str,
        person: Option<&User>,
    ) -> Result<ExplainWorkloadResponse> {
        let workload = self.workload(id, person).await?;
        let mut answer = ExplainWorkloadResponse {
            summary: self.summary(&workload).await?,
            ..ExplainWorkloadResponse::default()
        };
        if workload.state() == WorkloadState::Queued {
            let nodes = self.node_views(self.database.reader()).await?;
            let files_on = self.files_on(id).await?;
            let request = request_of(&workload.spec.clone().unwrap_or_default(), &files_on);
            answer.queue_position = self.queue_position(id).await?;
            match engine::place(&nodes, &request) {
                // There is room; whether it gets it now is a matter of queues, and the last pass said so.
                Decision::Place { .. } if workload.reason.starts_with(WAITS) => {
                    answer.summary.clone_from(&workload.reason);
                }
                Decision::Place { .. } => answer.summary = "is about to be placed".to_owned(),
                Decision::Wait(obstacles) => {
                    answer.summary = waiting_reason(&obstacles);
                    answer.smallest_change = engine::smallest_change(&nodes, &request)
                        .map(|change| wire(change, &nodes));
                    answer.obstacles = obstacles
                        .into_iter()
                        .map(|found| Obstacle {
                            what: found.what.to_owned(),
                            detail: found.detail,
                            nodes: found.nodes,
                        })
                        .collect();
                }
            }
        }
        answer.workload = Some(workload);
        Ok(answer)
    }

    async fn files_on(&self, id: &str) -> Result<String> {
        let row = entity::workload::Entity::find_by_id(id)
            .one(self.database.reader())
            .await?;
        Ok(row.map_or_else(String::new, |row| row.files_on))
    }

    /// Its turn among what waits in the same queue.
    async fn queue_position(&self, id: &str) -> Result<u32> {
        let row = entity::workload::Entity::find_by_id(id)
            .one(self.database.reader())
            .await?
            .ok_or_else(|| Error::not_found("workload", id))?;
        let before = Condition::any()
            .add(entity::workload::Column::Priority.gt(row.priority))
            .add(
                Condition::all()
                    .add(entity::workload::Column::Priority.eq(row.priority))
                    .add(entity::workload::Column::Id.lt(id)),
            );
        let of_queue = Condition::all().add(entity::workload::Column::Free.eq(row.free));
        // All free work is in one queue.
        let of_queue = match row.free {
            true => of_queue,
            false => of_queue.add(entity::workload::Column::TeamId.eq(&row.team_id)),
        };
        let before = entity::workload::Entity::find()
            .filter(entity::workload::Column::State.eq(i32::from(WorkloadState::Queued)))
            .filter(of_queue)
            .filter(before)
            .count(self.database.reader())
            .await?;
        Ok(u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1))
    }

    async fn summary(&self, workload: &Workload) -> Result<String> {
        let Some(attempt) = workload
            .attempt
            .as_ref()
            .filter(|attempt| attempt.state() != AttemptState::Ended)
        else {
            return Ok(workload.reason.clone());
        };
        let row = entity::attempt::Entity::find_by_id(&attempt.id)
            .one(self.database.reader())
            .await?;
        let Some(row) = row else {
            return Ok(workload.reason.clone());
        };
        if row.unreachable_since.is_some() {
            return Ok("its node does not answer; it goes on there and is not moved".to_owned());
        }
        let state = view::state(row.state);
        let seconds = (self.clock.now().timestamp_micros() - row.state_since) / 1_000_000;
        let overdue = lifecycle::expected_seconds(state)
            .is_some_and(|expected| seconds > i64::from(expected));
        let stuck = if overdue {
            format!("; stuck: so since {seconds} s")
        } else {
            String::new()
        };
        let what = match state {
            State::Placed => "has a place; its node is being told",
            State::Starting => "is being started",
            State::Running => "is running",
            State::Stopping => "is being stopped",
            State::Ended => "is over",
        };
        let detail = if workload.reason.is_empty() {
            String::new()
        } else {
            format!(": {}", workload.reason)
        };
        Ok(format!("{what}{detail}{stuck}"))
    }
}
