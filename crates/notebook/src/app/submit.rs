//! Asking the scheduler for a start: first written down, then asked, so that after a crash or a lost answer the same is asked again
//! and the same workload comes back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chassis::{Error, Result};
use contracts::scheduler::v1::SubmitWorkloadRequest;
use prost::Message as _;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::{App, view};
use crate::domain::state::{State, Wanted};
use crate::store::entity::{Column, Entity, Model};

impl App {
    /// Asks the scheduler for the newest start, and notes its workload.
    pub(super) async fn submit(&self, row: &Model) -> Result<()> {
        let request = match self.written_down(row).await {
            Ok(Some(request)) => request,
            Ok(None) => return Ok(()),
            Err(error) => return self.give_up_start(row, error).await,
        };
        let submitted = self.scheduler.clone().submit_workload(request).await;
        let workload = match submitted {
            Ok(answer) => answer.into_inner().workload.unwrap_or_default(),
            Err(status) => return self.give_up_start(row, status.into()).await,
        };
        self.update(&row.id, |now| {
            if now.start_number != row.start_number || !now.workload_id.is_empty() {
                return Ok(false);
            }
            now.workload_id.clone_from(&workload.id);
            Ok(true)
        })
        .await?;
        // Not the answer but the present: what happened before the workload was noted went past unheard.
        self.look_at(&workload.id).await
    }

    /// What is asked for the newest start, written down; `None` when it is not wanted any more.
    async fn written_down(&self, row: &Model) -> Result<Option<SubmitWorkloadRequest>> {
        if row.launch.is_empty() {
            let launch = STANDARD.encode(self.launch(row).await?.encode_to_vec());
            // Nobody can see it: no revision, no event.
            Entity::update_many()
                .col_expr(Column::Launch, Expr::value(launch))
                .filter(Column::Id.eq(&row.id))
                .filter(Column::StartNumber.eq(row.start_number))
                .filter(Column::Wanted.eq(view::wanted_number(Wanted::Running)))
                .filter(Column::Launch.eq(""))
                .exec(self.database.reader())
                .await?;
        }
        let now = Entity::find_by_id(&row.id)
            .one(self.database.reader())
            .await?;
        now.filter(|now| now.start_number == row.start_number && !now.launch.is_empty())
            .map(|now| read(&now.launch))
            .transpose()
    }

    /// The start cannot succeed as things are: says so, and waits for the user. What may only fail now is tried again; where it waits
    /// for files, it says that.
    pub(super) async fn give_up_start(&self, row: &Model, refusal: Error) -> Result<()> {
        let final_ = matches!(
            refusal,
            Error::Invalid { .. }
                | Error::Precondition(_)
                | Error::Exhausted(_)
                | Error::NotFound { .. }
        );
        match &refusal {
            Error::Unavailable(why) => return self.tell_wait(row, why).await,
            _ if !final_ => return Err(refusal),
            _ => {}
        }
        self.update(&row.id, |now| {
            let other = now.start_number != row.start_number || !now.workload_id.is_empty();
            if other || view::state(now).is_rest() {
                return Ok(false);
            }
            if view::wanted(now) == Wanted::Running {
                now.wanted = view::wanted_number(Wanted::Stopped);
                now.restart = false;
                now.state = view::state_number(State::Error);
                now.reason = refusal.public_text();
            } else {
                now.state = view::state_number(State::Cancelled);
                now.reason.clone_from(&now.stop_reason);
            }
            Ok(true)
        })
        .await?;
        Ok(())
    }

    /// Tells what the newest start waits for before there is a workload.
    pub(super) async fn tell_wait(&self, row: &Model, why: &str) -> Result<()> {
        self.update(&row.id, |now| {
            let same_start = now.start_number == row.start_number && now.workload_id.is_empty();
            let waits = same_start && view::wanted(now) == Wanted::Running;
            if !waits || now.reason == why {
                return Ok(false);
            }
            tracing::info!(notebook = row.id, why, "waiting");
            why.clone_into(&mut now.reason);
            Ok(true)
        })
        .await?;
        Ok(())
    }
}

fn read(launch: &str) -> Result<SubmitWorkloadRequest> {
    let broken = |cause: String| Error::internal("reading what a start asks for", cause);
    let bytes = STANDARD
        .decode(launch)
        .map_err(|error| broken(error.to_string()))?;
    SubmitWorkloadRequest::decode(bytes.as_slice()).map_err(|error| broken(error.to_string()))
}
