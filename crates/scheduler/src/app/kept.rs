//! What the leader keeps from pass to pass: the nodes, the queues and the work, as the tables had them. What others change there is
//! read before each pass, and the conditional updates of the placing transaction are the guard.

use std::collections::{BTreeMap, HashMap, HashSet};

use chassis::Result;
use chassis::lease::Held;
use contracts::scheduler::v1::{AttemptState, WorkloadState};
use kernel::Resources;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::submit::request_of;
use super::{App, unsigned, unsigned_32, view};
use crate::domain::cluster::{Beginning, Cluster, Record, Run, Work};
use crate::domain::engine::Request;
use crate::domain::queue::Owner;
use crate::store;
use crate::store::entity::{attempt, node, workload};

/// Workloads whose rows are read at once.
const PAGE: usize = 256;
/// Placements after which it is counted anew what is usually asked for.
const MOST_PLACED: usize = 1_000;
/// What a cluster is told and asked at most, but for one pass, before its record is set aside.
const MOST_RECORDED: usize = 10_000;

/// The cluster as the leader keeps it.
#[derive(Debug)]
pub(crate) struct Kept {
    /// The leadership that read it.
    epoch: u64,
    pub(super) cluster: Box<Cluster>,
    /// What waits, as it was read: by this it is seen what has changed.
    pub(super) waiting: HashMap<String, Seen>,
    /// The last change of a node that it has seen, and of an attempt.
    nodes_seen: i64,
    ends_seen: i64,
    /// The last change that was committed before the nodes were read: whose end is later is told to the next pass, so that nobody is known to
    /// have ended on a node that is not known to be free.
    known_until: i64,
    /// Placements since it was counted what is usually asked for.
    pub(super) placed: usize,
    /// What the decisions of the cluster before rested on.
    pub(super) before: Option<Record>,
}

/// What was read of a workload that waits.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) revision: i64,
    pub(super) reason: String,
}

/// What is read of an attempt that has not ended: workload, node, GPUs, cores, memory, disk, when it was placed, and whom it makes
/// room for.
type OpenAttempt = (String, String, String, i64, i64, i64, i64, String);
/// What is read of a workload that has one: identifier, team, project, priority, preemptible, free, when it came, generation.
type ActiveWorkload = (String, String, String, i64, bool, bool, i64, i64);

impl App {
    /// Whether anything waits.
    pub(super) async fn anything_waits(&self) -> Result<bool> {
        let first: Option<String> = workload::Entity::find()
            .select_only()
            .column(workload::Column::Id)
            .filter(workload::Column::State.eq(i32::from(WorkloadState::Queued)))
            .limit(1)
            .into_tuple()
            .one(self.database.reader())
            .await?;
        Ok(first.is_some())
    }

    /// What waits: identifiers and revisions.
    async fn waiting_now(&self) -> Result<Vec<(String, i64)>> {
        Ok(workload::Entity::find()
            .select_only()
            .columns([workload::Column::Id, workload::Column::Revision])
            .filter(workload::Column::State.eq(i32::from(WorkloadState::Queued)))
            .order_by_asc(workload::Column::Id)
            .into_tuple()
            .all(self.database.reader())
            .await?)
    }

    /// The kept cluster with the nodes as they are now, or a new one.
    pub(super) async fn kept(&self, held: &Held, kept: Option<Kept>) -> Result<Kept> {
        let Some(mut kept) = kept.filter(|kept| kept.epoch == held.epoch) else {
            return self.all_anew(held).await;
        };
        kept.known_until = store::last_change(self.database.reader()).await?;
        kept.cluster.set_book(self.book().await?);
        let news = node::Column::Change.gt(kept.nodes_seen);
        if let Some(newest) = self.read_news(&mut kept, news).await? {
            kept.nodes_seen = kept.nodes_seen.max(newest);
            return self.renewed(held, kept).await;
        }
        let (nodes, nodes_seen) = self.nodes_and_last_change(self.database.reader()).await?;
        let usual = self.usual_requests(held).await?;
        let (beginning, record) = kept.cluster.into_parts(usual);
        Ok(Kept {
            cluster: Box::new(Cluster::new(Beginning { nodes, ..beginning })),
            nodes_seen,
            placed: 0,
            before: Some(record),
            ..kept
        })
    }

    /// The same on a new cluster when much was placed since, which counts anew what is usually asked for, or when its record has
    /// grown long.
    async fn renewed(&self, held: &Held, mut kept: Kept) -> Result<Kept> {
        if kept.placed >= MOST_PLACED || kept.cluster.record().len() >= MOST_RECORDED {
            let usual = self.usual_requests(held).await?;
            let (beginning, record) = kept.cluster.into_parts(usual);
            kept.cluster = Box::new(Cluster::new(beginning));
            kept.before = Some(record);
            kept.placed = 0;
        }
        Ok(kept)
    }

