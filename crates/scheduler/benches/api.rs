//! `scripts/bench scheduler`: the scheduler through its API, on real PostgreSQL that waits for the disk and a real `nats-server`, with
//! simulated nodes whose agents speak the real protocol. Identity, inventory and volume are played; all of it shares one machine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark that finds something else ends"
)]

#[path = "../tests/it/neighbours.rs"]
#[allow(dead_code, reason = "tests use more of it")]
mod neighbours;

use std::sync::Arc;
use std::time::{Duration, Instant};

use chassis::Address;
use chassis::auth::Principal;
use contracts::common::v1::Resources;
use contracts::inventory::v1::inventory_service_server::InventoryServiceServer;
use contracts::scheduler::v1::scheduler_service_client::SchedulerServiceClient;
use contracts::scheduler::v1::{OnSilence, SubmitWorkloadRequest, WorkloadSpec};
use contracts::volume::v1::volume_service_server::VolumeServiceServer;
use kernel::id::TeamId;
use kernel::time::SystemClock;
use neighbours::{Inventory, Volumes};
use scheduler::SchedulerConfig;
use testkit::{
    Identity, Nats, Postgres, Service, SimulatedNodes, TestChannel, simulated_node, wait_long_for,
};
use tonic::service::Routes;

type Client = SchedulerServiceClient<TestChannel>;

/// Simulated nodes of the measurements of speed.
const NODES: usize = 5_000;
/// Simulated nodes of the measurement of a new leader.
const MANY_NODES: usize = 10_000;
/// Workloads that are submitted as fast as possible.
const BURST: usize = 20_000;
/// Callers that submit at the same time.
const CALLERS: usize = 256;
/// Submits of the measurement without load.
const SINGLE: usize = 300;
const PATIENCE: Duration = Duration::from_secs(300);

struct House {
    identity: Identity,
    nats: Nats,
    postgres: Postgres,
    inventory: Arc<Inventory>,
    config: SchedulerConfig,
    team: TeamId,
    _played: [Service; 2],
}

impl House {
    async fn open() -> Self {
        let clock = Arc::new(SystemClock);
        let identity = Identity::start(clock).await;
        let (nats, postgres) = (Nats::start(), Postgres::start_durable());
        let inventory = Arc::<Inventory>::default();
        let routes = Routes::new(InventoryServiceServer::from_arc(inventory.clone()));
        let played_inventory = identity.serve("inventory", routes).await;
        let routes = Routes::new(VolumeServiceServer::new(Volumes::default()));
        let played_volume = identity.serve("volume", routes).await;
        let config = SchedulerConfig {
            service: identity.config("scheduler", postgres.database().into(), &nats),
            inventory: played_inventory.address().clone(),
            volume: played_volume.address().clone(),
            ..SchedulerConfig::default()
        };
        Self {
            identity,
            nats,
            postgres,
            inventory,
            config,
            team: TeamId::generate(),
            _played: [played_inventory, played_volume],
        }
    }

    async fn replica(&self) -> Service {
        let config = self.config.clone();
        let start = |cancel, ready| scheduler::run(config, Arc::new(SystemClock), cancel, ready);
        Service::start(start).await
    }

    /// Nodes of 8 GPUs and nodes without.
    fn add_nodes(&self, count: usize) -> Vec<contracts::inventory::v1::Node> {
        let nodes: Vec<_> = (0..count)
            .map(|number| {
                simulated_node(number, 64_000, 262_144, if number % 2 == 0 { 8 } else { 0 })
            })
            .collect();
        let mut known = self.inventory.nodes.lock().unwrap();
        known.extend(nodes.iter().map(|node| (node.id.clone(), node.clone())));
        nodes
    }

    fn number(&self, query: &str) -> usize {
        let url = secrecy::ExposeSecret::expose_secret(&self.config.service.database);
        let rows = self.postgres.query(url, query).expect("an answer");
        rows[0][0].parse().expect("a number")
    }

    fn wait_for_nodes(&self, count: usize) {
        wait_long_for(PATIENCE, "the nodes", || {
            (self.number("SELECT COUNT(*) FROM nodes") == count).then_some(())
        });
    }

    fn client(&self, replica: &Service) -> Client {
        let submitter = Principal::Service("notebook".to_owned());
        Client::new(replica.channel(&self.identity.token(&submitter)))
    }

