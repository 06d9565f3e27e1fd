//! Limits on processors, memory and processes. Need root and control groups; without, the agent says so.

use contracts::scheduler::v1::{AttemptEnd, AttemptState, Fault};

use crate::node::{Node, is_root, job, logged, script, skip, spec};

async fn limited() -> Option<Node> {
    if !is_root() {
        skip("needs root");
        return None;
    }
    let node = Node::start().await;
    let heartbeat =
        testkit::eventually("a heartbeat", || async { node.control.heartbeats().pop() }).await;
    let lacks = heartbeat
        .missing_isolation
        .iter()
        .any(|lack| lack.starts_with("limits"));
    if lacks {
        skip("this machine has no limits, and the agent says so");
        return None;
    }
    Some(node)
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_memory_ends_a_workload_with_the_numbers() {
    let Some(node) = limited().await else { return };
    for mut hungry in [
        job(&["python3", "-c", "x = bytearray(1 << 30); print(len(x))"]),
        script("python3 -c 'x = bytearray(1 << 30)'"),
    ] {
        spec(&mut hungry).resources.as_mut().unwrap().memory_mib = 64;
        node.control.assign(&hungry).await;
        let report = node.control.ended(&hungry).await;
        assert_eq!(
            (report.end(), report.fault()),
            (AttemptEnd::Failed, Fault::User),
            "{report:?}"
        );
        let peak = report
            .reason
            .strip_prefix("out of memory: limit 64 MiB, peak ")
            .and_then(|rest| rest.strip_suffix(" MiB"));
        let peak: u32 = peak
            .unwrap_or_else(|| panic!("{report:?}"))
            .parse()
            .unwrap();
        assert!((60..=64).contains(&peak), "{report:?}");
    }
}

/// A server that goes on when its child is killed for memory, as Jupyter does with its kernels.
const OUTLIVES_ITS_CHILD: &str = r#"
import os, socketserver, subprocess, sys
from http.server import BaseHTTPRequestHandler
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def address_string(self):
        return "edge"
class Server(socketserver.UnixStreamServer):
    allow_reuse_address = True
    def service_actions(self):
        if not hasattr(self, "child"):
            self.child = subprocess.run([sys.executable, "-c", "x = bytearray(1 << 30)"]).returncode
            print("child", self.child, flush=True)
with Server(os.environ["QUIRE_HTTP_SOCKET"], Handler) as server:
    server.serve_forever()
"#;

#[tokio::test(flavor = "multi_thread")]
async fn who_outlives_a_process_killed_for_memory_is_told_of_it() {
    let Some(node) = limited().await else { return };
    let mut server = job(&["python3", "-c", OUTLIVES_ITS_CHILD]);
    spec(&mut server).ready_path = "/".to_owned();
    spec(&mut server).resources.as_mut().unwrap().memory_mib = 64;
    node.control.assign(&server).await;
    node.control.running(&server).await;
    logged(&node, &server, "child -9").await;
    let told = testkit::eventually("a report of the memory", || async {
        let reports = node.control.reports(&server);
        reports.into_iter().rfind(|report| {
            report
                .reason
                .starts_with("out of memory: limit 64 MiB, peak ")
        })
    })
    .await;
    assert_eq!(told.state(), AttemptState::Running, "{told:?}");
    assert!(
        told.reason
            .ends_with(" MiB; a process was ended, the rest goes on"),
        "{told:?}"
    );
    node.control.stop(&server, "user").await;
    assert_eq!(node.control.ended(&server).await.end(), AttemptEnd::Stopped);
}

#[tokio::test(flavor = "multi_thread")]
async fn processors_and_processes_are_limited() {
    let Some(node) = limited().await else { return };
    let mut busy = job(&[
        "python3",
        "-c",
        "
import os, time
start, spent = time.monotonic(), os.times()
while time.monotonic() - start < 2: pass
print((os.times().user + os.times().system - spent.user - spent.system) / 2)
",
    ]);
    spec(&mut busy).resources.as_mut().unwrap().milli_cores = 250;
    let mut forks = job(&[
        "python3",
        "-c",
        "
import _thread
_thread.stack_size(32768)
hold = _thread.allocate_lock()
hold.acquire()
made = 0
try:
    while made < 10000:
        _thread.start_new_thread(hold.acquire, ())
        made += 1
except RuntimeError:
    print(made)
",
    ]);
    spec(&mut forks).resources.as_mut().unwrap().memory_mib = 1_024;
    for attempt in [&busy, &forks] {
        node.control.assign(attempt).await;
        assert_eq!(
            node.control.ended(attempt).await.end(),
            AttemptEnd::Completed,
            "{}",
            node.log(attempt).await
        );
    }
    let share: f64 = node.log(&busy).await.trim().parse().unwrap();
    assert!(
        share < 0.4,
        "a quarter of a processor was promised, {share} was had"
    );
    let made: u32 = node.log(&forks).await.trim().parse().unwrap();
    assert!(made < 4_096, "{made}");
}
