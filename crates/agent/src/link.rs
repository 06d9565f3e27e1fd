//! The line to the scheduler's leader: says what this node holds, takes what is wanted, and repeats reports until they are
//! acknowledged. A broken line stops nothing: workloads go on, and the next connection tells all.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chassis::grpc::Caller;
use chassis::{Error, Result};
use contracts::agent::v1::link_service_client::LinkServiceClient;
use contracts::agent::v1::open_link_request::Message as Up;
use contracts::agent::v1::open_link_response::Message as Down;
use contracts::agent::v1::{Hello, OpenLinkRequest, OpenLinkResponse, Report, Stop};
use contracts::scheduler::v1::AttemptEnd;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use crate::attempt::{Board, Entry, Order};
use crate::files;
use crate::moment::Timekeeper;

/// Messages that may wait to be sent.
const OUTGOING: usize = 32;
/// A leader that does not say what it wants within this time is not one.
const WANTED_WITHIN: Duration = Duration::from_secs(30);
/// Pauses between connections: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// One agent's line.
#[derive(Debug)]
pub(crate) struct Link {
    client: LinkServiceClient<Caller>,
    node_id: String,
    board: Arc<Board>,
    orders: mpsc::Sender<Order>,
    time: Timekeeper,
    epoch: Epoch,
    pause: Duration,
}

/// Highest epoch of a leader that was obeyed, kept on the disk.
#[derive(Debug)]
struct Epoch {
    path: PathBuf,
    highest: u64,
}

impl Epoch {
    fn load(data_dir: &Path) -> Self {
        let path = data_dir.join("epoch");
        let highest = std::fs::read_to_string(&path)
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(0);
        Self { path, highest }
    }

    /// Refuses leaders of the past.
    async fn check(&mut self, spoken: u64) -> Result<()> {
        if spoken < self.highest {
            let highest = self.highest;
            return Err(Error::Precondition(format!(
                "a leader of epoch {spoken} speaks, after one of epoch {highest}"
            )));
        }
        if spoken > self.highest {
            files::write_async(self.path.clone(), spoken.to_string().into_bytes())
                .await
                .map_err(|error| Error::internal("keeping the leader's epoch", error))?;
            self.highest = spoken;
        }
        Ok(())
    }
}

impl Link {
    pub(crate) fn new(
        caller: Caller,
        node_id: &str,
        data_dir: &Path,
        board: Arc<Board>,
        orders: mpsc::Sender<Order>,
        time: Timekeeper,
    ) -> Self {
        Self {
            client: LinkServiceClient::new(caller.without_deadline()),
            node_id: node_id.to_owned(),
            board,
            orders,
            time,
            epoch: Epoch::load(data_dir),
            pause: FIRST_PAUSE,
        }
    }

