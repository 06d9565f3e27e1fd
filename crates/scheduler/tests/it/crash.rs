//! `kill -9` of the leader, a program of its own, under a stream of submits to simulated nodes: nothing that was acknowledged is lost,
//! nothing is placed twice, and the standby goes on.

use std::collections::HashMap;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use chassis::Address;
use chassis::auth::Principal;
use contracts::common::v1::Resources;
use contracts::scheduler::v1::scheduler_service_client::SchedulerServiceClient;
use contracts::scheduler::v1::{SubmitWorkloadRequest, WorkloadSpec};
use kernel::Clock as _;
use kernel::time::SystemClock;
use secrecy::ExposeSecret as _;
use testkit::{Engine, SimulatedNodes, channel, eventually, free_port, simulated_node};
use tokio::task::JoinSet;

use crate::house::{Client, House, spec};

const NODES: usize = 200;
/// Submitted by so many callers at once, each one after the other.
const WORKLOADS: usize = 3_000;
const CALLERS: usize = 50;
/// Time from one submit to the next: all callers together make 500 a second, where the machine gives that.
const PAUSE: Duration = Duration::from_millis(100);
/// Longest time without placements. What is left of the lease and the standby's look are five seconds together; all other tests run on
/// the same processors meanwhile. How long it was is printed.
const TAKEOVER: Duration = Duration::from_secs(20);

/// A `quire-scheduler` that is killed with this value.
struct Replica {
    program: Child,
    address: Address,
}

impl Replica {
    fn start(house: &House) -> Self {
        let listen = format!("http://127.0.0.1:{}", free_port());
        let service = &house.config.service;
        let mut command = Command::new(env!("CARGO_BIN_EXE_quire-scheduler"));
        for (key, value) in [
            ("SERVICE__LISTEN", listen.clone()),
            (
                "SERVICE__DATABASE",
                service.database.expose_secret().to_owned(),
            ),
            ("SERVICE__IDENTITY", service.identity.to_string()),
            ("SERVICE__KEY", service.key.expose_secret().to_owned()),
            ("SERVICE__BUS__URL", service.bus.url.clone()),
            ("INVENTORY", house.config.inventory.to_string()),
            ("VOLUME", house.config.volume.to_string()),
        ] {
            command.env(format!("QUIRE_SCHEDULER_{key}"), value);
        }
        let program = command
            .arg("serve")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            program,
            address: listen.parse().unwrap(),
        }
    }

    fn kill(&mut self) {
        self.program.kill().unwrap();
        self.program.wait().unwrap();
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.program.kill().ok();
        self.program.wait().ok();
    }
}

fn request(house: &House, number: usize) -> SubmitWorkloadRequest {
    let gpus = u32::from(number.is_multiple_of(4));
    let mut request = house.request(&format!("simulated-{number}"), WorkloadSpec::default());
    let of = spec(1_000, 1_024);
    let resources = Resources {
        gpus,
        gpu_model: if gpus > 0 {
            "simulated-H100".to_owned()
        } else {
            String::new()
        },
        ..of.resources.clone().unwrap()
    };
    request.spec = Some(WorkloadSpec {
        resources: Some(resources),
        ..of
    });
    request
}

/// Asks for each of the workloads, again until it is acknowledged, as real callers do; gives their identifiers by request.
async fn submit(
    mut clients: Vec<Client>,
    requests: Vec<SubmitWorkloadRequest>,
) -> HashMap<String, String> {
    let mut acknowledged = HashMap::new();
    let mut pace = tokio::time::interval(PAUSE);
    for request in requests {
        pace.tick().await;
        loop {
            match clients[0].submit_workload(request.clone()).await {
                Ok(answer) => {
                    let id = answer.into_inner().workload.unwrap().id;
                    acknowledged.insert(request.request_id, id);
                    break;
                }
                Err(status) => {
                    let error = chassis::Error::from(status);
                    assert!(error.code().is_retryable(), "a submit is refused: {error}");
                    clients.rotate_left(1);
                    pace.tick().await;
                }
            }
        }
    }
    acknowledged
}

fn stream(house: &House, replicas: &[Address]) -> JoinSet<HashMap<String, String>> {
    let token = house
        .identity
        .token(&Principal::Service("notebook".to_owned()));
    let mut stream = JoinSet::new();
    for caller in 0..CALLERS {
        let clients = replicas
            .iter()
            .map(|address| SchedulerServiceClient::new(channel(address, &token)))
            .collect();
        let numbers = (caller..WORKLOADS).step_by(CALLERS);
        let requests = numbers.map(|number| request(house, number)).collect();
        stream.spawn(submit(clients, requests));
    }
    stream
}

