//! Holds all attempts of this node: finds them again after a restart, takes orders, and gives each attempt its driver.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chassis::{Error, Result};
use contracts::agent::v1::{Ack, Assignment, Notice, Stop};
use contracts::scheduler::v1::{AttemptEnd, Fault};
use kernel::Clock;
use kernel::id::{AttemptId, WorkloadId};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::board::{Board, Entry};
use super::driver::{Driver, Shared, Word};
use super::ending::End;
use super::folder::{Folder, attempts};
use super::kept::Kept;
use super::life::{Life, Phase, Seen};
use crate::config::AgentConfig;
use crate::files;
use crate::moment::Timekeeper;
use crate::runtime::{Job, Runtime};
use crate::storage::Storage;

/// Words that may wait for one attempt.
const WORDS: usize = 64;

/// What the scheduler wants.
#[derive(Clone, Debug)]
pub(crate) enum Order {
    /// Run this.
    Assign(Arc<Assignment>),
    /// End this.
    Stop(Stop),
    /// This will be told to end.
    Notice(Notice),
    /// A report is stored.
    Acknowledge(Ack),
}

/// Holds all attempts.
#[derive(Debug)]
pub(crate) struct Supervisor {
    shared: Shared,
    data_dir: PathBuf,
    run_dir: PathBuf,
    words: HashMap<String, mpsc::Sender<Word>>,
    drivers: JoinSet<()>,
    turns: u64,
}

impl Supervisor {
    pub(crate) fn new(
        config: &AgentConfig,
        runtime: Arc<dyn Runtime>,
        board: Arc<Board>,
        kept: Arc<Kept>,
        clock: Arc<dyn Clock>,
        storage: Arc<Storage>,
    ) -> Self {
        let shared = Shared {
            runtime,
            board,
            kept,
            time: Timekeeper::new(clock.clone()),
            clock,
            storage,
            ready_timeout: Duration::from_secs(config.ready_timeout_seconds.into()),
        };
        Self {
            shared,
            data_dir: config.data_dir.clone(),
            run_dir: config.run_dir.clone(),
            words: HashMap::new(),
            drivers: JoinSet::new(),
            turns: 0,
        }
    }

    /// Finds the attempts on the disk and goes on with each where it was.
    ///
    /// # Errors
    /// When the folder of attempts cannot be read.
    pub(crate) fn adopt(&mut self, cancel: &CancellationToken) -> Result<()> {
        let failed = |error: std::io::Error| Error::internal("finding attempts", error);
        let mut found = Vec::new();
        for entry in fs::read_dir(attempts(&self.data_dir)).map_err(failed)? {
            let name = entry
                .map_err(failed)?
                .file_name()
                .to_string_lossy()
                .into_owned();
            let folder = self.folder(&name);
            let Some(assignment) = folder.assignment().map_err(failed)? else {
                // An agent died before it had taken the assignment; the scheduler sends it again.
                files::remove_folder(folder.root()).map_err(failed)?;
                continue;
            };
            let life = files::read_json(&folder.state()).unwrap_or_else(|error| {
                tracing::warn!(attempt = name, %error, "the state of an attempt cannot be read; it is begun anew");
                None
            });
            let assignment = Arc::new(assignment);
            found.push((
                Job { folder, assignment },
                life.unwrap_or_else(|| Life::begin(self.shared.time.now())),
            ));
        }
        // Those that may have a process hold their volume before those that wait for it.
        found.sort_by_key(|(_, life)| life.phase == Phase::Preparing);
        for (job, life) in found {
            tracing::info!(attempt = job.id(), phase = ?life.phase, "attempt found again");
            self.drive(job, life, cancel);
        }
        Ok(())
    }

