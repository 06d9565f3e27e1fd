//! Limits on processors, memory and processes. Need root and control groups; without, the agent says so.

use contracts::scheduler::v1::{AttemptEnd, Fault};

use crate::node::{Node, is_root, job, script, spec};

async fn limited() -> Option<Node> {
    if !is_root() {
        return None;
    }
    let node = Node::start().await;
    let heartbeat =
        testkit::eventually("a heartbeat", || async { node.control.heartbeats().pop() }).await;
    let lacks = heartbeat
        .missing_isolation
        .iter()
        .any(|lack| lack.starts_with("limits"));
    (!lacks).then_some(node)
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
import threading
threading.stack_size(32768)
hold = threading.Event()
made = 0
try:
    while made < 10000:
        threading.Thread(target=hold.wait, daemon=True).start()
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
