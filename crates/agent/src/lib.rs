//! The agent: runs workloads on a node. It keeps what it runs alive through its own death, because each workload's parent is a
//! shim apart from it, and all that it knows is in files that the next agent process reads.

mod attempt;
mod config;
mod copies;
mod credentials;
mod deletions;
mod denied;
mod environment;
pub mod exec;
mod files;
mod ground;
mod heartbeat;
mod isolation;
mod join;
mod link;
mod machine;
mod moment;
mod node;
mod program;
mod relay;
mod renewal;
mod runtime;
pub mod shim;
mod show;
mod signs;
mod space;
mod ssh;
mod stage;
mod storage;
mod unpack;

use std::sync::Arc;
use std::time::Duration;

use chassis::grpc::{Caller, TokenSource, connect};
use chassis::tls::Trust;
use chassis::{Address, Error, Result, Tasks};
use kernel::Clock;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::attempt::{Board, Kept, Order, Supervisor};
use crate::copies::Copies;
use crate::credentials::Credentials;
use crate::deletions::Deletions;
use crate::denied::Denials;
use crate::ground::{make_folders, probe, program, sole_agent};
use crate::heartbeat::Heartbeat;
use crate::link::Link;
use crate::machine::{Disk, Gpus};
use crate::moment::Timekeeper;
use crate::node::Node;
use crate::relay::{Edges, Errands, Listing, Relay};
use crate::renewal::Renewal;
use crate::runtime::Runtime;
use crate::runtime::process::ProcessRuntime;
use crate::runtime::process::network::Networks;
use crate::signs::Signs;
use crate::space::{Measuring, Space};
use crate::storage::Storage;

pub use crate::config::AgentConfig;
pub use crate::node::{join, node_id};
pub use crate::program::serve;
pub use crate::signs::Usage;
pub use crate::ssh::has_ssh_server;

/// Orders of the scheduler that may wait.
const ORDERS: usize = 256;

/// Runs the agent of a node that has joined until `cancel`; workloads go on after it. Calls `ready` once it holds all attempts
/// of before, whether the control plane answers or not.
///
/// # Errors
/// [`Error::Precondition`] when the node has not joined, or lacks protections that must be there; what stands in the way
/// otherwise, another agent with the same folders among it.
pub async fn run(
    config: AgentConfig,
    clock: Arc<dyn Clock>,
    cancel: CancellationToken,
    ready: impl FnOnce(),
) -> Result<()> {
    if config.measure_ms == 0 {
        return Err(Error::invalid("measure_ms", "is 0; 1 or more is needed"));
    }
    denied::check(&config.denied_networks)?;
    make_folders(&config)?;
    let _lock = sole_agent(&config)?;
    copies::sweep(&config.data_dir)?;
    let node = Node::joined(&config.data_dir)?;
    let listener = relay::bind(&config.relay_dir.join(format!("{}.sock", node.id))).await?;
    let agent = Agent::new(config, node, clock).await?;
    // Before any attempt goes on: a sandbox that was being handed over when an agent died may see what belongs to one.
    agent.process.end_left_waiting().await;
    let mut supervisor = agent.supervisor()?;
    supervisor.adopt(&cancel)?;
    agent.remove_strays().await?;

    let (orders, ordered) = mpsc::channel(ORDERS);
    let mut tasks = Tasks::new(cancel.clone());
    tasks.start("attempts", supervisor.run(ordered, cancel.clone()));
    let warm = agent.process.clone().keep_warm(cancel.clone());
    tasks.start("warm sandboxes", warm);
    let signs = agent.signs();
    tasks.start("signs", signs.clone().run(cancel.clone()));
    let relay = agent.relay(signs);
    let credentials = Credentials::of(&agent.config.data_dir);
    let edges = agent.config.data_dir.join("edges.json");
    let (edges, listing) = Edges::load(relay.clone(), credentials, edges)?;
    if let Some(networks) = agent.networks.clone() {
        let denials = Denials {
            networks,
            services: denied::services(&agent.config),
            edges: listing.watch(),
        };
        tasks.start("denials", denials.run(cancel.clone()));
    }
    tasks.start("edges", edges.run(cancel.clone()));
    let errands = relay.errands.clone();
    tasks.start("relay", relay.run(listener, cancel));
    agent.call_control_plane(&mut tasks, orders, listing, errands)?;
    tracing::info!(node_id = agent.node.id, "the agent runs");
    ready();
    let ended = tasks.run().await;
    agent.leave().await?;
    ended.map_err(|failure| Error::internal("running the agent", failure))
}

/// What the tasks of one agent share.
struct Agent {
    config: AgentConfig,
    node: Node,
    clock: Arc<dyn Clock>,
    gpus: Gpus,
    lacks: Vec<String>,
    networks: Option<Arc<Networks>>,
    process: Arc<ProcessRuntime>,
    board: Arc<Board>,
    kept: Arc<Kept>,
    space: Arc<Space>,
    trust: Trust,
    tokens: TokenSource,
}

impl Agent {
    async fn new(config: AgentConfig, node: Node, clock: Arc<dyn Clock>) -> Result<Self> {
        let program = program(&config)?;
        let isolation = probe(&config, program.clone()).await?;
        let (lacks, networks) = (isolation.lacks(), isolation.networks.clone());
        let gpus = Gpus::open(config.simulate_gpus);
        let process = Arc::new(ProcessRuntime::new(
            &config,
            program,
            isolation,
            gpus.clone(),
            clock.clone(),
        ));
        let (board, kept) = (
            Arc::new(Board::new()),
            Arc::new(Kept::new(&config.data_dir)),
        );
        let trust = node.trust(&config)?;
        let tokens = TokenSource::new(
            connect(&config.identity, &trust)?,
            node.key.clone(),
            clock.clone(),
        );
        let space = Arc::new(Space::new(runtime::process::volumes(&config.data_dir)));
        Ok(Self {
            space,
            trust,
            tokens,
            config,
            node,
            clock,
            gpus,
            lacks,
            networks,
            process,
            board,
            kept,
        })
    }

    fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(self.process.clone())
    }

    /// Calls of the service at an address, as this node.
    fn caller(&self, address: &Address) -> Result<Caller> {
        let channel = connect(address, &self.trust)?;
        Ok(Caller::new(channel, self.tokens.clone()))
    }

    fn supervisor(&self) -> Result<Supervisor> {
        let storage = Storage {
            caller: self.caller(&self.config.volume)?,
            node_id: self.node.id.clone(),
            volumes: runtime::process::volumes(&self.config.data_dir),
            process: self.process.clone(),
        };
        let (board, kept) = (self.board.clone(), self.kept.clone());
        Ok(Supervisor::new(
            &self.config,
            self.runtime(),
            board,
            kept,
            self.clock.clone(),
            Arc::new(storage),
        ))
    }

    fn signs(&self) -> Arc<Signs> {
        Arc::new(Signs::new(
            self.board.clone(),
            self.runtime(),
            self.gpus.clone(),
            Duration::from_millis(self.config.measure_ms.into()),
        ))
    }

    fn relay(&self, signs: Arc<Signs>) -> Relay {
        Relay {
            board: self.board.clone(),
            kept: self.kept.clone(),
            runtime: self.runtime(),
            metrics: Arc::new(relay::Metrics::new()),
            signs,
            space: self.space.clone(),
            errands: Arc::new(Errands::copies()),
            commands: Arc::new(Errands::commands()),
        }
    }

    /// Starts what talks to scheduler, inventory and volume.
    fn call_control_plane(
        &self,
        tasks: &mut Tasks,
        orders: mpsc::Sender<Order>,
        edges: Listing,
        errands: Arc<Errands>,
    ) -> Result<()> {
        let (config, node_id, data_dir) = (
            &self.config,
            self.node.id.clone(),
            self.config.data_dir.clone(),
        );
        let caller = |address: &Address| self.caller(address);
        let time = Timekeeper::new(self.clock.clone());
        let link = Link::new(
            caller(&config.scheduler)?,
            &node_id,
            &data_dir,
            self.board.clone(),
            orders,
            time,
        );
        let (disk, disk_gib) = Disk::new(vec![
            runtime::process::volumes(&data_dir),
            attempt::homes(&data_dir),
        ]);
        let heartbeat = Heartbeat {
            caller: caller(&config.inventory)?,
            node_id,
            disk_gib,
            reserve_mib: config
                .memory_reserve_mib
                .saturating_add(self.process.reserved_mib()),
            gpus: self.gpus.clone(),
            missing_isolation: self.lacks.clone(),
            edges,
            runtime: self.process.clone(),
            space: self.space.clone(),
        };
        let renewal = Renewal {
            caller: caller(&config.inventory)?,
            node_id: self.node.id.clone(),
            credentials: Credentials::of(&config.data_dir),
            clock: self.clock.clone(),
        };
        tasks.start("renewal", renewal.run(tasks.cancel()));
        tasks.start("link", link.run(tasks.cancel()));
        tasks.start("disk", disk.run(tasks.cancel()));
        tasks.start("heartbeat", heartbeat.run(tasks.cancel()));
        self.serve_volumes(tasks, errands)
    }

    /// Starts what sees to the files of volumes, as the volume service wants it.
    fn serve_volumes(&self, tasks: &mut Tasks, errands: Arc<Errands>) -> Result<()> {
        let caller = self.caller(&self.config.volume)?;
        let (node_id, data_dir) = (&self.node.id, &self.config.data_dir);
        let copies = Copies {
            caller: caller.clone(),
            node_id: node_id.clone(),
            board: self.board.clone(),
            process: self.process.clone(),
            errands,
            space: self.space.clone(),
        };
        let measuring = Measuring {
            caller: caller.clone(),
            node_id: node_id.clone(),
            volumes: runtime::process::volumes(data_dir),
            board: self.board.clone(),
            space: self.space.clone(),
            every: Duration::from_millis(self.config.measure_ms.into()),
        };
        let deletions = Deletions {
            caller,
            node_id: node_id.clone(),
            data_dir: data_dir.clone(),
            board: self.board.clone(),
        };
        tasks.start("copies", copies.run(data_dir.clone(), tasks.cancel()));
        tasks.start("space", measuring.run(tasks.cancel()));
        tasks.start("deletions", deletions.run(tasks.cancel()));
        Ok(())
    }

    /// Ends and removes what an agent left that died before it could.
    async fn remove_strays(&self) -> Result<()> {
        let known: Vec<String> = self
            .board
            .all()
            .iter()
            .map(|entry| entry.job.folder.sandbox_name())
            .collect();
        let process = self.process.clone();
        blocking(move || process.remove_strays(&known)).await
    }

    /// Leaves nothing on the machine when nothing runs there.
    async fn leave(&self) -> Result<()> {
        if self
            .board
            .all()
            .iter()
            .any(|entry| entry.life.end.is_none())
        {
            return Ok(());
        }
        let process = self.process.clone();
        blocking(move || process.leave()).await
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::internal("working on the machine", error))
}
