//! Simulated nodes: their agents speak the real protocol with the scheduler, and run nothing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chassis::Address;
use chassis::auth::Principal;
use chassis::grpc::connect;
use chassis::tls::Trust;
use contracts::agent::v1::link_service_client::LinkServiceClient;
use contracts::agent::v1::open_link_request::Message as ToScheduler;
use contracts::agent::v1::open_link_response::Message as FromScheduler;
use contracts::agent::v1::{Assignment, Hello, OpenLinkRequest, Report, Stop};
use contracts::inventory::v1::{Gpu, Hardware, Node, NodeLiveness, NodeSchedulable};
use contracts::scheduler::v1::AttemptState;
use kernel::id::NodeId;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tonic::transport::Channel;

use crate::{Identity, TestChannel};

/// Lines that share one connection.
const LINES: usize = 100;
/// Pause before a line that ended is opened again.
const AGAIN: Duration = Duration::from_millis(500);
const BOOT: &str = "simulated-boot";

/// A simulated node as inventory says it first.
pub fn simulated_node(number: usize, milli_cores: u32, memory_mib: u32, gpus: u32) -> Node {
    let name = format!("simulated-{number}");
    let gpu = |index| Gpu {
        index,
        uuid: format!("GPU-{name}-{index}"),
        model: "simulated-H100".to_owned(),
        memory_mib: 81_920,
    };
    Node {
        id: NodeId::generate().into(),
        hardware: Some(Hardware {
            milli_cores,
            memory_mib,
            disk_gib: 1_000,
            gpus: (0..gpus).map(gpu).collect(),
        }),
        cpu_overcommit: 1,
        liveness: NodeLiveness::Ready.into(),
        schedulable: NodeSchedulable::Open.into(),
        revision: 1,
        name,
        ..Node::default()
    }
}

/// An attempt that a simulated node was told to run.
#[derive(Clone, Debug)]
pub struct SimulatedRun {
    /// The attempt.
    pub attempt_id: String,
    /// Its generation.
    pub generation: u64,
    /// The node.
    pub node_id: String,
    /// When the node was told first.
    pub told_at: Instant,
}

/// The agents of simulated nodes. They report the start of what they are told to run at once, and run it until they are told to
/// stop. They end with this value.
#[derive(Debug)]
pub struct SimulatedNodes {
    runs: Arc<Runs>,
    _agents: JoinSet<()>,
}

/// What simulated nodes were told to run, by workload, in the order in which they were told.
#[derive(Debug, Default)]
struct Runs {
    by_workload: Mutex<HashMap<String, Vec<SimulatedRun>>>,
    changed: Notify,
    /// Agents whose hello was answered on the line that they have now.
    lines: AtomicUsize,
}

