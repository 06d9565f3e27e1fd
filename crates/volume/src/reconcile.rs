//! Releases the volumes of ended attempts by the scheduler's own list, on a timer and when somebody waits for a volume: a lost
//! event delays a release, and no more.

use std::sync::Arc;
use std::time::Duration;

use chassis::grpc::Caller;
use chassis::tasks::repeat;
use chassis::telemetry::COUNT_EVERY;
use chassis::{Result, grpc};
use contracts::scheduler::v1::scheduler_service_client::SchedulerServiceClient;
use contracts::scheduler::v1::{ListAttemptsRequest, ListAttemptsResponse};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::wire;

/// Changes read in one go.
const PAGE: u32 = 200;

/// Runs until `cancel`.
///
/// # Errors
/// Never.
pub(crate) async fn run(
    app: App,
    scheduler: SchedulerServiceClient<Caller>,
    every: Duration,
    cancel: CancellationToken,
) -> Result<()> {
    let wanted = app.wanted.clone();
    let round = move || {
        let (app, scheduler) = (app.clone(), scheduler.clone());
        async move { release_ended(&app, &scheduler).await }
    };
    repeat(
        "releasing volumes of ended attempts",
        wanted,
        every,
        cancel,
        round,
    )
    .await
}

/// Counts volumes, until `cancel`.
///
/// # Errors
/// Never.
pub(crate) async fn count(app: App, cancel: CancellationToken) -> Result<()> {
    let nudge = Arc::default();
    repeat("counting volumes", nudge, COUNT_EVERY, cancel, || {
        app.count()
    })
    .await
}

async fn release_ended(app: &App, scheduler: &SchedulerServiceClient<Caller>) -> Result<()> {
    let mut change = app.last_change().await?;
    loop {
        let page = attempts_after(scheduler, change).await?;
        if page.attempts.is_empty() {
            return Ok(());
        }
        let ended = page
            .attempts
            .iter()
            .filter_map(|attempt| wire::read_ended(attempt).transpose());
        app.release_up_to(page.last_change, &ended.collect::<Result<Vec<_>>>()?)
            .await?;
        if !page.has_more {
            return Ok(());
        }
        change = page.last_change;
    }
}

async fn attempts_after(
    scheduler: &SchedulerServiceClient<Caller>,
    change: u64,
) -> Result<ListAttemptsResponse> {
    grpc::retry(|| {
        let mut scheduler = scheduler.clone();
        let request = ListAttemptsRequest {
            after_change: change,
            limit: PAGE,
        };
        async move { Ok(scheduler.list_attempts(request).await?.into_inner()) }
    })
    .await
}