    /// The kept cluster with these nodes as the tables have them.
    pub(super) async fn reread(
        &self,
        held: &Held,
        mut kept: Kept,
        node_ids: Vec<String>,
    ) -> Result<Kept> {
        let these = node::Column::Id.is_in(node_ids);
        // What else has changed may have lower numbers than these: it is not seen yet.
        let known = self.read_news(&mut kept, these).await?;
        self.kept(held, Some(kept).filter(|_| known.is_some()))
            .await
    }

    /// Takes over nodes as the tables have them, and gives their last change; `None` when that is not enough, and all must be read.
    async fn read_news(
        &self,
        kept: &mut Kept,
        which: sea_orm::sea_query::Expr,
    ) -> Result<Option<i64>> {
        let Some((views, newest)) = self.some_nodes(which).await? else {
            return Ok(None);
        };
        let known = views.into_iter().all(|view| kept.cluster.renew(view));
        Ok(Some(newest).filter(|_| known))
    }

    /// Reads all: nodes, queues, and what runs. What waits is told with the next pass.
    async fn all_anew(&self, held: &Held) -> Result<Kept> {
        let reader = self.database.reader();
        // Before the rows: what changes meanwhile has a higher number.
        let ends_seen = store::last_change(reader).await?;
        let (nodes, nodes_seen) = self.nodes_and_last_change(reader).await?;
        let book = self.book().await?;
        let beginning = Beginning {
            policy: self.policy,
            usual: self.usual_requests(held).await?,
            lately: self.lately(&book, &nodes).await?,
            nodes,
            book,
            rules: self.rules,
            works: self.running().await?,
            reserved: None,
        };
        Ok(Kept {
            epoch: held.epoch,
            cluster: Box::new(Cluster::new(beginning)),
            waiting: HashMap::new(),
            nodes_seen,
            ends_seen,
            known_until: ends_seen,
            placed: 0,
            before: None,
        })
    }

    /// What runs, in the order of identifiers.
    async fn running(&self) -> Result<Vec<(Work, Option<Run>)>> {
        let reader = self.database.reader();
        let open: Vec<OpenAttempt> = attempt::Entity::find()
            .select_only()
            .columns([
                attempt::Column::WorkloadId,
                attempt::Column::NodeId,
                attempt::Column::GpuUuids,
                attempt::Column::MilliCores,
                attempt::Column::MemoryMib,
                attempt::Column::DiskGib,
                attempt::Column::PlacedAt,
                attempt::Column::LeavesFor,
            ])
            .filter(attempt::Column::State.ne(i32::from(AttemptState::Ended)))
            .into_tuple()
            .all(reader)
            .await?;
        let mut open: HashMap<String, OpenAttempt> = open
            .into_iter()
            .map(|open| (open.0.clone(), open))
            .collect();
        let active: Vec<ActiveWorkload> = workload::Entity::find()
            .select_only()
            .columns([
                workload::Column::Id,
                workload::Column::TeamId,
                workload::Column::ProjectId,
                workload::Column::Priority,
                workload::Column::Preemptible,
                workload::Column::Free,
                workload::Column::CreatedAt,
                workload::Column::Generation,
            ])
            .filter(workload::Column::State.eq(i32::from(WorkloadState::Active)))
            .order_by_asc(workload::Column::Id)
            .into_tuple()
            .all(reader)
            .await?;
        let running = active.into_iter().filter_map(|active| {
            let open = open.remove(&active.0)?;
            Some(running(active, open))
        });
        Ok(running.collect())
    }

