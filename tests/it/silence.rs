//! A node that is cut off: what runs there runs on, is neither moved nor forgotten, and is paid through.

use std::time::Instant;

use serde_json::Value;
use testkit::Proxy;

use crate::installation::Installation;
use crate::invariants;
use crate::life::{Begun, Life, id};
use crate::rest::{Rest, patiently};
use crate::wiring::Wiring;

/// Silence after two seconds, so that a test need not wait longer.
const QUICK: [(&str, &str, &str); 3] = [
    ("inventory", "HEARTBEAT_MS", "500"),
    ("inventory", "SILENCE_TIMEOUT_MS", "2000"),
    ("scheduler", "COMPARE_MS", "500"),
];

/// A split installation with a second node, whose way to the control plane is the proxy.
fn two_nodes() -> (Installation, Proxy) {
    let mut quire = Installation::start_wired(Wiring {
        settings: QUICK.into(),
        ..Wiring::default()
    });
    let way = Proxy::tcp(quire.gateway);
    let split = quire.split();
    let data = split.folder.join("agent2").display().to_string();
    let run = split.folder.join("run2").display().to_string();
    let through = format!("https://127.0.0.1:{}", way.port());
    for (key, value) in [
        ("DATA_DIR", &*data),
        ("RUN_DIR", &run),
        ("NAME", "far"),
        ("WORKLOAD_NETWORK", "10.232.0.0/16"),
        ("FIRST_UID", "300000"),
        ("IDENTITY", &through),
        ("INVENTORY", &through),
        ("VOLUME", &through),
        ("SCHEDULER", &through),
    ] {
        split.set("agent#2", key, value);
    }
    let relays = split.run_dir().display().to_string();
    split.set("agent#2", "RELAY_DIR", relays);
    split.set("agent#2", "CPU_OVERCOMMIT", "4");
    quire.start_agent("agent#2");
    (quire, way)
}

fn nodes(quire: &Installation) -> Vec<Value> {
    let output = quire.try_quire(&["node", "list", "--output", "json"]);
    let nodes: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    nodes.as_array().cloned().unwrap_or_default()
}

async fn wait_for_liveness(quire: &Installation, name: &str, liveness: &str) {
    patiently(&format!("{name} to be {liveness}"), || async {
        let node = nodes(quire).into_iter().find(|node| node["name"] == name)?;
        (node["liveness"] == liveness).then_some(())
    })
    .await;
}

/// Attempt, state, node and whether it is unreachable, of every attempt for a notebook.
fn attempts(quire: &mut Installation, notebook: &str) -> Vec<Vec<String>> {
    let statement = format!(
        "SELECT a.id, a.state, n.name, a.unreachable_since IS NOT NULL FROM attempts a JOIN workloads w ON w.id = a.workload_id \
         JOIN nodes n ON n.id = a.node_id WHERE w.owner_id = '{notebook}' ORDER BY a.generation"
    );
    quire
        .split()
        .query("scheduler", &statement)
        .unwrap_or_default()
}

async fn wait_for_reach(
    quire: &mut Installation,
    notebook: &str,
    unreachable: &str,
) -> Vec<String> {
    let started = Instant::now();
    loop {
        let found = attempts(quire, notebook);
        assert_eq!(found.len(), 1, "it is not moved: {found:?}");
        if found[0][3] == unreachable {
            return found[0].clone();
        }
        assert!(started.elapsed() < crate::rest::PATIENCE, "{found:?}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notebook_on_a_node_that_is_cut_off_stays_and_is_paid_through() {
    let (mut quire, way) = two_nodes();
    let rest = Rest::of(&quire);
    wait_for_liveness(&quire, "far", "ready").await;
    let near = nodes(&quire)
        .into_iter()
        .find(|node| node["name"] != "far")
        .unwrap();
    let near = near["name"].as_str().unwrap().to_owned();
    quire.quire(&["node", "cordon", &near]);

    let asked = Instant::now();
    let created = rest.create("far-away").await;
    let notebook = id(&created);
    rest.wait_for(&notebook, "Running").await;
    let begun = Begun::now(asked);
    let placed = attempts(&mut quire, &notebook);
    assert_eq!(placed[0][2], "far");
    quire.quire(&["node", "uncordon", &near]);
    let jupyter = rest.jupyter(&created);
    let mut kernel = jupyter.kernel().await;
    assert_eq!(kernel.run("memory = 'kept'").await, Ok(String::new()));

    way.hold();
    let marked = wait_for_reach(&mut quire, &notebook, "t").await;
    assert_eq!(marked[..3], placed[0][..3], "the same attempt, and it runs");
    assert_eq!(
        kernel.run("print(memory)").await,
        Ok("kept".to_owned()),
        "who is connected stays connected"
    );
    rest.wait_for(&notebook, "Running").await;
    wait_for_liveness(&quire, &near, "ready").await;
    // Work goes where somebody answers.
    let elsewhere = live_elsewhere(&mut quire, &rest, &near).await;

    way.mend();
    let back = wait_for_reach(&mut quire, &notebook, "f").await;
    assert_eq!(back, placed[0], "it came back as it was");
    assert_eq!(kernel.run("print(memory)").await, Ok("kept".to_owned()));
    let stopping = Instant::now();
    rest.stop(&notebook).await;
    rest.wait_for(&notebook, "Stopped").await;
    let run = begun.ended(stopping);
    rest.delete(&notebook).await;
    let far = Life {
        notebook,
        runs: vec![run],
    };
    invariants::hold(quire.split(), &rest, &[far, elsewhere]).await;
}

async fn live_elsewhere(quire: &mut Installation, rest: &Rest, near: &str) -> Life {
    let asked = Instant::now();
    let notebook = id(&rest.create("elsewhere").await);
    rest.wait_for(&notebook, "Running").await;
    let begun = Begun::now(asked);
    assert_eq!(attempts(quire, &notebook)[0][2], near);
    let stopping = Instant::now();
    rest.delete(&notebook).await;
    Life {
        notebook,
        runs: vec![begun.ended(stopping)],
    }
}

/// Inventory was away for longer than a node may be silent: it has heard nobody, and says so of nobody.
#[tokio::test(flavor = "multi_thread")]
async fn an_observer_that_was_away_accuses_nobody() {
    let mut quire = Installation::start_wired(Wiring {
        settings: QUICK.into(),
        ..Wiring::default()
    });
    let seen = |quire: &mut Installation| {
        let rows = quire
            .split()
            .query("inventory", "SELECT last_seen_at, liveness FROM nodes")?;
        let row = rows.first()?;
        Some((row[0].parse::<i64>().ok()?, row[1].clone()))
    };
    let (last, _) = seen(&mut quire).unwrap();
    quire.split().kill("inventory");
    let away = Instant::now();
    testkit::wait_for("two timeouts without inventory", || {
        (away.elapsed().as_millis() > 4_000).then_some(())
    });
    quire.split().restart("inventory");
    // It may judge after it has led for two timeouts: look for longer than that, by the node's own heartbeats.
    testkit::wait_for("heartbeats after the return", || {
        let (heard, liveness) = seen(&mut quire)?;
        assert_eq!(liveness, "ready");
        (heard > last + 4_000_000 + 5_000_000).then_some(())
    });
}