    /// Takes orders until `cancel`. Workloads go on after it.
    ///
    /// # Errors
    /// When the driver of an attempt broke: the next agent finds the attempt on the disk.
    pub(crate) async fn run(
        mut self,
        mut orders: mpsc::Receiver<Order>,
        cancel: CancellationToken,
    ) -> Result<()> {
        loop {
            tokio::select! {
                () = cancel.cancelled() => break,
                order = orders.recv() => match order {
                    Some(order) => self.obey(order, &cancel).await,
                    None => break,
                },
                Some(ended) = self.drivers.join_next() => {
                    ended.map_err(|error| Error::internal("driving an attempt", error))?;
                    self.words.retain(|_, words| !words.is_closed());
                }
            }
        }
        while self.drivers.join_next().await.is_some() {}
        Ok(())
    }

    async fn obey(&mut self, order: Order, cancel: &CancellationToken) {
        match order {
            Order::Assign(assignment) => self.assign(assignment, cancel).await,
            Order::Stop(stop) => self.stop(stop, cancel).await,
            Order::Notice(notice) => {
                if self.holds(&notice.attempt_id, notice.generation) {
                    let attempt = notice.attempt_id.clone();
                    self.tell(&attempt, Word::Notice(notice)).await;
                }
            }
            Order::Acknowledge(ack) => {
                if self.holds(&ack.attempt_id, ack.generation) {
                    self.tell(&ack.attempt_id, Word::Acknowledged(ack.sequence))
                        .await;
                }
            }
        }
    }

    fn holds(&self, attempt: &str, generation: u64) -> bool {
        let held = self.shared.board.get(attempt);
        held.is_some_and(|entry| entry.generation() == generation)
    }

    async fn assign(&mut self, assignment: Arc<Assignment>, cancel: &CancellationToken) {
        let (attempt, generation) = (assignment.attempt_id.as_str(), assignment.generation);
        if let Err(problem) = check(&assignment) {
            tracing::error!(attempt, problem, "an assignment is refused");
            return;
        }
        if let Some(held) = self.shared.board.get(attempt) {
            if held.generation() == generation {
                self.tell(attempt, Word::Assigned(assignment.clone())).await;
            } else {
                let held = held.generation();
                tracing::error!(
                    attempt,
                    generation,
                    held,
                    "an assignment of another generation is refused"
                );
            }
            return;
        }
        if self.report_past(attempt, cancel) {
            return;
        }
        let newest = self.highest_generation(&assignment.workload_id);
        if let Some(newer) = newest.filter(|newest| *newest > generation) {
            tracing::warn!(
                attempt,
                generation,
                newer,
                "an assignment is refused: its workload has a newer one here"
            );
            return;
        }
        self.supersede(&assignment.workload_id, generation).await;
        let folder = self.folder(attempt);
        match folder.keep_assignment(&assignment) {
            Ok(()) => self.drive(
                Job { folder, assignment },
                Life::begin(self.shared.time.now()),
                cancel,
            ),
            // Not taken; the scheduler sends it again.
            Err(error) => tracing::error!(attempt, %error, "an assignment cannot be kept"),
        }
    }

    /// A newer attempt of a workload means that the older ones were given up.
    async fn supersede(&self, workload: &str, generation: u64) {
        let older = |entry: &Entry| entry.workload() == workload && entry.generation() < generation;
        for entry in self.shared.board.all().into_iter().filter(older) {
            let reason = format!("its workload was placed anew as generation {generation}");
            self.tell(
                entry.job.id(),
                Word::Stop(End::new(AttemptEnd::Lost, Fault::Unspecified, reason)),
            )
            .await;
        }
    }

    async fn stop(&mut self, stop: Stop, cancel: &CancellationToken) {
        let Stop {
            attempt_id,
            generation,
            reason,
            ..
        } = stop.clone();
        let wished = match stop.end() {
            AttemptEnd::Unspecified => AttemptEnd::Stopped,
            end => end,
        };
        let end = End::new(wished, Fault::Unspecified, reason);
        match self.shared.board.get(&attempt_id) {
            Some(held) if held.generation() == generation => {
                self.tell(&attempt_id, Word::Stop(end)).await
            }
            Some(held) => {
                tracing::warn!(
                    attempt_id,
                    generation,
                    held = held.generation(),
                    "a stop of another generation is refused"
                );
            }
            None if self.report_past(&attempt_id, cancel) => {}
            None => self.report_unknown(&attempt_id, generation, end, cancel),
        }
    }

