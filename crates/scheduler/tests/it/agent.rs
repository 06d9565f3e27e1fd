//! A played agent: one line to the scheduler, on which a test says what the node does.

use std::collections::HashSet;
use std::time::Duration;

use contracts::agent::v1::link_service_client::LinkServiceClient;
use contracts::agent::v1::open_link_request::Message as ToScheduler;
use contracts::agent::v1::open_link_response::Message as FromScheduler;
use contracts::agent::v1::{
    Assignment, Hello, Notice, OpenLinkRequest, OpenLinkResponse, Report, Stop, Wanted,
};
use contracts::scheduler::v1::{AttemptEnd, AttemptState, Fault};
use testkit::TestChannel;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

/// Longest time that the scheduler may take to say something.
const PATIENCE: Duration = Duration::from_secs(30);

/// The agent's end of a line.
pub(crate) struct Agent {
    outgoing: mpsc::Sender<OpenLinkRequest>,
    incoming: Streaming<OpenLinkResponse>,
    /// Epoch of the last message.
    pub(crate) epoch: u64,
    /// Attempts that were taken up: their assignments may come again.
    taken: HashSet<String>,
    told_to_stop: HashSet<String>,
}

fn message(message: ToScheduler) -> OpenLinkRequest {
    OpenLinkRequest {
        message: Some(message),
    }
}

impl Agent {
    /// Opens a line with `first` as its first message.
    pub(crate) async fn open(channel: TestChannel, first: ToScheduler) -> Result<Self, Status> {
        let (outgoing, receiver) = mpsc::channel(16);
        outgoing.send(message(first)).await.unwrap();
        let mut client = LinkServiceClient::new(channel);
        let opened = client.open_link(ReceiverStream::new(receiver));
        Ok(Self {
            outgoing,
            incoming: opened.await?.into_inner(),
            epoch: 0,
            taken: HashSet::new(),
            told_to_stop: HashSet::new(),
        })
    }

    /// What the scheduler says next; its status when it hangs up.
    pub(crate) async fn next(&mut self) -> Result<FromScheduler, Status> {
        let said = self.incoming.message().await?;
        let said = said.ok_or_else(|| Status::cancelled("the scheduler hung up"))?;
        self.epoch = said.epoch;
        Ok(said.message.unwrap())
    }

    /// The first that `choose` takes of what the scheduler says; its status when it hangs up instead.
    async fn first<T>(
        &mut self,
        what: &str,
        mut choose: impl FnMut(&mut Self, FromScheduler) -> Option<T>,
    ) -> Result<T, Status> {
        let found = async {
            loop {
                let said = self.next().await?;
                if let Some(found) = choose(self, said) {
                    return Ok(found);
                }
            }
        };
        let found = tokio::time::timeout(PATIENCE, found).await;
        found.unwrap_or_else(|_| panic!("waited {PATIENCE:?} for {what}"))
    }

    /// Waits until the scheduler hangs up, and gives why.
    pub(crate) async fn hung_up(&mut self) -> Status {
        self.first::<()>("the end of the line", |_, _| None)
            .await
            .unwrap_err()
    }

    /// The answer to hello, which comes before all else.
    pub(crate) async fn wanted(&mut self) -> Wanted {
        let answer = |_: &mut Self, said| match said {
            FromScheduler::Wanted(wanted) => Some(wanted),
            other => panic!("something came before the answer to hello: {other:?}"),
        };
        self.first("the answer to hello", answer).await.unwrap()
    }

    /// The next assignment that was not taken up before.
    pub(crate) async fn assigned(&mut self) -> Run {
        let new = |agent: &mut Self, said| match said {
            FromScheduler::Assign(told) => agent
                .taken
                .insert(told.attempt_id.clone())
                .then(|| Run::of(told)),
            _ => None,
        };
        self.first("an assignment", new).await.unwrap()
    }

    /// The next order to stop that did not come before.
    pub(crate) async fn told_to_stop(&mut self) -> Stop {
        let new = |agent: &mut Self, said| match said {
            FromScheduler::Stop(stop) => agent
                .told_to_stop
                .insert(stop.attempt_id.clone())
                .then_some(stop),
            _ => None,
        };
        self.first("an order to stop", new).await.unwrap()
    }

    /// The next notice.
    pub(crate) async fn noticed(&mut self) -> Notice {
        let notice = |_: &mut Self, said| match said {
            FromScheduler::Notice(notice) => Some(notice),
            _ => None,
        };
        self.first("a notice", notice).await.unwrap()
    }

    /// Sends a report and waits until it is stored; the scheduler's status when it hangs up instead.
    pub(crate) async fn try_say(&mut self, report: Report) -> Result<(), Status> {
        self.send(ToScheduler::Report(report.clone())).await;
        let stored = |_: &mut Self, said| match said {
            FromScheduler::Ack(ack) => (ack.attempt_id == report.attempt_id
                && ack.sequence == report.sequence)
                .then_some(()),
            _ => None,
        };
        self.first("an acknowledgement", stored).await
    }

    pub(crate) async fn say(&mut self, report: Report) {
        self.try_say(report).await.unwrap();
    }

    pub(crate) async fn send(&self, to_scheduler: ToScheduler) {
        self.outgoing.send(message(to_scheduler)).await.ok();
    }
}

/// An attempt on a node, and the reports of it.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) assignment: Assignment,
    sequence: u64,
}

impl Run {
    pub(crate) fn of(assignment: Assignment) -> Self {
        Self {
            assignment,
            sequence: 0,
        }
    }

    pub(crate) fn attempt_id(&self) -> &str {
        &self.assignment.attempt_id
    }

    fn next(&mut self, state: AttemptState) -> Report {
        self.sequence += 1;
        Report {
            attempt_id: self.assignment.attempt_id.clone(),
            generation: self.assignment.generation,
            sequence: self.sequence,
            state: state.into(),
            boot_id: "boot-1".to_owned(),
            ..Report::default()
        }
    }

    pub(crate) fn starting(&mut self) -> Report {
        Report {
            reason: "prepares python".to_owned(),
            ..self.next(AttemptState::Starting)
        }
    }

    /// It has run for `ran_seconds` since it answered first.
    pub(crate) fn running(&mut self, ran_seconds: u64) -> Report {
        Report {
            ran_ms: Some(ran_seconds * 1_000),
            ..self.next(AttemptState::Running)
        }
    }

    /// It never answered and is over.
    pub(crate) fn ended(&mut self, end: AttemptEnd, fault: Fault, reason: &str) -> Report {
        Report {
            end: end.into(),
            fault: fault.into(),
            reason: reason.to_owned(),
            ..self.next(AttemptState::Ended)
        }
    }

    pub(crate) fn broken_by_platform(&mut self) -> Report {
        self.ended(AttemptEnd::Failed, Fault::Platform, "no space left")
    }

    /// It was told to stop and did, after it had run for `ran_seconds`.
    pub(crate) fn stopped(&mut self, ran_seconds: Option<u64>) -> Report {
        Report {
            ran_ms: ran_seconds.map(|seconds| seconds * 1_000),
            ..self.ended(AttemptEnd::Stopped, Fault::Unspecified, "exit code 0")
        }
    }
}

/// The first message of an agent of `node_id` that holds these.
pub(crate) fn hello(node_id: &str, epoch: u64, held: Vec<Report>) -> ToScheduler {
    ToScheduler::Hello(Hello {
        node_id: node_id.to_owned(),
        boot_id: "boot-1".to_owned(),
        epoch,
        held,
    })
}
