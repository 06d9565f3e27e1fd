//! Nothing is given twice: seen from the tables, whoever races.

use chrono::TimeDelta;
use contracts::scheduler::v1::{AttemptEnd, Fault, GetCapacityRequest, WorkloadState};
use futures::future::join_all;
use kernel::id::TeamId;
use sea_orm::ConnectionTrait as _;
use testkit::{Engine, eventually};

use crate::house::{House, OFTEN_MS, gpu_spec, node, spec};

/// Nodes that gave more than they have, or hold another remainder than open attempts leave.
const WRONG_NODES: &str = "SELECT COUNT(*) FROM nodes WHERE free_milli_cores < 0 OR free_memory_mib < 0 OR free_disk_gib < 0 \
    OR free_milli_cores <> total_milli_cores - (SELECT COALESCE(SUM(milli_cores), 0) FROM attempts WHERE node_id = nodes.id AND state <> 5) \
    OR free_memory_mib <> total_memory_mib - (SELECT COALESCE(SUM(memory_mib), 0) FROM attempts WHERE node_id = nodes.id AND state <> 5)";
/// Workloads with more than one open attempt.
const DOUBLED: &str = "SELECT COUNT(*) FROM (SELECT workload_id FROM attempts WHERE state <> 5 GROUP BY workload_id HAVING COUNT(*) > 1) AS doubled";

async fn a_small_node_is_never_overcommitted(engine: Engine) {
    let house = House::open(engine).await;
    let small = house.node("box", 4_000, 8_192).await;
    let mut agent = house.agent(&small).await;
    let requests: Vec<_> = (0..12).map(|number| format!("r{number}")).collect();
    let asked = requests
        .iter()
        .map(|id| house.submit(id, spec(1_500, 1_024)));
    join_all(asked).await;
    for _ in 0..12 {
        let mut run = agent.assigned().await;
        assert_eq!(house.number(WRONG_NODES).await, 0);
        assert_eq!(house.number(DOUBLED).await, 0);
        assert!(
            house
                .number("SELECT COUNT(*) FROM attempts WHERE state <> 5")
                .await
                <= 2
        );
        agent.say(run.running(0)).await;
        agent
            .say(run.ended(AttemptEnd::Completed, Fault::Unspecified, "done"))
            .await;
    }
    assert_eq!(
        house
            .number("SELECT COUNT(*) FROM workloads WHERE state = 3")
            .await,
        12
    );
    assert_eq!(
        house.number("SELECT COUNT(*) FROM attempts").await,
        12,
        "one attempt was enough for each"
    );
    assert_eq!(
        house.number("SELECT free_milli_cores FROM nodes").await,
        4_000
    );
}

/// The tables themselves refuse what no code may do.
async fn the_tables_are_the_last_guard(engine: Engine) {
    let house = House::open(engine).await;
    let small = house.tell(node("box", 4_000, 8_192, 1)).await;
    let mut agent = house.agent(&small).await;
    house.submit("r1", gpu_spec(1)).await;
    agent.assigned().await;
    let second = "INSERT INTO attempts SELECT 'at-2', workload_id, 2, node_id, gpu_uuids, milli_cores, memory_mib, disk_gib, \
        machine_type, team_id, project_id, owner_id, state, ended, fault, reason, state_since, placed_at, billable_from, \
        billable_until, confirmed_until, unreachable_since, run_until, boot_id, sequence, revision, change, stop_as FROM attempts";
    for statement in [
        second,
        "UPDATE nodes SET free_milli_cores = -1",
        "UPDATE devices SET free_milli = free_milli - 1",
    ] {
        let refused = house.tables().await.execute_unprepared(statement).await;
        assert!(refused.is_err(), "{statement}");
    }
}

/// Two replicas that both believe to lead, one of them wrongly.
async fn the_last_gpu_is_given_once_in_a_race(engine: Engine) {
    let mut house = House::empty(engine).await;
    house.add_replica(600_000).await;
    let last = house.tell(node("gpu", 64_000, 65_536, 1)).await;
    let mut misled = house.agent(&last).await;
    misled.wanted().await;
    house.clock.advance(TimeDelta::seconds(6));
    house.add_replica(OFTEN_MS).await;
    eventually("the new leader", || async {
        (house
            .number("SELECT epoch FROM leases WHERE name = 'leader'")
            .await
            == 2)
            .then_some(())
    })
    .await;

    let services = [0, 1].map(|replica| {
        house.client_of(
            replica,
            &chassis::auth::Principal::Service("notebook".to_owned()),
        )
    });
    let asked = (0..10).map(|number| {
        let mut client = services[number % 2].clone();
        let request = house.request(&format!("r{number}"), gpu_spec(1));
        async move {
            client
                .submit_workload(request)
                .await
                .unwrap()
                .into_inner()
                .workload
                .unwrap()
        }
    });
    let submitted = join_all(asked).await;
    eventually("all but one wait", || async {
        let waiting = "SELECT COUNT(*) FROM workloads WHERE state = 1 AND reason LIKE 'waits for a place: needs%'";
        (house.number(waiting).await == 9).then_some(())
    })
    .await;
    assert_eq!(house.number("SELECT COUNT(*) FROM attempts").await, 1);
    assert_eq!(house.number("SELECT free_milli FROM devices").await, 0);
    let mut active = 0;
    for workload in &submitted {
        let found = house.workload(&workload.id).await;
        active += usize::from(found.state() == WorkloadState::Active);
    }
    assert_eq!(active, 1);
}

