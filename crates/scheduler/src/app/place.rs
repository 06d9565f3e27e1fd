//! From the queue to a node.

mod commit;

use std::collections::BTreeMap;
use std::time::Instant;

use chassis::lease::Held;
use chassis::{Result, telemetry};
use contracts::scheduler::v1::{WorkloadSpec, WorkloadState};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tracing::{Instrument as _, Span};

use super::board::Kept;
use super::submit::request_of;
use super::{App, view};
use crate::domain::engine::{Board, Decision, Obstacle, Request};
use crate::store::entity::{attempt, workload};

/// Workloads read at once, and most decisions that are committed at once.
const PAGE: u64 = 256;

/// The dominant reason in words.
pub(super) fn waiting_reason(obstacles: &[Obstacle]) -> String {
    obstacles.first().map_or_else(
        || "waits for a place".to_owned(),
        |obstacle| format!("waits for a place: {}", obstacle.detail),
    )
}

/// A decision on its way into the database.
#[derive(Debug)]
struct Placement<'a> {
    workload: &'a workload::Model,
    spec: WorkloadSpec,
    request: Request,
    node_id: String,
    gpu_uuids: Vec<String>,
    /// Goes on with the trace that the workload was submitted in.
    span: Span,
}

/// A workload that stays in the queue.
#[derive(Debug)]
struct Waiting<'a> {
    workload: &'a workload::Model,
    reason: String,
    /// The dominant obstacle.
    what: &'static str,
    /// The node that it must run on never takes work again.
    stranded: Option<WorkloadSpec>,
}

/// What a pass has come to.
#[derive(Debug, Default)]
struct Tally {
    placed: u64,
    waiting: BTreeMap<&'static str, u64>,
}

impl App {
    /// Places what can be placed now, oldest first. What a decision gives away is taken from what is known of the nodes; the
    /// database is the guard: what is not so there is read anew.
    pub(crate) async fn place_queued(&self) -> Result<()> {
        let held = self.leadership.held()?;
        let page = self.waiting_after("").await?;
        if page.is_empty() {
            self.metrics.queue.set::<&str>([]);
            return Ok(());
        }
        let policy = self.policy.name();
        let span = tracing::info_span!("placement pass", policy, placed = 0_u64, waiting = 0_u64);
        let began = Instant::now();
        let tally = self.pass(&held, page).instrument(span.clone()).await?;
        let waiting = tally.waiting.values().sum();
        span.record("placed", tally.placed)
            .record("waiting", waiting);
        self.metrics
            .passed(policy, tally.placed, waiting, began.elapsed());
        self.metrics.queue.set(tally.waiting);
        Ok(())
    }

    async fn waiting_after(&self, after: &str) -> Result<Vec<workload::Model>> {
        Ok(workload::Entity::find()
            .filter(workload::Column::State.eq(i32::from(WorkloadState::Queued)))
            .filter(workload::Column::Id.gt(after))
            .order_by_asc(workload::Column::Id)
            .limit(PAGE)
            .all(self.database.reader())
            .await?)
    }

    async fn pass(&self, held: &Held, mut page: Vec<workload::Model>) -> Result<Tally> {
        let mut tally = Tally::default();
        let mut place = self.kept.lock().await;
        // Whoever fails in the middle leaves nothing behind: what was taken in memory may not be in the database.
        let mut kept = self.board(held, place.take()).await?;
        while let Some(last) = page.last() {
            let after = last.id.clone();
            kept = self.renewed(held, kept).await?;
            kept = self.place_page(held, &page, kept, &mut tally).await?;
            page = self.waiting_after(&after).await?;
        }
        *place = Some(kept);
        Ok(tally)
    }

    /// Places what fits of a page in one transaction. When a place turns out to be taken, each decides and commits alone.
    async fn place_page(
        &self,
        held: &Held,
        page: &[workload::Model],
        mut kept: Kept,
        tally: &mut Tally,
    ) -> Result<Kept> {
        let (placements, waiting) = decide(&mut kept.board, page)?;
        let nodes = placements.iter().map(|placement| placement.node_id.clone());
        let nodes: Vec<String> = nodes.collect();
        let telling = self.links.telling().await;
        let Some(placed) = self.commit_placements(held, &placements).await? else {
            drop(telling);
            tracing::info!(workloads = page.len(), "a place was taken meanwhile");
            kept = self.reread(held, kept, nodes).await?;
            if page.len() > 1 {
                for workload in page {
                    let one = std::slice::from_ref(workload);
                    kept = Box::pin(self.place_page(held, one, kept, tally)).await?;
                }
            }
            return Ok(kept);
        };
        tally.placed += placed.len() as u64;
        kept.placed += placed.len();
        let mut free_again = Vec::new();
        for placement in placements {
            match placed.get(&placement.workload.id) {
                Some(attempt) => self.tell_of(held, placement, attempt),
                None => free_again.push(placement.node_id),
            }
        }
        drop(telling);
        if !free_again.is_empty() {
            kept = self.reread(held, kept, free_again).await?;
        }
        self.keep_waiting(held, waiting, tally).await?;
        Ok(kept)
    }

    /// After the commit: the agent is told at once where nothing has to be done before.
    fn tell_of(&self, held: &Held, placement: Placement<'_>, attempt: &attempt::Model) {
        self.usual.note(&placement.request);
        if placement.spec.volume_id.is_empty() {
            self.assign(
                held,
                attempt,
                placement.spec,
                &placement.workload.traceparent,
            );
        } else {
            self.dispatchable.notify_one();
        }
    }

    /// Settles those whose node is gone, and writes down why the others wait.
    async fn keep_waiting(
        &self,
        held: &Held,
        waiting: Vec<Waiting<'_>>,
        tally: &mut Tally,
    ) -> Result<()> {
        let mut stay = Vec::new();
        for wait in waiting {
            if let Some(spec) = &wait.stranded
                && self.settle_stranded(held, wait.workload, spec).await?
            {
                continue;
            }
            *tally.waiting.entry(wait.what).or_default() += 1;
            stay.push((wait.workload, wait.reason));
        }
        self.note_waiting(held, stay).await
    }
}

/// Decides for each workload of a page, and takes on the board what it gives away.
fn decide<'a>(
    board: &mut Board,
    page: &'a [workload::Model],
) -> Result<(Vec<Placement<'a>>, Vec<Waiting<'a>>)> {
    let (mut placements, mut waiting) = (Vec::new(), Vec::new());
    for workload in page {
        let spec = view::decode_spec(&workload.spec)?;
        let request = request_of(&spec, &workload.files_on);
        match board.place(&request) {
            Decision::Place { node_id, gpu_uuids } => {
                board.take(&request, &node_id, &gpu_uuids);
                let span = tracing::info_span!("place", workload = workload.id, node = node_id);
                telemetry::continue_trace_from(&span, &workload.traceparent);
                placements.push(Placement {
                    workload,
                    spec,
                    request,
                    node_id,
                    gpu_uuids,
                    span,
                });
            }
            Decision::Wait(obstacles) => waiting.push(Waiting {
                workload,
                reason: waiting_reason(&obstacles),
                what: obstacles.first().map_or("place", |first| first.what),
                stranded: board.is_stranded(&request).then_some(spec),
            }),
        }
    }
    Ok((placements, waiting))
}

#[cfg(test)]
mod tests;
