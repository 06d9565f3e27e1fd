//! Waiting: why, behind whom, and until when.

use contracts::inventory::v1::NodeSchedulable;
use contracts::scheduler::v1::{AttemptEnd, Fault, WorkloadState};
use sea_orm::ConnectionTrait as _;
use testkit::{Engine, eventually};

use crate::house::{House, gpu_spec, node, spec};

async fn a_full_node_lets_wait_and_says_why(engine: Engine) {
    let house = House::open(engine).await;
    let box_ = house.node("box", 4_000, 8_192).await;
    let mut agent = house.agent(&box_).await;
    house.submit("r1", spec(3_000, 1_024)).await;
    let mut first = agent.assigned().await;
    agent.say(first.running(0)).await;
    let second = house.submit("r2", spec(2_000, 1_024)).await;
    let third = house.submit("r3", spec(4_000, 1_024)).await;
    let short = "waits for a place: needs 2000 milli-cores, 1000 of it free on box";
    let waits = house
        .until(&second.id, "the reason", |found| found.reason == short)
        .await;
    assert_eq!(
        (waits.state(), waits.attempt),
        (WorkloadState::Queued, None)
    );

    let why = house.explain(&second.id).await;
    assert_eq!((why.summary.as_str(), why.queue_position), (short, 1));
    let obstacle = &why.obstacles[0];
    assert_eq!((obstacle.what.as_str(), obstacle.nodes), ("cpu", 1));
    let change = why.smallest_change.unwrap();
    assert_eq!(
        change.summary,
        "it would start if 1000 milli-cores more became free on node box"
    );
    assert_eq!((change.node_id, change.opens), (box_.id.clone(), false));
    assert_eq!(change.more.unwrap().milli_cores, 1_000);
    assert_eq!(house.explain(&third.id).await.queue_position, 2);

    // Room for one of them, and it goes to the older.
    agent
        .say(first.ended(AttemptEnd::Completed, Fault::Unspecified, "done"))
        .await;
    let mut next = agent.assigned().await;
    assert_eq!(next.assignment.workload_id, second.id);
    assert_eq!(house.explain(&third.id).await.queue_position, 1);
    agent
        .say(next.ended(AttemptEnd::Completed, Fault::Unspecified, "done"))
        .await;
    assert_eq!(agent.assigned().await.assignment.workload_id, third.id);
    let why = house.explain(&third.id).await;
    assert_eq!((why.queue_position, why.obstacles.len()), (0, 0));
    assert!(why.summary.starts_with("has a place"), "{}", why.summary);
}

async fn a_closed_node_takes_nothing_until_it_opens(engine: Engine) {
    let house = House::open(engine).await;
    let mut closed = node("box", 4_000, 8_192, 0);
    closed.schedulable = NodeSchedulable::Cordoned.into();
    let mut open = house.tell(closed).await;
    let mut agent = house.agent(&open).await;
    let workload = house.submit("r1", spec(1_000, 1_024)).await;
    let why = "waits for a place: node box is cordoned";
    house
        .until(&workload.id, "the reason", |found| found.reason == why)
        .await;
    assert_eq!(house.explain(&workload.id).await.obstacles[0].what, "node");

    open.schedulable = NodeSchedulable::Open.into();
    open.revision = 2;
    house.tell(open).await;
    assert_eq!(agent.assigned().await.assignment.workload_id, workload.id);
}

/// Old news of a node does not undo newer news.
async fn the_newest_news_of_a_node_holds(engine: Engine) {
    let house = House::open(engine).await;
    let old = house.node("box", 4_000, 8_192).await;
    let mut new = old.clone();
    (new.revision, new.name) = (3, "box-3".to_owned());
    house.tell(new.clone()).await;
    let event = contracts::inventory::v1::NodeChanged {
        node: Some(old),
        ..contracts::inventory::v1::NodeChanged::default()
    };
    house.nats.publish(&event, &new.id).await;
    // A later event has been handled, so the older one has too.
    house.tell(node("other", 1_000, 1_024, 0)).await;
    let named = "SELECT COUNT(*) FROM nodes WHERE name = 'box-3' AND revision = 3";
    assert_eq!(house.number(named).await, 1);
}

/// However many wait for something else, longer.
async fn what_fits_passes_what_waits(engine: Engine) {
    let house = House::open(engine).await;
    let with_gpu = house.tell(node("gpu", 64_000, 65_536, 1)).await;
    let mut agent = house.agent(&with_gpu).await;
    house.submit("first", gpu_spec(1)).await;
    agent.assigned().await;
    house.submit("second", gpu_spec(1)).await;
    let many = "INSERT INTO workloads WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 300) \
        SELECT 'wo-0' || n, team_id, project_id, user_id, owner_id, 'many-' || n, spec, state, '', stop_wanted, retries_left, \
         generation, revision, created_at, files_on, traceparent, priority, preemptible, free FROM workloads, numbers WHERE request_id = 'second'";
    house.tables().await.execute_unprepared(many).await.unwrap();
    let small = house.submit("small", spec(1_000, 1_024)).await;
    assert_eq!(agent.assigned().await.assignment.workload_id, small.id);
    let with_reason =
        "SELECT COUNT(*) FROM workloads WHERE reason LIKE 'waits for a place: needs 1 x H100%'";
    eventually("everybody knows why", || async {
        (house.number(with_reason).await == 301).then_some(())
    })
    .await;
}

testkit::on_each_engine!(
    a_full_node_lets_wait_and_says_why,
    a_closed_node_takes_nothing_until_it_opens,
    the_newest_news_of_a_node_holds,
    what_fits_passes_what_waits,
);