impl Runs {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Vec<SimulatedRun>>> {
        self.by_workload
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl SimulatedNodes {
    /// Connects the agents of `nodes` to whichever of the scheduler's `replicas` leads.
    ///
    /// # Panics
    /// When an address is none of a server.
    pub fn connect(identity: &Identity, replicas: &[Address], nodes: &[Node]) -> Self {
        let runs = Arc::<Runs>::default();
        let mut agents = JoinSet::new();
        for some in nodes.chunks(LINES) {
            let channels: Vec<Channel> = replicas
                .iter()
                .map(|address| connect(address, &Trust::public()).expect("an address"))
                .collect();
            for node in some {
                let principal = Principal::Agent(node.id.parse().expect("a node's identifier"));
                let token = identity.token(&principal);
                let agent = SimulatedAgent {
                    node_id: node.id.clone(),
                    channels: channels
                        .iter()
                        .map(|channel| crate::service::bearer(channel.clone(), &token))
                        .collect(),
                    runs: runs.clone(),
                    held: HashMap::new(),
                    epoch: 0,
                };
                agents.spawn(agent.run());
            }
        }
        Self {
            runs,
            _agents: agents,
        }
    }

    /// How many of them have a line to the leader now.
    pub fn lines(&self) -> usize {
        self.runs.lines.load(Ordering::Relaxed)
    }

    /// Waits until one of them is told to run something; what was told since the last wait counts.
    pub async fn changed(&self) {
        self.runs.changed.notified().await;
    }

    /// How many workloads they were told to run so far.
    pub fn workloads(&self) -> usize {
        self.runs.all().len()
    }

    /// The attempts of a workload that they were told to run, in the order in which they were told.
    pub fn runs_of(&self, workload_id: &str) -> Vec<SimulatedRun> {
        self.runs
            .all()
            .get(workload_id)
            .cloned()
            .unwrap_or_default()
    }
}

#[derive(Debug)]
struct SimulatedAgent {
    node_id: String,
    /// To each replica.
    channels: Vec<TestChannel>,
    runs: Arc<Runs>,
    /// The newest report of each attempt whose end is not acknowledged.
    held: HashMap<String, Report>,
    /// Highest epoch of a leader that it has obeyed.
    epoch: u64,
}

impl SimulatedAgent {
    async fn run(mut self) {
        for replica in (0..self.channels.len()).cycle() {
            // A standby and a scheduler that is away are asked again, as a real agent does.
            let mut answered = false;
            self.line(replica, &mut answered).await.ok();
            if answered {
                self.runs.lines.fetch_sub(1, Ordering::Relaxed);
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// One line, until it ends; notes whether the scheduler answered to hello.
    async fn line(&mut self, replica: usize, answered: &mut bool) -> Result<(), Status> {
        let Some(channel) = self.channels.get(replica).cloned() else {
            return Ok(());
        };
        let (outgoing, receiver) = mpsc::channel(256);
        let hello = ToScheduler::Hello(Hello {
            node_id: self.node_id.clone(),
            boot_id: BOOT.to_owned(),
            epoch: self.epoch,
            held: self.held.values().cloned().collect(),
        });
        say(&outgoing, hello).await;
        let mut client = LinkServiceClient::new(channel);
        let opened = client.open_link(ReceiverStream::new(receiver));
        let mut incoming = opened.await?.into_inner();
        while let Some(said) = incoming.message().await? {
            if said.epoch < self.epoch {
                return Ok(());
            }
            self.epoch = said.epoch;
            let reports = match said.message {
                Some(FromScheduler::Wanted(wanted)) => {
                    *answered = true;
                    self.runs.lines.fetch_add(1, Ordering::Relaxed);
                    let starts = wanted
                        .assignments
                        .into_iter()
                        .filter_map(|told| self.start(told));
                    let mut reports: Vec<Report> = starts.collect();
                    reports.extend(wanted.stops.into_iter().map(|told| self.stop(told)));
                    reports
                }
                Some(FromScheduler::Assign(told)) => self.start(told).into_iter().collect(),
                Some(FromScheduler::Stop(told)) => vec![self.stop(told)],
                Some(FromScheduler::Ack(ack)) => {
                    let over = |report: &Report| {
                        report.state() == AttemptState::Ended && report.sequence <= ack.sequence
                    };
                    if self.held.get(&ack.attempt_id).is_some_and(over) {
                        self.held.remove(&ack.attempt_id);
                    }
                    Vec::new()
                }
                // What is simulated has nothing to save.
                Some(FromScheduler::Notice(_)) | None => Vec::new(),
            };
            for report in reports {
                say(&outgoing, ToScheduler::Report(report)).await;
            }
        }
        Ok(())
    }

    /// Takes up what it has not taken up before: it answers at once.
    fn start(&mut self, told: Assignment) -> Option<Report> {
        if self.held.contains_key(&told.attempt_id) {
            return None;
        }
        let mut runs = self.runs.all();
        let of_workload = runs.entry(told.workload_id).or_default();
        if !of_workload
            .iter()
            .any(|run| run.attempt_id == told.attempt_id)
        {
            of_workload.push(SimulatedRun {
                attempt_id: told.attempt_id.clone(),
                generation: told.generation,
                node_id: self.node_id.clone(),
                told_at: Instant::now(),
            });
        }
        drop(runs);
        self.runs.changed.notify_one();
        let report = Report {
            attempt_id: told.attempt_id.clone(),
            generation: told.generation,
            sequence: 1,
            state: AttemptState::Running.into(),
            ran_ms: Some(0),
            boot_id: BOOT.to_owned(),
            ..Report::default()
        };
        self.held.insert(told.attempt_id, report.clone());
        Some(report)
    }

    fn stop(&mut self, told: Stop) -> Report {
        let report = Report {
            attempt_id: told.attempt_id.clone(),
            generation: told.generation,
            sequence: 2,
            state: AttemptState::Ended.into(),
            end: told.end,
            boot_id: BOOT.to_owned(),
            reason: "told to stop".to_owned(),
            ..Report::default()
        };
        self.held.insert(told.attempt_id, report.clone());
        report
    }
}

async fn say(outgoing: &mpsc::Sender<OpenLinkRequest>, message: ToScheduler) {
    let message = OpenLinkRequest {
        message: Some(message),
    };
    // A line that is gone ends with the next message from the other side.
    outgoing.send(message).await.ok();
}
