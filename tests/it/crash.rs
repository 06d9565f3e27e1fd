//! What is killed comes back, and nothing is lost or doubled.

use serde_json::Value;

use crate::installation::Installation;
use crate::split::SERVICES;

/// `kill -9` of everything but the notebook: it goes on, its kernel keeps its memory, and no second is lost or billed twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_notebook_outlives_the_process_that_started_it() {
    let mut quire = Installation::start();
    let created = quire.quire(&["notebook", "create", "--name", "survivor"]);
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

    let stopped = quire.quire(&["notebook", "stop", "survivor"]);
    assert_eq!(stopped["state"], "Stopped");
    billed_once(&quire);
}

/// The control plane goes away for a while, killed program by program: the notebook serves on over the WebSocket that is open,
/// nothing is moved or doubled, and the meter has no hole.
#[tokio::test(flavor = "multi_thread")]
async fn a_notebook_serves_on_without_a_control_plane() {
    let mut quire = Installation::start_split();
    let created = quire.quire(&["notebook", "create", "--name", "steady"]);
    let jupyter = quire.jupyter(&created);
    let mut kernel = jupyter.kernel().await;
    assert_eq!(kernel.run("memory = 1").await, Ok(String::new()));

    for (number, service) in SERVICES.into_iter().chain(["gateway"]).enumerate() {
        quire.split().kill(service);
        let code = format!("memory += 1; print(memory - {number})");
        assert_eq!(
            kernel.run(&code).await,
            Ok("2".to_owned()),
            "{service} is dead"
        );
    }
    assert!(
        jupyter.get("/api/status").await["kernels"].is_number(),
        "new requests are served, too"
    );
    for service in SERVICES.into_iter().chain(["gateway"]) {
        quire.split().restart(service);
    }
    testkit::wait_for("the control plane", || {
        quire
            .try_quire(&["notebook", "show", "steady"])
            .status
            .success()
            .then_some(())
    });
    assert_eq!(kernel.run("print(memory)").await, Ok("8".to_owned()));
    quire.quire(&["notebook", "stop", "steady"]);
    billed_once(&quire);
}

/// `kill -9` of the agent, the edge and each service while a notebook runs: all come back and go on with what is there.
#[tokio::test(flavor = "multi_thread")]
async fn every_program_may_be_killed() {
    let mut quire = Installation::start_split();
    let created = quire.quire(&["notebook", "create", "--name", "target"]);
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
    testkit::wait_for("the control plane", || {
        quire
            .try_quire(&["notebook", "stop", "target"])
            .status
            .success()
            .then_some(())
    });
    billed_once(&quire);
}

/// Waits until the one run is billed, once, and everything that is owed can be proved.
fn billed_once(quire: &Installation) {
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
    assert!(line["milliseconds"].as_i64().unwrap() > 0);
    let audit = testkit::wait_for("an audit", || {
        let output = quire.try_quire(&["audit", "--output", "json"]);
        serde_json::from_slice::<Value>(&output.stdout).ok()
    });
    assert_eq!(audit["differences"], serde_json::json!([]));
}
