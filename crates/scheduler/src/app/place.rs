//! From the queue to a node.

mod commit;

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use chassis::Result;
use chassis::lease::Held;
use contracts::scheduler::v1::WorkloadState;
use sea_orm::EntityTrait;
use tracing::Instrument as _;

use self::commit::Placed;
use super::kept::Kept;
use super::{App, unsigned, view};
use crate::domain::cluster::{Order, Verdict, Work};
use crate::domain::engine::Obstacle;
use crate::store::entity::workload;

/// Most decisions that are committed at once.
const AT_ONCE: usize = 256;

/// How a reason begins that a pass has found; before the first one there is no reason yet.
pub(super) const WAITS: &str = "waits for a place: ";

/// The dominant reason in words.
pub(super) fn waiting_reason(obstacles: &[Obstacle]) -> String {
    let first = obstacles.first();
    waiting_for(first.map(|obstacle| obstacle.detail.as_str()))
}

fn waiting_for(detail: Option<&str>) -> String {
    detail.map_or_else(
        || "waits for a place".to_owned(),
        |detail| format!("{WAITS}{detail}"),
    )
}

/// A decision on its way into the database.
#[derive(Clone, Debug)]
struct Placement {
    work: Work,
    node_id: String,
    gpu_uuids: Vec<String>,
    verdict: Verdict,
}

/// What a pass has come to.
#[derive(Debug, Default)]
struct Tally {
    placed: u64,
    preempted: u64,
    waiting: BTreeMap<&'static str, u64>,
}

impl App {
    /// Places what can be placed now, by the rules of the queues, and has those told who make room. What a decision gives away is
    /// taken from what is known of the nodes; the database is the guard: what is not so there is read anew.
    pub(crate) async fn place_queued(&self) -> Result<()> {
        let held = self.leadership.held()?;
        if !self.anything_waits().await? {
            self.metrics.queue.set::<&str>([]);
            return Ok(());
        }
        let policy = self.policy.name();
        let span = tracing::info_span!(
            "placement pass",
            policy,
            placed = 0_u64,
            preempted = 0_u64,
            waiting = 0_u64
        );
        let began = Instant::now();
        let tally = self.pass(&held).instrument(span.clone()).await?;
        let waiting = tally.waiting.values().sum();
        span.record("placed", tally.placed)
            .record("preempted", tally.preempted)
            .record("waiting", waiting);
        self.metrics
            .passed(policy, tally.placed, waiting, began.elapsed());
        self.metrics.queue.set(tally.waiting);
        Ok(())
    }

    async fn pass(&self, held: &Held) -> Result<Tally> {
        let mut tally = Tally::default();
        let mut place = self.kept.lock().await;
        // Whoever fails in the middle leaves nothing behind: what was taken in memory may not be in the database.
        let mut kept = self.kept(held, place.take()).await?;
        loop {
            self.catch_up(&mut kept).await?;
            let now_ms = unsigned(self.clock.now().timestamp_millis());
            let (mut placements, mut leaves) = (Vec::new(), Vec::new());
            let orders = kept.cluster.decide(now_ms, AT_ONCE);
            let is_last = orders.len() < AT_ONCE;
            for order in orders {
                match order {
                    Order::Start {
                        id,
                        node_id,
                        gpu_uuids,
                        verdict,
                    } => {
                        let known = kept.cluster.find(&id);
                        placements.extend(known.map(|(work, _)| Placement {
                            work: work.clone(),
                            node_id,
                            gpu_uuids,
                            verdict,
                        }));
                    }
                    Order::Leave { id, by } => leaves.push((id, by)),
                }
            }
            kept = self.place_all(held, placements, kept, &mut tally).await?;
            for (id, by) in leaves {
                tally.preempted += u64::from(self.leave(held, &id, &by).await?);
            }
            if is_last {
                break;
            }
            kept = self.kept(held, Some(kept)).await?;
        }
        self.keep_waiting(held, &mut kept, &mut tally).await?;
        *place = Some(kept);
        Ok(tally)
    }

