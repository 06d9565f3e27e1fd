//! What is killed comes back, and nothing is lost or doubled.

use crate::installation::Installation;
use crate::jupyter::Jupyter;

/// `kill -9` of everything but the notebook: it goes on, its kernel keeps its memory, and no second is lost or billed twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_notebook_outlives_the_process_that_started_it() {
    let mut quire = Installation::start();
    let created = quire.quire(&["notebook", "create", "--name", "survivor"]);
    let jupyter = Jupyter::new(&created, quire.edge);
    let mut kernel = jupyter.kernel().await;
    assert_eq!(kernel.run("memory = 'kept'").await, Ok(String::new()));

    quire.kill();
    quire.up();
    testkit::eventually("the notebook to answer again", || async {
        let answer = jupyter.request(reqwest::Method::GET, "/api/status", None).await;
        answer.status().is_success().then_some(())
    })
    .await;
    let mut kernel = jupyter.reconnect(kernel.id()).await;
    assert_eq!(kernel.run("print(memory)").await, Ok("kept".to_owned()));

    let stopped = quire.quire(&["notebook", "stop", "survivor"]);
    assert_eq!(stopped["state"], "Stopped");
    let lines = testkit::wait_for("the run in the usage", || {
        let usage = quire.quire(&["usage"]);
        let lines = usage["lines"].as_array().unwrap().clone();
        (lines.len() == 1 && lines[0]["running"] == false).then_some(lines)
    });
    assert!(lines[0]["milliseconds"].as_i64().unwrap() > 0);
    assert_eq!(quire.quire(&["audit"])["differences"], serde_json::json!([]));
}