    /// Tells the kept cluster what waits and runs no more, and what waits now. After its nodes were read: whoever waits again since
    /// its place became free is known when that place is, and of ends those only after which the nodes were read.
    pub(super) async fn catch_up(&self, kept: &mut Kept) -> Result<()> {
        let ended = self.ended(kept).await?;
        let queued = self.waiting_now().await?;
        let now_ms = unsigned(self.clock.now().timestamp_millis());
        let still: HashSet<&str> = queued.iter().map(|(id, _)| id.as_str()).collect();
        let mut gone: Vec<String> = kept.waiting.keys().cloned().collect();
        gone.retain(|id| !still.contains(id.as_str()));
        gone.sort_unstable();
        for id in gone {
            kept.waiting.remove(&id);
            // What was placed waits no more, and is known to run.
            if kept.cluster.find(&id).is_some_and(|(_, run)| run.is_none()) {
                kept.cluster.gone(&id, now_ms);
            }
        }
        let seen = |(id, revision): &&(String, i64)| {
            let seen = kept.waiting.get(id);
            seen.is_none_or(|seen| seen.revision != *revision)
        };
        let news: Vec<String> = queued
            .iter()
            .filter(seen)
            .map(|(id, _)| id.clone())
            .collect();
        for some in news.chunks(PAGE) {
            let rows = workload::Entity::find()
                .filter(workload::Column::Id.is_in(some))
                .filter(workload::Column::State.eq(i32::from(WorkloadState::Queued)))
                .order_by_asc(workload::Column::Id)
                .all(self.database.reader())
                .await?;
            for row in rows {
                let known = kept.cluster.find(&row.id);
                let runs = known.is_some_and(|(_, run)| run.is_some());
                // It ended after the nodes were read.
                if runs && !ended.contains_key(&row.id) {
                    continue;
                }
                let since_ms = match known {
                    Some((work, None)) => work.waits_since_ms,
                    _ if row.generation == 0 => unsigned(row.created_at / 1_000),
                    _ => now_ms,
                };
                let work = work_of(&row, since_ms)?;
                // Its reason alone says nothing to placement.
                if known != Some((&work, None)) {
                    kept.cluster.wait(work);
                }
                let seen = Seen {
                    revision: row.revision,
                    reason: row.reason,
                };
                kept.waiting.insert(row.id, seen);
            }
        }
        // Whoever waits again has been told of; the others are over.
        for (id, at_ms) in ended {
            if kept.cluster.find(&id).is_some_and(|(_, run)| run.is_some()) {
                kept.cluster.gone(&id, at_ms);
            }
        }
        Ok(())
    }

    /// The workloads that the kept cluster takes for running, and whose attempts ended: when, in milliseconds.
    async fn ended(&self, kept: &mut Kept) -> Result<BTreeMap<String, u64>> {
        let reader = self.database.reader();
        if kept.known_until <= kept.ends_seen {
            return Ok(BTreeMap::new());
        }
        let ended: Vec<(String, i64, i64)> = attempt::Entity::find()
            .select_only()
            .columns([
                attempt::Column::WorkloadId,
                attempt::Column::Generation,
                attempt::Column::StateSince,
            ])
            .filter(attempt::Column::Change.gt(kept.ends_seen))
            .filter(attempt::Column::Change.lte(kept.known_until))
            .filter(attempt::Column::State.eq(i32::from(AttemptState::Ended)))
            .order_by_asc(attempt::Column::Change)
            .into_tuple()
            .all(reader)
            .await?;
        kept.ends_seen = kept.known_until;
        let ended = ended.into_iter().filter(|(workload_id, generation, _)| {
            let known = kept.cluster.find(workload_id);
            known.is_some_and(|(work, run)| {
                run.is_some() && work.generation + 1 == unsigned(*generation)
            })
        });
        let ended = ended.map(|(workload_id, _, at)| (workload_id, unsigned(at / 1_000)));
        Ok(ended.collect())
    }
}

/// A workload that waits, as the cluster is told of it.
fn work_of(row: &workload::Model, waits_since_ms: u64) -> Result<Work> {
    let spec = view::decode_spec(&row.spec)?;
    Ok(Work {
        id: row.id.clone(),
        owner: Owner {
            team_id: row.team_id.clone(),
            project_id: row.project_id.clone(),
            free: row.free,
        },
        request: request_of(&spec, &row.files_on),
        priority: i32::try_from(row.priority).unwrap_or(0),
        preemptible: row.preemptible,
        submitted_ms: unsigned(row.created_at / 1_000),
        waits_since_ms,
        generation: unsigned(row.generation),
    })
}

/// One that runs.
fn running(active: ActiveWorkload, open: OpenAttempt) -> (Work, Option<Run>) {
    let (id, team_id, project_id, priority, preemptible, free, created_at, generation) = active;
    let (_, node_id, gpu_uuids, milli_cores, memory_mib, disk_gib, placed_at, leaves_for) = open;
    let gpu_uuids: Vec<String> = gpu_uuids.split_whitespace().map(str::to_owned).collect();
    let work = Work {
        id,
        owner: Owner {
            team_id,
            project_id,
            free,
        },
        // Which model its GPUs are of no longer matters: it has them.
        request: Request {
            resources: Resources {
                milli_cores: unsigned_32(milli_cores),
                memory_mib: unsigned_32(memory_mib),
                disk_gib: unsigned_32(disk_gib),
                gpus: u32::try_from(gpu_uuids.len()).unwrap_or(u32::MAX),
                gpu_model: String::new(),
            },
            node: None,
        },
        priority: i32::try_from(priority).unwrap_or(0),
        preemptible,
        submitted_ms: unsigned(created_at / 1_000),
        waits_since_ms: unsigned(placed_at / 1_000),
        generation: unsigned(generation).saturating_sub(1),
    };
    let run = Run {
        node_id,
        gpu_uuids,
        started_ms: unsigned(placed_at / 1_000),
        by: Some(leaves_for).filter(|by| !by.is_empty()),
    };
    (work, Some(run))
}