    /// Reports once more how an attempt ended that is past; false when it is not known.
    fn report_past(&mut self, attempt: &str, cancel: &CancellationToken) -> bool {
        let folder = self.folder(attempt);
        let Some(life) = self.shared.kept.take_out(attempt, &folder) else {
            return false;
        };
        let Ok(Some(assignment)) = folder.assignment() else {
            return false;
        };
        let assignment = Arc::new(assignment);
        self.drive(Job { folder, assignment }, life, cancel);
        true
    }

    /// Reports the end of an attempt that this node knows nothing of: its disk was lost, or it came here never.
    fn report_unknown(
        &mut self,
        attempt: &str,
        generation: u64,
        end: End,
        cancel: &CancellationToken,
    ) {
        if attempt.parse::<AttemptId>().is_err() {
            tracing::error!(attempt, "a stop without a proper identifier is refused");
            return;
        }
        let assignment = Assignment {
            attempt_id: attempt.to_owned(),
            generation,
            ..Assignment::default()
        };
        let job = Job {
            folder: self.folder(attempt),
            assignment: Arc::new(assignment),
        };
        let now = self.shared.time.now();
        let mut life = Life::begin(now.clone());
        // Above whatever was reported of it from a disk that is lost.
        life.sequence = u64::try_from(now.at_micros / 1_000).unwrap_or(1);
        let reason = format!("{} (this node does not hold it)", end.reason);
        life.take(Seen::StopWanted(End { reason, ..end }), now);
        if let Err(error) = job.folder.keep_assignment(&job.assignment) {
            tracing::error!(attempt, %error, "the end of an unknown attempt cannot be kept");
            return;
        }
        self.drive(job, life, cancel);
    }

    fn highest_generation(&self, workload: &str) -> Option<u64> {
        let held = self
            .shared
            .board
            .all()
            .into_iter()
            .filter(|entry| entry.workload() == workload);
        let held = held.map(|entry| entry.generation()).max();
        held.max(self.shared.kept.highest_generation(workload))
    }

    fn drive(&mut self, job: Job, life: Life, cancel: &CancellationToken) {
        let (sender, words) = mpsc::channel(WORDS);
        let attempt = job.id().to_owned();
        self.turns += 1;
        let entry = Entry {
            job,
            life,
            turn: self.turns,
        };
        // Shown at once, so that the next order knows of it.
        self.shared.board.put(entry.clone());
        let driver = Driver {
            shared: self.shared.clone(),
            entry,
            words,
        };
        let cancel = cancel.clone();
        self.words.insert(attempt, sender);
        self.drivers.spawn(driver.run(cancel));
    }

    async fn tell(&self, attempt: &str, word: Word) {
        if let Some(words) = self.words.get(attempt) {
            // Fails only when the attempt is settled in this moment.
            words.send(word).await.ok();
        }
    }

    fn folder(&self, attempt: &str) -> Folder {
        Folder::new(&self.data_dir, &self.run_dir, attempt)
    }
}

/// What an agent must be able to read before it takes an assignment: its names become folders, and its end must be enforced.
fn check(assignment: &Assignment) -> Result<(), String> {
    let wrong = |error: kernel::id::ParseIdError| error.to_string();
    assignment.attempt_id.parse::<AttemptId>().map_err(wrong)?;
    assignment
        .workload_id
        .parse::<WorkloadId>()
        .map_err(wrong)?;
    match assignment.run_until {
        Some(until) => contracts::from_wire_time("run_until", until)
            .map(drop)
            .map_err(|error| error.to_string()),
        None => Ok(()),
    }
}