    fn request(&self, number: usize) -> SubmitWorkloadRequest {
        // The usual mix of sizes: most of little, some with a GPU.
        let (milli_cores, gpus) = [(1_000, 0), (2_000, 0), (1_000, 1), (4_000, 2)][number % 4];
        SubmitWorkloadRequest {
            team_id: self.team.into(),
            owner_id: format!("simulated-{number}"),
            request_id: format!("simulated-{number}"),
            spec: Some(WorkloadSpec {
                kind: "simulated".to_owned(),
                resources: Some(Resources {
                    milli_cores,
                    memory_mib: 1_024,
                    disk_gib: 1,
                    gpus,
                    gpu_model: if gpus > 0 {
                        "simulated-H100".to_owned()
                    } else {
                        String::new()
                    },
                }),
                command: vec!["simulated".to_owned()],
                on_silence: OnSilence::Keep.into(),
                ..WorkloadSpec::default()
            }),
            ..SubmitWorkloadRequest::default()
        }
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    println!("| simulated nodes | what | measured |\n|--:|---|--:|");
    runtime.block_on(speed());
    runtime.block_on(new_leader());
}

async fn speed() {
    let house = House::open().await;
    let nodes = house.add_nodes(NODES);
    let began = Instant::now();
    let replica = house.replica().await;
    tokio::task::block_in_place(|| house.wait_for_nodes(NODES));
    print(
        NODES,
        "nodes taken over from inventory",
        &seconds(began.elapsed()),
    );
    let agents = connect(&house, &replica, &nodes);
    unloaded(&house, &replica, &agents).await;
    burst(&house, &replica, &agents).await;
    drop(agents);
    replica.stop().await.expect("a clean end");
    drop(house.nats);
}

fn connect(
    house: &House,
    replica: &Service,
    nodes: &[contracts::inventory::v1::Node],
) -> SimulatedNodes {
    let addresses: Vec<Address> = vec![replica.address().clone()];
    let agents = SimulatedNodes::connect(&house.identity, &addresses, nodes);
    tokio::task::block_in_place(|| {
        wait_long_for(PATIENCE, "all lines", || {
            (agents.lines() == nodes.len()).then_some(())
        })
    });
    agents
}

/// From the call to the moment at which the node is told: one after the other.
async fn unloaded(house: &House, replica: &Service, agents: &SimulatedNodes) {
    let mut client = house.client(replica);
    let mut times = Vec::new();
    for number in 0..SINGLE {
        let asked = Instant::now();
        let answer = client.submit_workload(house.request(number)).await;
        let id = answer
            .expect("a workload")
            .into_inner()
            .workload
            .expect("a workload")
            .id;
        let told = loop {
            if let Some(run) = agents.runs_of(&id).first() {
                break run.told_at;
            }
            agents.changed().await;
        };
        times.push(told - asked);
    }
    times.sort_unstable();
    let at = |percent: usize| {
        let time = times[times.len() * percent / 100];
        format!("{:.1} ms", time.as_secs_f64() * 1e3)
    };
    print(NODES, "submit -> its node is told, unloaded, p50", &at(50));
    print(NODES, "submit -> its node is told, unloaded, p95", &at(95));
}

/// As fast as it goes, by many callers at once.
async fn burst(house: &House, replica: &Service, agents: &SimulatedNodes) {
    let before = agents.workloads();
    let began = Instant::now();
    let clients: Vec<Client> = (0..16).map(|_| house.client(replica)).collect();
    let submits = (0..CALLERS).map(|caller| {
        let mut client = clients[caller % clients.len()].clone();
        let numbers = (SINGLE + caller..SINGLE + BURST).step_by(CALLERS);
        let requests: Vec<_> = numbers.map(|number| house.request(number)).collect();
        tokio::spawn(async move {
            for request in requests {
                client.submit_workload(request).await.expect("a workload");
            }
        })
    });
    let submits: Vec<_> = submits.collect();
    for submit in submits {
        submit.await.expect("all submitted");
    }
    let submitted = began.elapsed();
    while agents.workloads() < before + BURST {
        agents.changed().await;
    }
    let told = began.elapsed();
    let running = "SELECT COUNT(*) FROM attempts WHERE state = 3";
    tokio::task::block_in_place(|| {
        wait_long_for(PATIENCE, "all starts", || {
            (house.number(running) == SINGLE + BURST).then_some(())
        });
    });
    let stored = began.elapsed();
    let placed = house.number("SELECT COUNT(*) FROM attempts");
    assert_eq!(placed, SINGLE + BURST, "each workload is placed once");
    let rate = |took: Duration| format!("{:.0}/s", BURST as f64 / took.as_secs_f64());
    print(
        NODES,
        &format!("submits answered, of {BURST} by {CALLERS} callers"),
        &rate(submitted),
    );
    print(
        NODES,
        "placements, committed and told, of the same",
        &rate(told),
    );
    print(
        NODES,
        "placements with their starts reported and stored",
        &rate(stored),
    );
}

/// A standby takes over when the leader gives its lease back: from then to the first placement.
async fn new_leader() {
    let house = House::open().await;
    house.add_nodes(MANY_NODES);
    let leader = house.replica().await;
    tokio::task::block_in_place(|| house.wait_for_nodes(MANY_NODES));
    let next = house.replica().await;
    let mut client = house.client(&next);
    leader.stop().await.expect("a clean end");
    let began = Instant::now();
    client
        .submit_workload(house.request(0))
        .await
        .expect("a workload");
    tokio::task::block_in_place(|| {
        wait_long_for(PATIENCE, "a place", || {
            (house.number("SELECT COUNT(*) FROM attempts") == 1).then_some(())
        });
    });
    print(
        MANY_NODES,
        "a leader ends -> the standby, which reads all nodes, has placed",
        &seconds(began.elapsed()),
    );
    next.stop().await.expect("a clean end");
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

fn print(nodes: usize, what: &str, measured: &str) {
    println!("| {nodes} | {what} | {measured} |");
}
