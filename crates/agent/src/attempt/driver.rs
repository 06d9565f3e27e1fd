//! Drives one attempt: does what its life says is next, and tells its life what it saw.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use chassis::telemetry;
use contracts::agent::v1::{Assignment, Notice as Said};
use futures::FutureExt as _;
use kernel::time::milliseconds_between;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span};

use super::board::{Board, Entry};
use super::ending::End;
use super::kept::Kept;
use super::life::{Phase, Seen, Work};
use super::notice::Notice;
use super::ready;
use crate::files;
use crate::moment::{Moment, Timekeeper, up_ms};
use crate::runtime::process::log_tail;
use crate::runtime::{Job, Progress, Runtime, Status};
use crate::storage::Storage;

/// While it runs, the scheduler hears of it this often, so that running time is confirmed.
const REPORT_EVERY_MS: u64 = 10_000;
/// A deadline of the calendar is looked at this often, because calendars are set.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const LOOK_AT_LEAST: Duration = Duration::from_millis(10);
/// Pause between looks whether a workload that has a notice to hear has begun.
const LOOK_FOR_BEGIN: Duration = Duration::from_millis(10);

/// What the supervisor tells one attempt.
#[derive(Debug)]
pub(super) enum Word {
    /// What is to run, with a new time until when.
    Assigned(Arc<Assignment>),
    /// It will be told to end.
    Notice(Said),
    /// It shall end.
    Stop(End),
    /// Its reports up to this one are stored.
    Acknowledged(u64),
}

/// What drivers share.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub(super) runtime: Arc<dyn Runtime>,
    pub(super) board: Arc<Board>,
    pub(super) kept: Arc<Kept>,
    pub(super) time: Timekeeper,
    pub(super) clock: Arc<dyn kernel::Clock>,
    pub(super) ready_timeout: Duration,
    pub(super) storage: Arc<Storage>,
}

/// Drives one attempt.
#[derive(Debug)]
pub(super) struct Driver {
    pub(super) shared: Shared,
    pub(super) entry: Entry,
    pub(super) words: mpsc::Receiver<Word>,
}

type Doing = Pin<Box<dyn Future<Output = Seen> + Send>>;

impl Driver {
    /// Drives until the end is acknowledged, or `cancel`: then the workload goes on, for the next agent to find.
    pub(super) async fn run(mut self, cancel: CancellationToken) {
        let (progress, mut said) = Progress::new();
        let (mut work, mut doing) = (Work::Rest, Self::rest());
        let (mut tells, mut telling) = (false, Self::rest());
        self.save_and_show().await;
        while !self.entry.life.is_settled() {
            let next = self.entry.life.work();
            if next != work {
                (work, doing) = (next, self.begin(next, &progress));
            }
            let notice = self.entry.life.notice_to_give();
            if notice.is_some() != tells {
                tells = !tells;
                telling = notice.map_or_else(Self::rest, |notice| self.give_notice(notice));
            }
            let pause = self.until_next_look();
            tokio::select! {
                () = cancel.cancelled() => return,
                word = self.words.recv() => match word {
                    Some(word) => self.hear(word).await,
                    None => return,
                },
                Some(text) = said.recv() => self.see(Seen::Progress(text)).await,
                seen = &mut doing => {
                    doing = Self::rest();
                    self.see(seen).await;
                }
                seen = &mut telling => {
                    telling = Self::rest();
                    self.see(seen).await;
                }
                () = tokio::time::sleep(pause) => self.look().await,
            }
        }
        self.retire().await;
    }

    fn rest() -> Doing {
        std::future::pending().boxed()
    }

