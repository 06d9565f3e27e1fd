//! What a pass over the queue costs.

use std::sync::{Arc, Mutex};

use chassis::grpc::{Caller, TokenSource, connect};
use chassis::lease;
use chassis::{Address, Database};
use contracts::agent::v1::Report;
use contracts::common::v1::Resources as WireResources;
use contracts::inventory::v1::inventory_service_client::InventoryServiceClient;
use contracts::inventory::v1::{Hardware, Node, NodeLiveness, NodeSchedulable};
use contracts::scheduler::v1::{AttemptEnd, AttemptState, WorkloadSpec};
use contracts::volume::v1::volume_service_client::VolumeServiceClient;
use kernel::Clock;
use kernel::id::{NodeId, TeamId};
use kernel::time::{ManualClock, from_micros};
use sea_orm::{ColumnTrait as _, ConnectionTrait as _, PaginatorTrait as _, QueryFilter as _};
use testkit::Engine;

use super::*;
use crate::app::{Leadership, Links, Metrics, NewWorkload, Possible, Together, Told, Usual};
use crate::domain::engine::Policy;
use crate::domain::queue::Rules;
use crate::store::Migrator;
use crate::store::entity::attempt;

const NODES: usize = 50;
const WORKLOADS: usize = 200;

/// The use cases as the leader has them, on a database whose statements are noted; the neighbours are nowhere.
async fn leader(engine: Engine) -> (App, Arc<Mutex<Vec<String>>>, testkit::Database) {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(from_micros(1_000_000)));
    let url = engine.database();
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let notes = seen.clone();
    let database = Database::open::<Migrator>(&url.url())
        .await
        .unwrap()
        .watched(move |sql| notes.lock().unwrap().push(sql.to_owned()));
    let nowhere = connect(
        &Address::Unix("/nowhere.sock".into()),
        &chassis::tls::Trust::public(),
    )
    .unwrap();
    let tokens = TokenSource::new(nowhere.clone(), String::new().into(), clock.clone());
    let caller = Caller::new(nowhere, tokens);
    let leadership = Leadership::default();
    let held = lease::acquire(&database, "leader", "test", clock.now());
    leadership.set(held.await.unwrap());
    let app = App {
        database,
        outbox: bus::Outbox::new(clock.clone()),
        clock,
        inventory: InventoryServiceClient::new(caller.clone()),
        volume: VolumeServiceClient::new(caller),
        leadership,
        links: Links::default(),
        placeable: Arc::default(),
        dispatchable: Arc::default(),
        node_changes: Arc::default(),
        metrics: Metrics::new(),
        told: Told::default(),
        policy: Policy::Default,
        rules: Rules {
            half_life_ms: 1_000,
            min_run_ms: 0,
            patience_ms: 1_000,
            drain_ms: 1_000,
            with_notice: true,
        },
        notice_ms: 1_000,
        usual: Usual::default(),
        kept: Arc::default(),
        possible: Possible::default(),
        submits: Together::default(),
        reports: Together::default(),
    };
    (app, seen, url)
}

async fn fill(app: &App) {
    join(app).await;
    submit(app, 0..WORKLOADS).await;
}

async fn join(app: &App) {
    for number in 0..NODES {
        let node = Node {
            id: NodeId::generate().into(),
            name: format!("box-{number}"),
            hardware: Some(Hardware {
                milli_cores: 2_000,
                memory_mib: 8_192,
                disk_gib: 100,
                gpus: Vec::new(),
            }),
            cpu_overcommit: 1,
            liveness: NodeLiveness::Ready.into(),
            schedulable: NodeSchedulable::Open.into(),
            revision: 1,
            ..Node::default()
        };
        app.take_over(node, false).await.unwrap();
    }
}

/// Workloads of half a node each.
async fn submit(app: &App, numbers: std::ops::Range<usize>) {
    let team = TeamId::generate();
    for number in numbers {
        let spec = WorkloadSpec {
            resources: Some(WireResources {
                milli_cores: 1_000,
                memory_mib: 1_024,
                disk_gib: 1,
                ..WireResources::default()
            }),
            command: vec!["true".to_owned()],
            ..WorkloadSpec::default()
        };
        let new = NewWorkload {
            team_id: team.into(),
            project_id: String::new(),
            user_id: String::new(),
            owner_id: format!("nb-{number}"),
            request_id: format!("r{number}"),
            spec,
        };
        app.submit(new).await.unwrap();
    }
}