/// Grows whenever another one leads.
async fn epoch(house: &House) -> i64 {
    let epoch = "SELECT epoch FROM leases WHERE name = 'leader'";
    house.number(epoch).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_leader_loses_nothing_and_the_standby_places_on() {
    let house = House::empty_at(Engine::Postgres, SystemClock.now()).await;
    let nodes: Vec<_> = (0..NODES)
        .map(|number| simulated_node(number, 32_000, 131_072, 8))
        .collect();
    let known = nodes.iter().map(|node| (node.id.clone(), node.clone()));
    house.inventory.nodes.lock().unwrap().extend(known);
    let one = Replica::start(&house);
    let first = std::slice::from_ref(&one.address);
    let agents = SimulatedNodes::connect(&house.identity, first, &nodes);
    eventually("all lines to the first, which leads", || async {
        (agents.lines() == NODES).then_some(())
    })
    .await;
    drop(agents);
    let first_epoch = epoch(&house).await;
    let other = Replica::start(&house);
    let replicas = [one.address.clone(), other.address.clone()];
    let agents = SimulatedNodes::connect(&house.identity, &replicas, &nodes);
    let rows = "SELECT COUNT(*) FROM nodes";
    eventually("all nodes, and their lines", || async {
        let all = house.number(rows).await == i64::try_from(NODES).unwrap();
        (all && agents.lines() == NODES).then_some(())
    })
    .await;

    let mut stream = stream(&house, &replicas);
    eventually("a third of the stream", || async {
        (agents.workloads() > WORKLOADS / 3).then_some(())
    })
    .await;
    let led = epoch(&house).await;
    // With two of them the lead goes to and fro.
    let (mut leader, _standby) = match (led - first_epoch) % 2 {
        0 => (one, other),
        _ => (other, one),
    };
    leader.kill();
    let killed = Instant::now();
    let killed_at = SystemClock.now().timestamp_micros();
    let next =
        format!("SELECT COALESCE(MIN(placed_at), 0) FROM attempts WHERE placed_at > {killed_at}");
    let placed_at = eventually("the standby to place", || async {
        Some(house.number(&next).await).filter(|at| *at > 0)
    })
    .await;
    let gap = Duration::from_micros((placed_at - killed_at).unsigned_abs());
    assert!(gap <= TAKEOVER, "placed again after {gap:?}");
    assert!(epoch(&house).await > led, "the other one leads");

    let mut acknowledged = HashMap::new();
    while let Some(some) = stream.join_next().await {
        acknowledged.extend(some.unwrap());
    }
    assert_eq!(acknowledged.len(), WORKLOADS);
    eventually("every workload on a node", || async {
        (agents.workloads() == WORKLOADS).then_some(())
    })
    .await;
    println!(
        "{WORKLOADS} workloads were placed; the standby placed {gap:?} after the crash, all of them {:?} after it",
        killed.elapsed()
    );
    check(&house, &agents, &acknowledged).await;
}

/// Nothing was lost and nothing doubled, on the nodes and in the tables.
async fn check(house: &House, agents: &SimulatedNodes, acknowledged: &HashMap<String, String>) {
    for id in acknowledged.values() {
        let runs = agents.runs_of(id);
        assert_eq!(runs.len(), 1, "{id} runs once: {runs:?}");
        assert_eq!(runs[0].generation, 1);
    }
    let all = i64::try_from(WORKLOADS).unwrap();
    let running = "SELECT COUNT(*) FROM attempts WHERE state = 3 AND generation = 1";
    eventually("every start in the tables", || async {
        (house.number(running).await == all).then_some(())
    })
    .await;
    for (what, query, wanted) in [
        (
            "workloads",
            "SELECT COUNT(*) FROM workloads WHERE state = 2",
            all,
        ),
        ("attempts", "SELECT COUNT(*) FROM attempts", all),
        (
            "their changes",
            "SELECT COUNT(DISTINCT change) FROM attempts",
            all,
        ),
        (
            "nodes whose free cores are not what is left",
            "SELECT COUNT(*) FROM nodes WHERE free_milli_cores <> total_milli_cores - (SELECT COALESCE(SUM(milli_cores), 0) \
             FROM attempts WHERE node_id = nodes.id AND state <> 5)",
            0,
        ),
        (
            "GPUs that are taken",
            "SELECT COUNT(*) FROM devices WHERE free_milli = 0",
            all / 4,
        ),
        (
            "GPUs that were given",
            "SELECT COUNT(DISTINCT gpu_uuids) FROM attempts WHERE gpu_uuids <> ''",
            all / 4,
        ),
    ] {
        assert_eq!(house.number(query).await, wanted, "{what}");
    }
    let unsent = "SELECT COUNT(*) FROM outbox WHERE sent_at IS NULL";
    eventually("every event on the bus", || async {
        (house.number(unsent).await == 0).then_some(())
    })
    .await;
}