    fn begin(&self, work: Work, progress: &Progress) -> Doing {
        let (runtime, job) = (self.shared.runtime.clone(), self.entry.job.clone());
        match work {
            Work::Prepare => {
                let (board, turn, progress) =
                    (self.shared.board.clone(), self.entry.turn, progress.clone());
                async move {
                    wait_for_volume(&board, &job, turn, &progress).await;
                    match runtime.prepare(&job, &progress).await {
                        Ok(()) => Seen::Prepared,
                        Err(problem) => Seen::Broken(problem),
                    }
                }
                .instrument(self.span("prepare"))
                .boxed()
            }
            Work::Launch => launch(runtime, job).instrument(self.span("launch")).boxed(),
            Work::AwaitAnswer => {
                let first = &job.spec().first_step;
                if !first.is_empty() {
                    progress.say(format!("{first}; its log shows how far it is"));
                }
                let own = Duration::from_secs(job.spec().ready_timeout_seconds.into());
                let timeout = self.shared.ready_timeout.max(own);
                await_answer(runtime, self.shared.storage.clone(), job, timeout)
                    .instrument(self.span("await answer"))
                    .boxed()
            }
            Work::AwaitEnd => over(runtime, job).boxed(),
            Work::Stop => async move {
                runtime.stop(&job).await;
                over(runtime, job).await
            }
            .boxed(),
            Work::Rest => Self::rest(),
        }
    }

    /// A step on the way to a workload that answers, in the trace of whoever asked for it.
    fn span(&self, step: &'static str) -> Span {
        let job = &self.entry.job;
        let sandbox = tracing::field::Empty;
        let span = tracing::info_span!("start", otel.name = step, attempt = job.id(), sandbox);
        telemetry::continue_trace_from(&span, &job.assignment.traceparent);
        span
    }

    /// Tells the workload that it will be told to end, beside whatever else is done for it.
    fn give_notice(&self, notice: &Notice) -> Doing {
        let (runtime, job) = (self.shared.runtime.clone(), self.entry.job.clone());
        let (notice, span) = (notice.clone(), self.span("notice"));
        async move {
            // A signal before its program is there would be lost.
            while !runtime.has_begun(&job) {
                tokio::time::sleep(LOOK_FOR_BEGIN).await;
            }
            runtime.give_notice(&job, &notice).await;
            Seen::NoticeGiven
        }
        .instrument(span)
        .boxed()
    }

    async fn hear(&mut self, word: Word) {
        match word {
            Word::Assigned(assignment) => {
                if assignment == self.entry.job.assignment {
                    return;
                }
                if let Err(error) = self.entry.job.folder.keep_assignment(&assignment) {
                    tracing::warn!(attempt = self.entry.job.id(), %error, "keeping an assignment");
                }
                self.entry.job.assignment = assignment;
                self.shared.board.put(self.entry.clone());
                self.look().await;
            }
            Word::Notice(said) => self.see(Seen::NoticeWanted(said)).await,
            Word::Stop(end) => self.see(Seen::StopWanted(end)).await,
            Word::Acknowledged(sequence) => {
                let life = &mut self.entry.life;
                // What was never reported cannot be acknowledged. Not written down: who forgets it reports once more.
                life.acknowledged = life.acknowledged.max(sequence.min(life.sequence));
            }
        }
    }

    /// Looks at the clocks, and at the memory.
    async fn look(&mut self) {
        let now = self.shared.time.now();
        if let Some(end) = self.overdue(&now) {
            self.see(Seen::StopWanted(end)).await;
        }
        if let Some(memory) = self.shared.runtime.memory(&self.entry.job) {
            self.see(Seen::Memory(memory)).await;
        }
        if self.entry.life.seen.ms_until(&now) >= REPORT_EVERY_MS {
            self.see(Seen::Alive).await;
        }
    }

    /// Why it must end now, whoever is connected.
    fn overdue(&self, now: &Moment) -> Option<End> {
        if self.entry.life.phase == Phase::Ended {
            return None;
        }
        if self.until_deadline() == Some(Duration::ZERO) {
            return Some(End::stopped(
                "its time is over: it might run until then and not longer",
            ));
        }
        let longest = u64::from(self.entry.job.spec().max_duration_seconds);
        let ran = self.entry.life.running_for(now)?;
        (longest > 0 && ran >= longest * 1_000)
            .then(|| End::stopped(format!("its longest time of {longest} seconds is over")))
    }

    fn until_deadline(&self) -> Option<Duration> {
        let deadline = self.entry.job.assignment.run_until?;
        let deadline = contracts::from_wire_time("run_until", deadline).ok()?;
        Some(Duration::from_millis(milliseconds_between(
            self.shared.clock.now(),
            deadline,
        )))
    }

