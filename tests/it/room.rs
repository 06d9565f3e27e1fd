//! Notebooks that make room for others, with real Jupyter: one is told, waits with its files kept, and runs again by itself once there
//! is room.

use serde_json::Value;

use crate::installation::Installation;
use crate::rest::patiently;
use crate::wiring::Wiring;

/// What workloads get of the node: one C4 or Free-CPU of 4 GiB, not two.
const NODE_MIB: u64 = 6_144;
/// Long enough to be seen and short enough to be waited for; with no least time before a stop, no sandboxes that wait.
const NOTICE_MS: &str = "20000";

/// What the agent has to keep back so that its node has so little.
fn reserve_mib() -> u64 {
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap();
    let total = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"));
    let total_kib: u64 = total
        .and_then(|words| words.split_whitespace().next())
        .unwrap()
        .parse()
        .unwrap();
    (total_kib / 1_024).saturating_sub(NODE_MIB)
}

fn small_node() -> Installation {
    Installation::start_wired(Wiring {
        settings: vec![
            ("scheduler", "PREEMPTION_NOTICE_MS", NOTICE_MS),
            ("scheduler", "MIN_RUN_MS", "0"),
            ("agent", "WARM", "0"),
            (
                "agent",
                "MEMORY_RESERVE_MIB",
                reserve_mib().to_string().leak(),
            ),
        ],
        ..Wiring::default()
    })
}

fn create(quire: &Installation, name: &str, more: &[&str]) -> Value {
    quire.quire(&[&["notebook", "create", "--name", name][..], more].concat())
}

/// The notebook, once it is in this state and its reason has this in it.
async fn until(quire: &Installation, name: &str, state: &str, reason: &str) -> Value {
    let what = format!("{name}: {state}: {reason}");
    patiently(&what, || async {
        let seen = quire.quire(&["notebook", "show", name]);
        let told = seen["reason"].as_str()?;
        (seen["state"] == state && told.contains(reason)).then_some(seen)
    })
    .await
}

/// What was told of a notebook.
fn timeline(quire: &Installation, name: &str) -> String {
    let told = quire.try_quire(&["event", "tail", "--object", name, "--no-follow"]);
    String::from_utf8(told.stdout).unwrap()
}

/// One that is made with `more` has its place taken by another, and has it again once that one is stopped.
async fn makes_room(quire: &Installation, name: &str, more: &[&str]) {
    let first = create(quire, name, more);
    let mut kernel = quire.jupyter(&first).kernel().await;
    let write = "open('kept.txt', 'w').write('still here')";
    assert_eq!(kernel.run(write).await, Ok(String::new()));

    let paid = ["--machine-type", "C4", "--no-wait"];
    create(quire, "paid", &paid);
    let told = until(quire, name, "Running", "makes room for other work").await;
    assert_eq!(told["startedAt"], first["startedAt"]);
    let waits = until(quire, name, "Pending", "made room for other work; waits").await;
    assert_eq!(waits["volumeId"], first["volumeId"]);
    let why = quire.quire(&["why", name])["summary"].clone();
    let why = why.as_str().unwrap();
    assert!(why.starts_with("made room for other work; waits"), "{why}");
    until(quire, "paid", "Running", "").await;
    patiently("the end of its bill", || async {
        let waits = quire.quire(&["notebook", "show", name]);
        assert_eq!(waits["state"], "Pending", "{waits}");
        (waits["runCostMicros"] == Value::Null).then_some(())
    })
    .await;

    quire.quire(&["notebook", "stop", "paid"]);
    let again = until(quire, name, "Running", "").await;
    assert_ne!(again["startedAt"], first["startedAt"]);
    let mut kernel = quire.jupyter(&again).kernel().await;
    let kept = kernel.run("print(open('kept.txt').read())").await;
    assert_eq!(kept, Ok("still here".to_owned()));
    let told = timeline(quire, name);
    for line in [
        "is Running: will be stopped at",
        "is Pending: made room for other work",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    for done in [name, "paid"] {
        quire.quire(&["notebook", "delete", done, "--yes"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_makes_room_runs_again_with_its_files() {
    let quire = small_node();
    makes_room(&quire, "spare", &["--machine-type", "Free-CPU"]).await;
    let last = ["--machine-type", "C4", "--preemptible", "--priority", "-10"];
    makes_room(&quire, "last", &last).await;
}