    /// Keeps the line open until `cancel`.
    ///
    /// # Errors
    /// Never by itself.
    pub(crate) async fn run(mut self, cancel: CancellationToken) -> Result<()> {
        let mut said = String::new();
        loop {
            let ended = tokio::select! {
                () = cancel.cancelled() => return Ok(()),
                ended = self.converse() => ended,
            };
            if let Err(Error::GivenUp { node }) = &ended
                && *node == self.node_id
            {
                self.stop_all().await;
            }
            let problem = ended
                .err()
                .map_or("the leader hung up".to_owned(), |error| {
                    chassis::error::chain(&error)
                });
            // Said once, however often it is tried.
            if problem != said {
                tracing::warn!(problem, "the line to the scheduler is broken; trying again");
                said = problem;
            }
            let pause = self.pause.mul_f64(rand::random_range(0.5..1.5));
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            tokio::select! {
                () = cancel.cancelled() => return Ok(()),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// This node was given up: what it runs belongs to nobody any more. Said in so many words, never drawn from silence.
    async fn stop_all(&self) {
        let running = |entry: &Entry| entry.life.end.is_none();
        for entry in self.board.all().into_iter().filter(running) {
            let stop = Stop {
                attempt_id: entry.job.id().to_owned(),
                generation: entry.generation(),
                reason: "its node was given up".to_owned(),
                end: AttemptEnd::Lost.into(),
            };
            self.order(Order::Stop(stop)).await.ok();
        }
    }

    /// One connection, from the greeting to its end.
    async fn converse(&mut self) -> Result<()> {
        let (sender, outgoing) = mpsc::channel(OUTGOING);
        let mut changes = self.board.changes();
        let hello = self.hello();
        let mut sent: HashMap<String, u64> = hello
            .held
            .iter()
            .map(|report| (report.attempt_id.clone(), report.sequence))
            .collect();
        sender.send(up(Up::Hello(hello))).await.ok();
        let opened = self.client.open_link(ReceiverStream::new(outgoing));
        let mut incoming = opened.await?.into_inner();
        let first = tokio::time::timeout(WANTED_WITHIN, incoming.message())
            .await
            .map_err(|_| Error::Deadline)??;
        let mut next = first;
        loop {
            let Some(message) = next.take() else {
                return Ok(());
            };
            self.take(message).await?;
            next = loop {
                let report = self.unsent(&sent);
                tokio::select! {
                    message = incoming.message() => break message?,
                    permit = sender.reserve(), if report.is_some() => {
                        let (Ok(permit), Some(report)) = (permit, report) else { return Ok(()) };
                        sent.insert(report.attempt_id.clone(), report.sequence);
                        permit.send(up(Up::Report(report)));
                    }
                    _ = changes.changed(), if report.is_none() => {
                        sent.retain(|attempt, _| self.board.get(attempt).is_some());
                    }
                }
            };
        }
    }

    fn hello(&self) -> Hello {
        Hello {
            node_id: self.node_id.clone(),
            boot_id: self.time.boot_id().to_owned(),
            epoch: self.epoch.highest,
            held: self.reports(),
        }
    }

    /// The newest report of each attempt.
    fn reports(&self) -> Vec<Report> {
        let now = self.time.now();
        let entries = self.board.all().into_iter();
        entries
            .map(|entry| entry.life.report(entry.job.id(), entry.generation(), &now))
            .collect()
    }

    /// A report that this connection has not carried yet.
    fn unsent(&self, sent: &HashMap<String, u64>) -> Option<Report> {
        let new = |report: &Report| {
            sent.get(&report.attempt_id)
                .is_none_or(|sequence| *sequence < report.sequence)
        };
        self.reports().into_iter().find(new)
    }

    async fn take(&mut self, message: OpenLinkResponse) -> Result<()> {
        self.epoch.check(message.epoch).await?;
        match message.message {
            Some(Down::Wanted(wanted)) => {
                tracing::info!(
                    epoch = message.epoch,
                    wanted = wanted.assignments.len(),
                    "the scheduler leads"
                );
                self.pause = FIRST_PAUSE;
                for assignment in wanted.assignments {
                    self.order(Order::Assign(Arc::new(assignment))).await?;
                }
                for stop in wanted.stops {
                    self.order(Order::Stop(stop)).await?;
                }
                for notice in wanted.notices {
                    self.order(Order::Notice(notice)).await?;
                }
                Ok(())
            }
            Some(Down::Assign(assignment)) => self.order(Order::Assign(Arc::new(assignment))).await,
            Some(Down::Stop(stop)) => self.order(Order::Stop(stop)).await,
            Some(Down::Notice(notice)) => self.order(Order::Notice(notice)).await,
            Some(Down::Ack(ack)) => self.order(Order::Acknowledge(ack)).await,
            // Of a newer scheduler; what must be done is said in words that agents know.
            None => Ok(()),
        }
    }

    async fn order(&self, order: Order) -> Result<()> {
        self.orders
            .send(order)
            .await
            .map_err(|_| Error::Unavailable("the agent is stopping".to_owned()))
    }
}

fn up(message: Up) -> OpenLinkRequest {
    OpenLinkRequest {
        message: Some(message),
    }
}
