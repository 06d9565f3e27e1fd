//! Why a workload is in the state that it is in.

use std::collections::HashMap;

use chassis::auth::User;
use chassis::{Error, Result};
use contracts::scheduler::v1::{
    Attempt, AttemptState, ExplainWorkloadResponse, Obstacle, PlacementVerdict, RankedNode,
    SmallestChange, Workload, WorkloadState,
};
use contracts::to_wire_time;
use kernel::Resources;
use kernel::time::from_micros;
use sea_orm::{ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect};

use super::place::{WAITS, waiting_reason};
use super::submit::request_of;
use super::{App, unsigned, unsigned_32, view};
use crate::domain::cluster::Verdict;
use crate::domain::engine::{self, Change, Decision, Ending, NodeView};
use crate::domain::lifecycle::{self, State};
use crate::domain::queue::{Book, Serves};
use crate::store::entity;

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
            // What the last pass said knows of queues besides; its first pass may be still to come.
            let is_known = workload.reason.starts_with(WAITS);
            match engine::place(&nodes, &request) {
                Decision::Place { .. } if is_known => {}
                Decision::Place { .. } => answer.summary = "is about to be placed".to_owned(),
                Decision::Wait(obstacles) => {
                    if !is_known {
                        answer.summary = waiting_reason(&obstacles);
                    }
                    answer.smallest_change = engine::smallest_change(&nodes, &request)
                        .map(|change| wire(change, &nodes));
                    let endings = self.endings().await?;
                    if let Some((at_ms, node_id)) = engine::forecast(&nodes, &endings, &request) {
                        let at = i64::try_from(at_ms).unwrap_or(i64::MAX / 1_000);
                        answer.latest_start = Some(to_wire_time(from_micros(at * 1_000)));
                        answer.latest_start_node_id = node_id;
                    }
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
        answer.verdict = self.verdict(&workload).await?;
        answer.workload = Some(workload);
        Ok(answer)
    }

    /// How the place of its newest attempt was chosen.
    async fn verdict(&self, workload: &Workload) -> Result<Option<PlacementVerdict>> {
        let has_place = |attempt: &&Attempt| attempt.state() != AttemptState::Ended;
        let Some(attempt) = workload.attempt.as_ref().filter(has_place) else {
            return Ok(None);
        };
        let reader = self.database.reader();
        let row = entity::attempt::Entity::find_by_id(&attempt.id)
            .one(reader)
            .await?;
        let verdict = row.and_then(|row| serde_json::from_str::<Verdict>(&row.verdict).ok());
        let Some(verdict) = verdict else {
            return Ok(None);
        };
        let ids = verdict.best.iter().map(|(id, _)| id.as_str());
        let names: HashMap<String, String> = entity::node::Entity::find()
            .select_only()
            .columns([entity::node::Column::Id, entity::node::Column::Name])
            .filter(entity::node::Column::Id.is_in(ids))
            .into_tuple::<(String, String)>()
            .all(reader)
            .await?
            .into_iter()
            .collect();
        let ranked = |(node_id, score): (String, i64)| RankedNode {
            name: names.get(&node_id).cloned().unwrap_or_default(),
            node_id,
            score,
        };
        let removed = |(what, nodes)| Obstacle {
            what,
            nodes,
            detail: String::new(),
        };
        Ok(Some(PlacementVerdict {
            policy: verdict.policy,
            fit: verdict.fit,
            removed: verdict.removed.into_iter().map(removed).collect(),
            best: verdict.best.into_iter().map(ranked).collect(),
        }))
    }

    /// What runs and must end by some time.
    async fn endings(&self) -> Result<Vec<Ending>> {
        let open = entity::attempt::Entity::find()
            .filter(entity::attempt::Column::State.ne(i32::from(AttemptState::Ended)))
            .filter(
                Condition::any()
                    .add(entity::attempt::Column::RunUntil.is_not_null())
                    .add(entity::attempt::Column::LeavesAt.is_not_null()),
            )
            .all(self.database.reader())
            .await?;
        let ending = |row: entity::attempt::Model| {
            let at = [row.run_until, row.leaves_at].into_iter().flatten().min()?;
            let gpu_uuids = row.gpu_uuids.split_whitespace().map(str::to_owned);
            Some(Ending {
                at_ms: unsigned(at / 1_000),
                node_id: row.node_id,
                resources: Resources {
                    milli_cores: unsigned_32(row.milli_cores),
                    memory_mib: unsigned_32(row.memory_mib),
                    disk_gib: unsigned_32(row.disk_gib),
                    ..Resources::default()
                },
                gpu_uuids: gpu_uuids.collect(),
            })
        };
        Ok(open.into_iter().filter_map(ending).collect())
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
        let earlier = entity::workload::Column::Id.lt(id);
        let equal = entity::workload::Column::Priority.eq(row.priority);
        // All free work is in one queue, and of one priority.
        let before = match row.free {
            true => Condition::all().add(earlier),
            false => Condition::any()
                .add(entity::workload::Column::Priority.gt(row.priority))
                .add(Condition::all().add(equal).add(earlier)),
        };
        let of_queue = of_queue_of(&row, &self.book().await?);
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

/// What waits in the same queue as this workload (`Book::grow`): that of its project, where it has one, else its team's without the
/// projects that have.
fn of_queue_of(row: &entity::workload::Model, book: &Book) -> Condition {
    let same = Condition::all().add(entity::workload::Column::Free.eq(row.free));
    if row.free {
        return same;
    }
    let served = book
        .written()
        .iter()
        .filter_map(|queue| match &queue.serves {
            Serves::Project(id) => Some(id.as_str()),
            Serves::Nobody | Serves::Team(_) => None,
        });
    let served: Vec<&str> = served.collect();
    let project = entity::workload::Column::ProjectId;
    if served.contains(&row.project_id.as_str()) {
        return same.add(project.eq(&row.project_id));
    }
    same.add(entity::workload::Column::TeamId.eq(&row.team_id))
        .add(project.is_not_in(served))
}
