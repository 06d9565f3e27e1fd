//! The agent dies, and what it runs does not.

use std::fs;

use contracts::scheduler::v1::{AttemptEnd, AttemptState, Fault};
use serde_json::Value;
use testkit::eventually;

use crate::node::{Node, is_alive, logged, script, spec};

fn shim(node: &Node, attempt: &contracts::agent::v1::Assignment) -> u64 {
    let text = fs::read_to_string(node.attempt(attempt).join("shim.json")).unwrap();
    let record: Value = serde_json::from_str(&text).unwrap();
    record["pid"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_agent_leaves_workloads_running_and_the_next_one_adopts_them() {
    let mut node = Node::stopped().await;
    node.start_process().await;
    let stays = script("i=0; while true; do i=$((i+1)); echo tick $i; sleep 0.05; done");
    let ends = script(
        "echo up; while [ ! -e /tmp/end ]; do sleep 0.05; [ $SECONDS_MAX ] || true; i=$((i+1)); [ $i -gt 20 ] && exit 5; done",
    );
    for attempt in [&stays, &ends] {
        node.control.assign(attempt).await;
        node.control.running(attempt).await;
    }
    let (pid, other) = (shim(&node, &stays), shim(&node, &ends));
    node.kill();
    assert!(is_alive(pid), "the shim died with the agent");
    // The one ends while no agent is there.
    let exit = node.attempt(&ends).join("exit.json");
    eventually("the end", || async { exit.exists().then_some(()) }).await;

    node.start_process().await;
    let held = node.control.hellos().pop().unwrap().held;
    assert_eq!(held.len(), 2, "{held:?}");
    let report = node.control.ended(&ends).await;
    assert_eq!(
        (report.end(), report.fault()),
        (AttemptEnd::Failed, Fault::User),
        "{report:?}"
    );
    assert!(report.reason.starts_with("exit code 5"), "{report:?}");
    assert!(report.ran_ms.unwrap() >= 900, "{report:?}");

    assert_eq!(shim(&node, &stays), pid);
    assert_ne!(pid, other);
    let still = held
        .iter()
        .find(|report| report.attempt_id == stays.attempt_id)
        .unwrap();
    assert_eq!(still.state(), AttemptState::Running);
    node.control.stop(&stays, "user").await;
    let report = node.control.ended(&stays).await;
    assert_eq!(report.end(), AttemptEnd::Stopped);
    let log = node.log(&stays).await;
    assert!(
        log.starts_with("tick 1\n") && log.lines().count() > 10,
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_was_stopped_forgets_nothing() {
    let mut node = Node::start().await;
    let attempt = script("echo up; sleep 1000");
    node.control.assign(&attempt).await;
    node.control.running(&attempt).await;
    let pid = shim(&node, &attempt);
    node.stop().await;
    assert!(is_alive(pid));
    node.start_task().await;
    node.control.stop(&attempt, "user").await;
    assert_eq!(
        node.control.ended(&attempt).await.end(),
        AttemptEnd::Stopped
    );
    assert!(!is_alive(pid));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_shim_takes_its_workload_along() {
    let node = Node::start().await;
    let attempt = script("echo up; sleep 1000");
    node.control.assign(&attempt).await;
    logged(&node, &attempt, "up").await;
    let record: Value = serde_json::from_str(
        &fs::read_to_string(node.attempt(&attempt).join("shim.json")).unwrap(),
    )
    .unwrap();
    let [shim, child] = ["pid", "child"].map(|field| record[field].as_u64().unwrap());
    let pid = rustix::process::Pid::from_raw(i32::try_from(shim).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let report = node.control.ended(&attempt).await;
    assert_eq!(
        (report.end(), report.fault()),
        (AttemptEnd::Failed, Fault::Platform),
        "{report:?}"
    );
    assert!(report.reason.contains("shim was killed"), "{report:?}");
    eventually("the workload's end", || async {
        (!is_alive(child)).then_some(())
    })
    .await;
    eventually("no traces", || async {
        node.traces(&attempt.attempt_id).is_empty().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_boot_in_between_is_seen() {
    let mut node = Node::start().await;
    let attempt = script("echo up; sleep 1000");
    node.control.assign(&attempt).await;
    node.control.running(&attempt).await;
    let pid = shim(&node, &attempt);
    node.stop().await;
    // The machine is booted: the processes are gone, and what they wrote is of another boot.
    let shim = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(shim, rustix::process::Signal::KILL).unwrap();
    eventually("the shim's end", || async {
        (!is_alive(pid)).then_some(())
    })
    .await;
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    for file in ["shim.json", "state.json"] {
        let path = node.attempt(&attempt).join(file);
        let text = fs::read_to_string(&path)
            .unwrap()
            .replace(boot.trim(), "another-boot");
        fs::write(&path, text).unwrap();
    }
    node.start_task().await;
    let report = node.control.ended(&attempt).await;
    assert_eq!(
        (report.end(), report.fault()),
        (AttemptEnd::Failed, Fault::Platform),
        "{report:?}"
    );
    assert!(report.reason.contains("booted"), "{report:?}");
    assert_eq!(
        (report.boot_id.as_str(), report.ran_ms.is_some()),
        ("another-boot", true),
        "{report:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_agent_leaves_nothing_on_the_machine() {
    let mut node = Node::start().await;
    let attempt = script("true");
    node.control.assign(&attempt).await;
    node.control.ended(&attempt).await;
    eventually("the files to go", || async {
        (!node.attempt(&attempt).exists()).then_some(())
    })
    .await;
    let laid = node.rules();
    node.stop().await;
    assert_eq!(
        (node.rules(), node.traces("")),
        (String::new(), Vec::new()),
        "{laid}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn strays_of_a_dead_agent_are_removed() {
    let mut node = Node::start().await;
    let mut attempt = script("echo up; sleep 1000");
    spec(&mut attempt).max_duration_seconds = 0;
    node.control.assign(&attempt).await;
    node.control.running(&attempt).await;
    let before = node.traces(&attempt.attempt_id);
    let pid = shim(&node, &attempt);
    node.stop().await;
    // Its files are lost: nobody knows of it any more.
    let away = node.config.data_dir.join("away");
    fs::rename(node.attempt(&attempt), &away).unwrap();
    node.start_task().await;
    if crate::node::is_root() {
        assert!(before.len() > 1, "{before:?}");
    }
    assert!(node.traces(&attempt.attempt_id).is_empty());
    eventually("the shim's end", || async {
        (!is_alive(pid)).then_some(())
    })
    .await;
}