async fn processors_may_be_promised_more_than_once_and_gpus_not(engine: Engine) {
    let house = House::open(engine).await;
    let mut generous = node("box", 1_000, 8_192, 2);
    generous.cpu_overcommit = 3;
    let generous = house.tell(generous).await;
    let mut agent = house.agent(&generous).await;
    house.submit("r1", gpu_spec(1)).await;
    house.submit("r2", gpu_spec(1)).await;
    let (one, two) = (agent.assigned().await, agent.assigned().await);
    assert_eq!(
        (
            one.assignment.gpu_uuids.len(),
            two.assignment.gpu_uuids.len()
        ),
        (1, 1)
    );
    assert_ne!(one.assignment.gpu_uuids, two.assignment.gpu_uuids);
    let waits = house.submit("r3", gpu_spec(1)).await;
    house
        .until(&waits.id, "no GPU left", |found| {
            found.reason.ends_with("0 of them free on box")
        })
        .await;
    house.submit("r4", spec(1_000, 1_024)).await;
    agent.assigned().await;
    assert_eq!(house.number("SELECT free_milli_cores FROM nodes").await, 0);
}

/// What a viewer is told of the room there is, before and after something took of it.
async fn the_room_is_told_for_each_size_and_node(engine: Engine) {
    let house = House::open(engine).await;
    let gpu_node = house.tell(node("box", 4_000, 8_192, 2)).await;
    house.node("small", 2_000, 2_048).await;
    let sizes = [spec(1_000, 1_024), gpu_spec(1), gpu_spec(4)];
    let room = async |node_id: &str| {
        let asked = GetCapacityRequest {
            sizes: sizes
                .iter()
                .map(|spec| spec.resources.clone().unwrap())
                .collect(),
            node_id: node_id.to_owned(),
        };
        let answer = house.viewer(TeamId::generate()).get_capacity(asked).await;
        let capacities = answer.unwrap().into_inner().capacities;
        let counts = capacities.iter().map(|room| (room.free, room.total));
        counts.collect::<Vec<_>>()
    };
    assert_eq!(room("").await, [(6, 6), (2, 2), (0, 0)]);
    let mut agent = house.agent(&gpu_node).await;
    house.submit("r1", gpu_spec(1)).await;
    agent.assigned().await;
    assert_eq!(room("").await, [(5, 6), (1, 2), (0, 0)]);
    assert_eq!(room(&gpu_node.id).await, [(3, 4), (1, 2), (0, 0)]);
    let wrong = GetCapacityRequest {
        node_id: "box".to_owned(),
        ..GetCapacityRequest::default()
    };
    let refused = house.client().get_capacity(wrong).await.unwrap_err();
    assert!(refused.message().starts_with("node_id: "), "{refused}");
}

/// Somebody took memory out while work ran on it.
async fn a_node_that_shrank_gives_nothing_until_enough_ended(engine: Engine) {
    let house = House::open(engine).await;
    let mut changing = house.node("box", 4_000, 8_192).await;
    let mut agent = house.agent(&changing).await;
    house.submit("r1", spec(1_000, 6_144)).await;
    let mut run = agent.assigned().await;
    changing.revision = 2;
    changing.hardware.as_mut().unwrap().memory_mib = 4_096;
    house.tell(changing).await;
    assert_eq!(house.number("SELECT free_memory_mib FROM nodes").await, 0);
    let waits = house.submit("r2", spec(1_000, 1_024)).await;
    house
        .until(&waits.id, "no memory", |found| {
            found.reason.contains("0 of it free on box")
        })
        .await;
    agent
        .say(run.ended(AttemptEnd::Completed, Fault::Unspecified, "done"))
        .await;
    assert_eq!(agent.assigned().await.assignment.workload_id, waits.id);
    assert_eq!(
        house.number("SELECT free_memory_mib FROM nodes").await,
        3_072
    );
}

testkit::on_each_engine!(
    a_small_node_is_never_overcommitted,
    the_tables_are_the_last_guard,
    the_last_gpu_is_given_once_in_a_race,
    processors_may_be_promised_more_than_once_and_gpus_not,
    a_node_that_shrank_gives_nothing_until_enough_ended,
    the_room_is_told_for_each_size_and_node,
);
