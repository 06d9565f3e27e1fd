//! The reconciler's work on one notebook: compare what is wanted with what is, and take the next step.

use chassis::{Result, telemetry};
use contracts::notebook::v1::NotebookState;
use contracts::scheduler::v1::StopWorkloadRequest;
use contracts::volume::v1::CreateVolumeRequest;
use futures::{StreamExt as _, stream};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
};
use tracing::Instrument as _;

use super::{App, view};
use crate::domain::state::{self, Step, Wanted};
use crate::store::entity::{Column, Entity, Model};

/// Notebooks read at once.
const PAGE: u64 = 256;
/// Notebooks whose next step is taken at once: most of it is waiting for others, and nobody should wait behind somebody else's.
const AT_ONCE: usize = 8;

fn moving() -> Condition {
    let rest = [
        NotebookState::Stopped,
        NotebookState::Cancelled,
        NotebookState::Failed,
        NotebookState::Error,
        NotebookState::Preempted,
    ]
    .map(i32::from);
    Condition::any()
        .add(Column::Wanted.ne(view::wanted_number(Wanted::Stopped)))
        .add(Column::State.is_not_in(rest))
        .add(Column::SnapshotRequest.ne(""))
        .add(Expr::col(Column::RouteRevision).lt(Expr::col(Column::Revision)))
}

impl App {
    /// Takes the next steps of all notebooks that are not as wanted; with `look`, asks the scheduler about each of them.
    pub(crate) async fn mend_all(&self, look: bool) -> Result<()> {
        let mut after = String::new();
        loop {
            let page = Entity::find()
                .filter(Column::DeletedAt.is_null())
                .filter(Column::Id.gt(&after))
                .filter(moving())
                .order_by_asc(Column::Id)
                .limit(PAGE)
                .all(self.database.reader())
                .await?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after.clone_from(&last.id);
            stream::iter(page)
                .for_each_concurrent(AT_ONCE, |row| async move {
                    let id = row.id.clone();
                    if let Err(error) = Box::pin(self.mend(row, look)).await {
                        let error = chassis::error::chain(&error);
                        tracing::warn!(notebook = id, error, "mending; trying again");
                    }
                })
                .await;
        }
    }

    async fn mend(&self, row: Model, look: bool) -> Result<()> {
        if look && !row.workload_id.is_empty() && !view::state(&row).is_rest() {
            self.look_at(&row.workload_id).await?;
        }
        let step = state::next(view::known(&row));
        if step == Step::Nothing && row.route_revision >= row.revision {
            return Ok(());
        }
        let span = tracing::info_span!("mend", notebook = row.id, ?step);
        telemetry::continue_trace_from(&span, &row.traceparent);
        Box::pin(self.take(step, row).instrument(span)).await
    }

    async fn take(&self, step: Step, row: Model) -> Result<()> {
        match step {
            Step::Nothing => {}
            Step::CreateVolume if row.fork_volume.is_empty() => self.new_volume(&row).await?,
            Step::CreateVolume => self.fork_volume(&row).await?,
            Step::Submit => self.submit(&row).await?,
            Step::Stop => self.ask_stop(&row).await?,
            Step::Keep => self.keep_files(&row).await?,
            Step::StartAgain => self.start_again(&row).await?,
            Step::Settle => {
                self.update(&row.id, |row| {
                    if state::next(view::known(row)) != Step::Settle {
                        return Ok(false);
                    }
                    row.wanted = view::wanted_number(Wanted::Stopped);
                    Ok(true)
                })
                .await?;
            }
            Step::Remove => return self.remove(&row).await,
        }
        self.write_route(&row.id).await
    }

    async fn new_volume(&self, row: &Model) -> Result<()> {
        let request = CreateVolumeRequest {
            team_id: row.team_id.clone(),
            request_id: row.id.clone(),
            project_id: row.project_id.clone(),
            owner_id: row.id.clone(),
        };
        let volume = self
            .volume
            .clone()
            .create_volume(request)
            .await?
            .into_inner()
            .volume
            .unwrap_or_default();
        self.note_volume(row, &volume.id).await
    }

    async fn ask_stop(&self, row: &Model) -> Result<()> {
        let request = StopWorkloadRequest {
            id: row.workload_id.clone(),
            reason: row.stop_reason.clone(),
        };
        let workload = self
            .scheduler
            .clone()
            .stop_workload(request)
            .await?
            .into_inner()
            .workload;
        self.update(&row.id, |now| {
            // By now it may have ended and been started again.
            let news = now.workload_id == row.workload_id && !now.stop_asked;
            now.stop_asked |= news;
            Ok(news)
        })
        .await?;
        self.observe(&workload.unwrap_or_default()).await
    }

    /// Removes a notebook whose workload is over: its route, its files unless they are kept, and then the row itself from sight.
    async fn remove(&self, row: &Model) -> Result<()> {
        self.routes.remove(&row.id).await?;
        self.let_go_of_volume(row).await?;
        let now = self.clock.now().timestamp_micros();
        self.update(&row.id, |row| {
            row.deleted_at = Some(now);
            Ok(true)
        })
        .await?;
        Ok(())
    }
}
