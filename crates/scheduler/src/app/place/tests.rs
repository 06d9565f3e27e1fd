//! What a pass over the queue costs.

use std::sync::{Arc, Mutex};

use chassis::grpc::{Caller, TokenSource, connect};
use chassis::{Address, Database};
use contracts::common::v1::Resources as WireResources;
use contracts::inventory::v1::inventory_service_client::InventoryServiceClient;
use contracts::inventory::v1::{Hardware, Node};
use contracts::scheduler::v1::WorkloadSpec;
use contracts::volume::v1::volume_service_client::VolumeServiceClient;
use kernel::Clock;
use kernel::id::{NodeId, TeamId};
use kernel::time::{ManualClock, from_micros};
use testkit::Engine;

use super::*;
use crate::app::{Leadership, Links, Metrics, NewWorkload, Told, Usual};
use crate::domain::engine::Policy;
use crate::store::Migrator;

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
        usual: Usual::default(),
    };
    (app, seen, url)
}

async fn fill(app: &App) {
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
    let team = TeamId::generate();
    for number in 0..WORKLOADS {
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

/// 50 nodes with room for two each, 200 that wait: nodes and GPUs are read once, and a pass that can place nothing costs
/// the same however many wait.
async fn a_pass_reads_the_nodes_once(engine: Engine) {
    let (app, seen, _database) = leader(engine).await;
    fill(&app).await;
    let reads_of = |statements: &[String], table: &str| {
        let from = format!("FROM \"{table}\"");
        let reads = |sql: &&String| sql.starts_with("SELECT") && sql.contains(&from);
        statements.iter().filter(reads).count()
    };
    seen.lock().unwrap().clear();
    app.place_queued().await.unwrap();
    let placing = std::mem::take(&mut *seen.lock().unwrap());
    assert_eq!(reads_of(&placing, "nodes"), 1);
    assert_eq!(reads_of(&placing, "devices"), 1);
    let taken = placing.iter().filter(|sql| sql.starts_with("UPDATE nodes"));
    assert_eq!(taken.count(), 2 * NODES, "no place was tried in vain");

    app.place_queued().await.unwrap();
    let waiting = std::mem::take(&mut *seen.lock().unwrap());
    assert_eq!(waiting.len(), 4, "nodes, GPUs, two pages: {waiting:#?}");
    let left = app.node_views(app.database.reader()).await.unwrap();
    assert!(left.iter().all(|node| node.free.milli_cores == 0));
}

testkit::on_each_engine!(a_pass_reads_the_nodes_once);
