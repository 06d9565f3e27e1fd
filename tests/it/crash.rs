//! What is killed comes back, and nothing is lost or doubled.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::installation::Installation;
use crate::jupyter::Kernel;
use crate::life::{Begun, Run};
use crate::rest::Rest;
use crate::split::SERVICES;
use crate::storm::soak;

/// `kill -9` of everything but the notebook: it goes on, its kernel keeps its memory, and no second is lost or billed twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_notebook_outlives_the_process_that_started_it() {
    let mut quire = Installation::start();
    let asked = Instant::now();
    let created = quire.quire(&["notebook", "create", "--name", "survivor"]);
    let begun = Begun::now(asked);
    let jupyter = quire.jupyter(&created);
    let mut kernel = jupyter.kernel().await;
    assert_eq!(kernel.run("memory = 'kept'").await, Ok(String::new()));

    quire.kill();
    quire.up();
    testkit::eventually("the notebook to answer again", || async {
        let answer = jupyter.try_get("/api/status").await;
        answer
            .is_ok_and(|answer| answer.status().is_success())
            .then_some(())
    })
    .await;
    let mut kernel = jupyter.reconnect(kernel.id()).await;
    assert_eq!(kernel.run("print(memory)").await, Ok("kept".to_owned()));

    let stopping = Instant::now();
    let stopped = quire.quire(&["notebook", "stop", "survivor"]);
    assert_eq!(stopped["state"], "Stopped");
    billed_once(&quire, begun.ended(stopping));
}

/// The control plane goes away for a while, killed program by program with its bus and its databases: the notebook serves on over the WebSocket that is open,
/// nothing is moved or doubled, and the meter has no hole.
#[tokio::test(flavor = "multi_thread")]
async fn a_notebook_serves_on_without_a_control_plane() {
    let mut quire = Installation::start_split();
    let asked = Instant::now();
    let created = quire.quire(&["notebook", "create", "--name", "steady"]);
    let begun = Begun::now(asked);
    let jupyter = quire.jupyter(&created);
    let mut kernel = jupyter.kernel().await;
    assert_eq!(kernel.run("memory = 0").await, Ok(String::new()));
    let attempts = |quire: &mut Installation| {
        let statement = "SELECT id, generation, node_id, billable_from FROM attempts";
        quire.split().query("scheduler", statement).unwrap()
    };
    let before = attempts(&mut quire);

    let mut count = 0;
    let control_plane = || SERVICES.into_iter().chain(["gateway", "nats", "postgres"]);
    for program in control_plane() {
        tokio::task::block_in_place(|| quire.split().crash(program));
        count = counted(&mut kernel, count).await;
    }
    let down = Instant::now();
    while down.elapsed() < outage() {
        count = counted(&mut kernel, count).await;
        assert!(
            jupyter.get("/api/status").await["kernels"].is_number(),
            "new requests are served, too"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // Whoever runs programs brings them back in no particular order.
    for program in control_plane() {
        tokio::task::block_in_place(|| quire.split().recover(program));
    }
    let rest = Rest::of(&quire);
    rest.wait_for("steady", "Running").await;
    counted(&mut kernel, count).await;
    assert_eq!(attempts(&mut quire), before, "nothing was moved or doubled");
    let stopping = Instant::now();
    rest.stop("steady").await;
    rest.wait_for("steady", "Stopped").await;
    let run = begun.ended(stopping);
    assert_eq!(attempts(&mut quire), before);
    billed_once(&quire, run);
    assert_eq!(
        quire.split().raise_fallen(),
        Vec::<String>::new(),
        "who comes back first waits for the bus and the databases"
    );
}

/// How long the control plane is away.
fn outage() -> Duration {
    Duration::from_secs(if soak().is_some() { 60 } else { 10 })
}

/// Counts on in the kernel's memory, which is where it was.
async fn counted(kernel: &mut Kernel, before: u32) -> u32 {
    let said = kernel.run("memory += 1; print(memory)").await;
    assert_eq!(said, Ok((before + 1).to_string()));
    before + 1
}

/// `kill -9` of the agent, the edge and each service while a notebook runs: all come back and go on with what is there.
#[tokio::test(flavor = "multi_thread")]
async fn every_program_may_be_killed() {
    let mut quire = Installation::start_split();
    let asked = Instant::now();
    let created = quire.quire(&["notebook", "create", "--name", "target"]);
    let begun = Begun::now(asked);
    let jupyter = quire.jupyter(&created);
    let mut kernel = jupyter.kernel().await;
    assert_eq!(kernel.run("memory = 'kept'").await, Ok(String::new()));
    for name in SERVICES.into_iter().chain(["edge", "gateway", "agent"]) {
        quire.split().kill(name);
        quire.split().restart(name);
    }
    testkit::eventually("the notebook to answer again", || async {
        let answer = jupyter.try_get("/api/status").await;
        answer
            .is_ok_and(|answer| answer.status().is_success())
            .then_some(())
    })
    .await;
    let mut kernel = jupyter.reconnect(kernel.id()).await;
    assert_eq!(kernel.run("print(memory)").await, Ok("kept".to_owned()));
    let rest = Rest::of(&quire);
    let stopping = Instant::now();
    rest.stop("target").await;
    rest.wait_for("target", "Stopped").await;
    billed_once(&quire, begun.ended(stopping));
}

/// Waits until the one run is billed, once, for no more and no less than was seen, and everything that is owed can be proved.
fn billed_once(quire: &Installation, run: Run) {
    let line = testkit::wait_for("the run in the usage", || {
        let output = quire.try_quire(&["usage", "--output", "json"]);
        let usage: Value = serde_json::from_slice(&output.stdout).ok()?;
        let lines = usage["lines"].as_array()?;
        assert!(
            lines.len() <= 1,
            "one run is billed more than once: {usage}"
        );
        let line = lines.first()?;
        (line["running"] == false).then(|| line.clone())
    });
    let (least, most) = run.bounds();
    let billed = line["milliseconds"].as_i64().unwrap();
    assert!(
        (least..=most).contains(&billed),
        "{least} <= {billed} <= {most}"
    );
    let audit = testkit::wait_for("an audit", || {
        let output = quire.try_quire(&["audit", "--output", "json"]);
        serde_json::from_slice::<Value>(&output.stdout).ok()
    });
    assert_eq!(audit["differences"], serde_json::json!([]));
}