    fn until_next_look(&self) -> Duration {
        let now = self.shared.time.now();
        let report = Duration::from_millis(
            REPORT_EVERY_MS.saturating_sub(self.entry.life.seen.ms_until(&now)),
        );
        let limited = self.entry.job.assignment.run_until.is_some()
            || self.entry.job.spec().max_duration_seconds > 0;
        let look = self.until_deadline().unwrap_or(LOOK_EVERY).min(LOOK_EVERY);
        match self.entry.life.phase {
            Phase::Ended => Duration::MAX,
            _ if limited => look.min(report).max(LOOK_AT_LEAST),
            _ => report.max(LOOK_EVERY),
        }
    }

    async fn see(&mut self, seen: Seen) {
        if self.entry.life.take(seen, self.shared.time.now()) {
            let life = &self.entry.life;
            tracing::info!(attempt = self.entry.job.id(), phase = ?life.phase, end = ?life.end, "attempt");
            self.save_and_show().await;
        }
    }

    /// On the disk first, so that nothing is reported that the next agent would not know.
    async fn save_and_show(&self) {
        let saved = match serde_json::to_vec(&self.entry.life) {
            Ok(bytes) => files::write_async(self.entry.job.folder.state(), bytes).await,
            Err(error) => Err(error.into()),
        };
        if let Err(error) = saved {
            tracing::error!(attempt = self.entry.job.id(), %error, "the state of an attempt cannot be kept");
        }
        self.shared.board.put(self.entry.clone());
    }

    async fn retire(self) {
        let (kept, job) = (self.shared.kept.clone(), self.entry.job.clone());
        let done = tokio::task::spawn_blocking(move || kept.keep(&job)).await;
        if let Ok(Err(error)) = done {
            tracing::warn!(attempt = self.entry.job.id(), %error, "removing the files of an attempt");
        }
        self.shared.board.remove(self.entry.job.id());
    }
}

/// Two attempts never write to one volume: whoever came later waits.
async fn wait_for_volume(board: &Board, job: &Job, turn: u64, progress: &Progress) {
    let volume = &job.spec().volume_id;
    let mut changes = board.changes();
    while !volume.is_empty() {
        let holds = |entry: &Entry| entry.turn < turn && entry.holds_volume(volume);
        let Some(holder) = board.all().into_iter().find(holds) else {
            return;
        };
        progress.say(format!(
            "waiting for the volume, which attempt {} still uses",
            holder.job.id()
        ));
        if changes.changed().await.is_err() {
            return;
        }
    }
}

async fn launch(runtime: Arc<dyn Runtime>, job: Job) -> Seen {
    match runtime.start(&job).await {
        Ok(how) => {
            Span::current().record("sandbox", tracing::field::debug(how));
            Seen::Launched(how)
        }
        Err(problem) => {
            if runtime.status(&job) != Status::Absent {
                runtime.stop(&job).await;
            }
            runtime.remove(&job).await;
            Seen::Broken(problem)
        }
    }
}

async fn await_answer(
    runtime: Arc<dyn Runtime>,
    storage: Arc<Storage>,
    job: Job,
    timeout: Duration,
) -> Seen {
    let waited = match runtime.status(&job) {
        Status::Alive { started_ms } => Duration::from_millis(up_ms().saturating_sub(started_ms)),
        Status::Absent | Status::Over => Duration::ZERO,
    };
    tokio::select! {
        biased;
        (note, ()) = futures::future::join(storage.show(&job), ready::answered(runtime.as_ref(), &job)) => Seen::Answered(note),
        seen = over(runtime.clone(), job.clone()) => seen,
        () = tokio::time::sleep(timeout.saturating_sub(waited)) => {
            let tail = log_tail(&job.folder);
            Seen::StopWanted(End::broken(format!("no answer on {} within {timeout:?}; its log ends: {tail}", job.spec().ready_path)))
        }
    }
}

async fn over(runtime: Arc<dyn Runtime>, job: Job) -> Seen {
    let ending = runtime.ended(&job).await;
    Seen::Over(ending, log_tail(&job.folder))
}