/// 50 nodes with room for two each, 200 that wait: nodes and GPUs are read once, what fits is committed at once, and a pass that
/// can place nothing costs the same however many wait.
async fn a_pass_reads_the_nodes_once(engine: Engine) {
    let (app, seen, _database) = leader(engine).await;
    fill(&app).await;
    let reads_of = |statements: &[String], table: &str| {
        let from = format!("FROM \"{table}\"");
        let reads = |sql: &&String| sql.starts_with("SELECT") && sql.contains(&from);
        statements.iter().filter(reads).count()
    };
    let pass = async || {
        seen.lock().unwrap().clear();
        app.place_queued().await.unwrap();
        std::mem::take(&mut *seen.lock().unwrap())
    };
    let placing = pass().await;
    assert_eq!(reads_of(&placing, "nodes"), 1);
    assert_eq!(reads_of(&placing, "devices"), 1);
    let taken = placing.iter().filter(|sql| sql.contains("UPDATE nodes"));
    assert_eq!(taken.count(), 1, "all decisions in one transaction");
    let left = app.node_views(app.database.reader()).await.unwrap();
    assert!(left.iter().all(|node| node.free.milli_cores == 0));

    let waiting = pass().await;
    assert_eq!(
        waiting.len(),
        6,
        "whether and what waits, the queues, and what has changed of nodes and attempts: {waiting:#?}"
    );
}

/// What is kept of the nodes is wrong: nothing is given twice, what still fits is placed, and the next pass knows better.
async fn what_was_taken_meanwhile_is_read_anew(engine: Engine) {
    let (app, _, _database) = leader(engine).await;
    join(&app).await;
    submit(&app, 0..10).await;
    app.place_queued().await.unwrap();
    // Past the scheduler, and without the number by which it would notice.
    let taken = "UPDATE nodes SET free_milli_cores = 0 WHERE id IN (SELECT node_id FROM attempts) OR id IN \
                 (SELECT id FROM nodes ORDER BY id DESC LIMIT 40)";
    let reader = app.database.reader();
    reader.execute_unprepared(taken).await.unwrap();
    let nodes = app.node_views(reader).await.unwrap();
    let free: u32 = nodes.iter().map(|node| node.free.milli_cores / 1_000).sum();
    assert!((1..20).contains(&free), "{free}");
    submit(&app, 0..20).await;
    for _ in 0..2 {
        app.place_queued().await.unwrap();
        let open = open_attempts(&app).await;
        assert_eq!(open, 10 + u64::from(free), "all that was free, and no more");
    }
}

/// An end is seen by the next pass though the nodes are not read again.
async fn what_becomes_free_is_seen(engine: Engine) {
    let (app, seen, _database) = leader(engine).await;
    fill(&app).await;
    app.place_queued().await.unwrap();
    let held = app.leadership.held().unwrap();
    let open = attempt::Entity::find()
        .one(app.database.reader())
        .await
        .unwrap()
        .unwrap();
    let report = Report {
        attempt_id: open.id,
        generation: 1,
        sequence: 1,
        state: AttemptState::Ended.into(),
        end: AttemptEnd::Completed.into(),
        ..Report::default()
    };
    app.on_report(&held, &open.node_id, &report).await.unwrap();
    assert_eq!(open_attempts(&app).await, 2 * NODES as u64 - 1);
    seen.lock().unwrap().clear();
    app.place_queued().await.unwrap();
    assert_eq!(open_attempts(&app).await, 2 * NODES as u64);
    let statements = std::mem::take(&mut *seen.lock().unwrap());
    let all = |sql: &&String| sql.contains("FROM \"nodes\"") && !sql.contains("WHERE");
    assert_eq!(statements.iter().find(all), None);
}

async fn open_attempts(app: &App) -> u64 {
    attempt::Entity::find()
        .filter(attempt::Column::State.ne(i32::from(AttemptState::Ended)))
        .count(app.database.reader())
        .await
        .unwrap()
}

testkit::on_each_engine!(
    a_pass_reads_the_nodes_once,
    what_was_taken_meanwhile_is_read_anew,
    what_becomes_free_is_seen,
);