    /// Places all in one transaction. When a place turns out to be taken, each is committed alone.
    async fn place_all(
        &self,
        held: &Held,
        placements: Vec<Placement>,
        mut kept: Kept,
        tally: &mut Tally,
    ) -> Result<Kept> {
        let telling = self.links.telling().await;
        if let Some(placed) = self.commit_placements(held, &placements).await? {
            let failed = self.tell_of(held, &placements, placed, &mut kept, tally);
            drop(telling);
            return self.undo(held, failed, kept).await;
        }
        drop(telling);
        tracing::info!(workloads = placements.len(), "a place was taken meanwhile");
        let mut failed = Vec::new();
        for placement in placements {
            let alone = std::slice::from_ref(&placement);
            let telling = self.links.telling().await;
            match self.commit_placements(held, alone).await? {
                Some(placed) => {
                    failed.extend(self.tell_of(held, alone, placed, &mut kept, tally));
                }
                None => failed.push(placement),
            }
            drop(telling);
        }
        self.undo(held, failed, kept).await
    }

    /// What was decided and did not come about waits as before, or is gone; its node is read anew.
    async fn undo(&self, held: &Held, failed: Vec<Placement>, mut kept: Kept) -> Result<Kept> {
        if failed.is_empty() {
            return Ok(kept);
        }
        for placement in &failed {
            kept.cluster.undo(&placement.work.id);
        }
        let nodes = failed.into_iter().map(|placement| placement.node_id);
        self.reread(held, kept, nodes.collect()).await
    }

    /// After the commit: agents are told at once where nothing has to be done before. Gives those that were not committed.
    fn tell_of(
        &self,
        held: &Held,
        placements: &[Placement],
        mut placed: HashMap<String, Placed>,
        kept: &mut Kept,
        tally: &mut Tally,
    ) -> Vec<Placement> {
        let mut failed = Vec::new();
        for placement in placements {
            let Some(placed) = placed.remove(&placement.work.id) else {
                failed.push(placement.clone());
                continue;
            };
            tally.placed += 1;
            kept.placed += 1;
            kept.waiting.remove(&placement.work.id);
            self.usual.note(&placement.work.request);
            if placed.spec.volume_id.is_empty() {
                self.assign(held, &placed.attempt, placed.spec, &placed.traceparent);
            } else {
                self.dispatchable.notify_one();
            }
        }
        failed
    }

    /// Settles those whose node is gone, and writes down why the others wait.
    async fn keep_waiting(&self, held: &Held, kept: &mut Kept, tally: &mut Tally) -> Result<()> {
        let waiting: Vec<Work> = kept.cluster.waiting().cloned().collect();
        let mut news = Vec::new();
        for work in waiting {
            if kept.cluster.is_stranded(&work) && self.settle(held, &work.id).await? {
                continue;
            }
            let why = kept.cluster.why(&work.id);
            let what = why.as_ref().map_or("place", |why| why.what);
            *tally.waiting.entry(what).or_default() += 1;
            let reason = waiting_for(why.as_ref().map(|why| why.detail.as_str()));
            let seen = kept.waiting.get(&work.id);
            if seen.is_some_and(|seen| seen.reason != reason) {
                news.push((work.id, reason));
            }
        }
        for some in news.chunks(AT_ONCE) {
            for (id, noted) in self.note_waiting(held, some).await? {
                // What changed besides is read anew.
                if let Some(seen) = kept.waiting.get_mut(&id)
                    && seen.revision + 1 == noted.revision
                {
                    *seen = noted;
                }
            }
        }
        Ok(())
    }

    async fn settle(&self, held: &Held, workload_id: &str) -> Result<bool> {
        let row = workload::Entity::find_by_id(workload_id)
            .one(self.database.reader())
            .await?;
        let queued = i32::from(WorkloadState::Queued);
        let Some(row) = row.filter(|row| row.state == queued) else {
            return Ok(true);
        };
        let spec = view::decode_spec(&row.spec)?;
        self.settle_stranded(held, &row, &spec).await
    }
}

#[cfg(test)]
mod tests;
