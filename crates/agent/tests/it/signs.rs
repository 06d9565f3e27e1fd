//! Signs that workloads work, measured on real control groups, networks and terminals. Need root and all protections.

use contracts::agent::v1::Assignment;
use serde_json::Value;
use testkit::eventually;

use crate::node::{Node, is_root, job, script, skip};

/// A node that can measure everything, and does so often.
async fn measuring() -> Option<Node> {
    if !is_root() {
        skip("needs root");
        return None;
    }
    let mut node = Node::stopped().await;
    node.config.measure_ms = 500;
    node.start_process().await;
    let heartbeat = eventually("a heartbeat", || async { node.control.heartbeats().pop() }).await;
    let lacks = |what: &str| {
        let mut lacks = heartbeat.missing_isolation.iter();
        lacks.any(|lack| lack.starts_with(what))
    };
    if lacks("limits") || lacks("network") {
        skip("this machine has no limits or makes no networks, and the agent says so");
        return None;
    }
    Some(node)
}

async fn run(node: &Node, assignment: &Assignment) {
    node.control.assign(assignment).await;
    node.control.running(assignment).await;
}

/// The sign with this name, once it is as `condition` says of its `idle_ms`.
pub(crate) async fn sign_when(
    node: &Node,
    assignment: &Assignment,
    name: &str,
    condition: impl Fn(&Value) -> bool,
) -> Value {
    let path = format!("/v1/workloads/{}/1/signs", assignment.workload_id);
    eventually(name, || async {
        let (status, body) = node.ask(&path).await;
        if status != 200 {
            return None;
        }
        let body: Value = serde_json::from_str(&body).unwrap();
        let signs = body["signs"].as_array().unwrap().clone();
        signs
            .into_iter()
            .find(|sign| sign["name"] == name && condition(&sign["idle_ms"]))
    })
    .await
}

/// It has rested for more than three measurements.
fn rests(idle_ms: &Value) -> bool {
    idle_ms.as_u64().is_some_and(|ms| ms > 1_500)
}

fn works(idle_ms: &Value) -> bool {
    idle_ms == 0
}

#[tokio::test(flavor = "multi_thread")]
async fn what_sleeps_rests_in_every_way() {
    let Some(node) = measuring().await else {
        return;
    };
    let asleep = script("sleep 1000");
    run(&node, &asleep).await;
    for name in ["CPU", "network", "programs in terminals"] {
        sign_when(&node, &asleep, name, rests).await;
    }
    let stranger = format!("/v1/workloads/{}/2/signs", asleep.workload_id);
    assert_eq!(node.ask(&stranger).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn processors_are_seen_at_work() {
    let Some(node) = measuring().await else {
        return;
    };
    let busy = script("while :; do :; done");
    run(&node, &busy).await;
    // Its first measurement counts as work whatever it does: that it still works later is what counts.
    let detail = |sign: &Value| sign["detail"].as_str().unwrap().ends_with("% of one core");
    eventually("its share", || async {
        let sign = sign_when(&node, &busy, "CPU", works).await;
        detail(&sign).then_some(())
    })
    .await;
    sign_when(&node, &busy, "network", rests).await;
}

/// Sends 20 KB a second away from its machine, whether it arrives or not.
const SENDER: &str = "
import socket, time
away = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    try: away.sendto(bytes(1000), ('192.0.2.1', 9))
    except OSError: pass
    time.sleep(0.05)
";

/// Two programs talk over the loopback, as a notebook's server does with its kernels.
const TALKERS: &str = "
import socket, time
server = socket.create_server(('127.0.0.1', 0))
client = socket.create_connection(server.getsockname())
other, _ = server.accept()
while True:
    client.sendall(bytes(1000))
    other.recv(1000)
    time.sleep(0.05)
";

#[tokio::test(flavor = "multi_thread")]
async fn traffic_with_the_outside_is_seen_and_with_itself_is_not() {
    let Some(node) = measuring().await else {
        return;
    };
    let (sender, talkers) = (
        job(&["python3", "-c", SENDER]),
        job(&["python3", "-c", TALKERS]),
    );
    for workload in [&sender, &talkers] {
        run(&node, workload).await;
    }
    let rested = sign_when(&node, &talkers, "network", rests).await;
    assert_eq!(
        rested["detail"],
        "0 bytes a second, 0 connections to the outside"
    );
    sign_when(&node, &sender, "network", works).await;
}

/// Runs a shell in a terminal, which runs what it is told.
fn in_terminal(command: &str) -> Assignment {
    let code = format!("import pty; pty.spawn(['sh', '-c', {command:?}])");
    job(&["python3", "-c", &code])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_in_a_terminal_is_seen_and_a_shell_that_waits_is_not() {
    let Some(node) = measuring().await else {
        return;
    };
    let (editor, shell) = (in_terminal("sleep 1000; true"), in_terminal("read line"));
    for workload in [&editor, &shell] {
        run(&node, workload).await;
    }
    sign_when(&node, &shell, "programs in terminals", rests).await;
    let sign = sign_when(&node, &editor, "programs in terminals", works).await;
    assert_eq!(sign["detail"], "sleep");
}
