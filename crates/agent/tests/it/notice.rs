//! The notice before a stop, as the workload sees it.

use std::fs;

use contracts::agent::v1::{Assignment, Notice, Report, Wanted};
use contracts::scheduler::v1::{AttemptEnd, AttemptState};
use kernel::Clock as _;
use kernel::id::{AttemptId, VolumeId};
use kernel::time::SystemClock;
use serde_json::Value;
use testkit::eventually;

use crate::control::notice;
use crate::node::{Node, is_root, job, logged, script, spec};

/// Says what it is told by the signal, as often as it is, and ends when it is asked to.
const WAITS: &str = r#"
import os, signal
path = os.environ["QUIRE_NOTICE"]
def told(*_):
    print("told", open(path).read(), end="", flush=True)
signal.signal(signal.SIGUSR1, told)
print("up", os.path.exists(path), flush=True)
while True:
    signal.pause()
"#;

/// A workload that waits for the signal, below a shell that does not.
fn waits() -> Assignment {
    let mut waits = script("python3 -c \"$WAITS\" & wait");
    let env = &mut spec(&mut waits).env;
    env.insert("WAITS".to_owned(), WAITS.to_owned());
    waits
}

/// The example in the documentation.
fn example() -> &'static str {
    let readme = include_str!("../../README.md");
    let (_, rest) = readme.split_once("```python\n").unwrap();
    rest.split_once("```").unwrap().0
}

/// Lets it be told everything that was said, and gives its log: what is told to an agent is done in order.
async fn stopped(node: &Node, attempt: &Assignment) -> String {
    node.control.stop(attempt, "preempted").await;
    let report = node.control.ended(attempt).await;
    assert_eq!(
        (report.end(), report.reason.as_str()),
        (AttemptEnd::Stopped, "preempted"),
        "{report:?}"
    );
    node.log(attempt).await
}

/// Waits until the agent has told an attempt all, signal included, and will remember.
async fn kept(node: &Node, attempt: &Assignment) {
    eventually("the agent to keep that it told", || async {
        let kept = fs::read_to_string(node.attempt(attempt).join("state.json")).ok()?;
        kept.contains("\"notice_given\":true").then_some(())
    })
    .await;
}

/// A workload on this node is told, whatever the node protects it with.
pub(crate) async fn is_given_notice(node: &Node) {
    let waits = waits();
    node.control.assign(&waits).await;
    logged(node, &waits, "up False").await;
    node.control.notice(&waits, 30_000).await;
    logged(node, &waits, "told").await;
    node.control.notice(&waits, 29_000).await;
    let log = stopped(node, &waits).await;
    assert_eq!(log.matches("told").count(), 1, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_the_signal_is_told_once_and_reads_why() {
    let node = Node::start().await;
    let waits = waits();
    node.control.assign(&waits).await;
    logged(&node, &waits, "up False").await;
    let before = SystemClock.now();
    node.control.notice(&waits, 30_000).await;
    let log = logged(&node, &waits, "told").await;
    let told = log.lines().find_map(|line| line.strip_prefix("told "));
    let told: Value = serde_json::from_str(told.unwrap()).unwrap();
    assert_eq!(told["reason"], "room is needed");
    let stop_at = told["stop_at"].as_str().unwrap().to_owned();
    let at: chrono::DateTime<chrono::Utc> = stop_at.parse().unwrap();
    let left = (at - before).num_milliseconds();
    assert!((29_000..60_000).contains(&left), "{left} ms, {stop_at}");

    // Its people are told, too, and it runs on.
    let report = node
        .control
        .report(&waits, "what it says of it", |report| {
            report.reason == format!("will be stopped at {stop_at}: room is needed")
        })
        .await;
    assert_eq!(report.state(), AttemptState::Running, "{report:?}");
    for left in [29_000, 28_000, 0] {
        node.control.notice(&waits, left).await;
    }
    let log = stopped(&node, &waits).await;
    assert_eq!(log.matches("told").count(), 1, "{log}");
    assert!(
        !node.config.run_dir.join(&waits.attempt_id).exists(),
        "the file goes with the sandbox"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_wait_for_the_signal_lives_on_and_finds_the_file() {
    let node = Node::start().await;
    let looks = "echo up; until [ -e $QUIRE_NOTICE ]; do sleep 0.05; done; cat $QUIRE_NOTICE; until [ -e asked ]; do sleep 0.05; done; echo lives; sleep 1000";
    let ends_well = format!("trap 'echo bye' EXIT; {looks}");
    for shell in [job(&["sh", "-c", looks]), job(&["bash", "-c", &ends_well])] {
        node.control.assign(&shell).await;
        logged(&node, &shell, "up").await;
        node.control.notice(&shell, 30_000).await;
        kept(&node, &shell).await;
        let home = node.config.data_dir.join("homes").join(&shell.attempt_id);
        fs::write(home.join("asked"), "").unwrap();
        logged(&node, &shell, "lives").await;
        let log = stopped(&node, &shell).await;
        assert!(log.contains("{\"reason\":\"room is needed\""), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_is_not_told_again_by_the_next_agent() {
    let mut node = Node::stopped().await;
    node.start_process().await;
    let waits = waits();
    node.control.assign(&waits).await;
    logged(&node, &waits, "up False").await;
    node.control.notice(&waits, 30_000).await;
    logged(&node, &waits, "told").await;
    kept(&node, &waits).await;
    node.kill();
    node.control.want(Wanted {
        assignments: vec![waits.clone()],
        stops: vec![],
        notices: vec![notice(&waits, 20_000)],
    });
    node.start_process().await;
    node.control.notice(&waits, 19_000).await;
    let log = stopped(&node, &waits).await;
    assert_eq!(log.matches("told").count(), 1, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_agent_had_still_to_tell_the_next_one_tells() {
    let mut node = Node::stopped().await;
    node.start_process().await;
    let waits = waits();
    node.control.assign(&waits).await;
    node.control.running(&waits).await;
    logged(&node, &waits, "up False").await;
    node.kill();
    // As if it had been killed between what it heard and what it told.
    let path = node.attempt(&waits).join("state.json");
    let mut state: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    state["notice"] =
        serde_json::json!({ "reason": "owed", "stop_at_micros": 1_795_867_230_000_000_u64 });
    fs::write(&path, state.to_string()).unwrap();
    node.start_process().await;
    let log = logged(&node, &waits, "told").await;
    assert!(
        log.contains("{\"reason\":\"owed\",\"stop_at\":\"2026-11-28T"),
        "{log}"
    );
    stopped(&node, &waits).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_for_somebody_else_is_given_to_nobody() {
    let node = Node::start().await;
    let (waits, done) = (waits(), job(&["true"]));
    node.control.assign(&done).await;
    node.control.ended(&done).await;
    node.control.assign(&waits).await;
    logged(&node, &waits, "up False").await;
    let said = notice(&waits, 30_000);
    let unknown = AttemptId::generate().to_string();
    for wrong in [
        Notice {
            generation: 2,
            ..said.clone()
        },
        Notice {
            attempt_id: unknown.clone(),
            ..said.clone()
        },
        notice(&done, 30_000),
    ] {
        let message = contracts::agent::v1::open_link_response::Message::Notice(wrong);
        node.control.tell(message).await;
    }
    let log = stopped(&node, &waits).await;
    assert!(!log.contains("told"), "{log}");
    let unknown = Assignment {
        attempt_id: unknown,
        ..Assignment::default()
    };
    assert_eq!(node.control.reports(&unknown), []);
    let reports = node.control.reports(&waits);
    assert!(
        reports
            .iter()
            .all(|report| !report.reason.contains("will be stopped")),
        "{reports:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_being_stopped_is_given_no_notice() {
    let node = Node::start().await;
    let mut stubborn = job(&["python3", "-c"]);
    let ignores = WAITS.replace(
        "signal.signal(",
        "signal.signal(signal.SIGTERM, lambda *_: print('asked', flush=True))\nsignal.signal(",
    );
    spec(&mut stubborn).command.push(ignores);
    node.control.assign(&stubborn).await;
    logged(&node, &stubborn, "up False").await;
    node.control.stop(&stubborn, "preempted").await;
    logged(&node, &stubborn, "asked").await;
    node.control.notice(&stubborn, 30_000).await;
    let log = stopped(&node, &stubborn).await;
    assert!(!log.contains("told"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_in_place_of_the_file_leads_nowhere() {
    let node = Node::start().await;
    let precious = node.config.data_dir.join("precious");
    fs::write(&precious, "precious").unwrap();
    let mut misleads = script(
        "ln -s $PRECIOUS $QUIRE_NOTICE; echo linked; while [ -L $QUIRE_NOTICE ]; do sleep 0.05; done; \
         cat $QUIRE_NOTICE; echo mine 2>/dev/null > $QUIRE_NOTICE || echo refused; cat $QUIRE_NOTICE; echo end; sleep 1000",
    );
    let path = precious.display().to_string();
    let env = &mut spec(&mut misleads).env;
    env.insert("PRECIOUS".to_owned(), path);
    node.control.assign(&misleads).await;
    logged(&node, &misleads, "linked").await;
    node.control.notice(&misleads, 30_000).await;
    logged(&node, &misleads, "end\n").await;
    let log = stopped(&node, &misleads).await;
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
    if is_root() {
        assert!(log.contains("\nrefused\n"), "{log}");
        assert_eq!(log.matches("room is needed").count(), 2, "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_example_goes_on_where_it_has_saved() {
    let node = Node::start().await;
    let volume = VolumeId::generate().to_string();
    let saved = |log: &str| -> u64 {
        let step = log.split("saved step ").nth(1).unwrap().lines().next();
        step.unwrap().parse().unwrap()
    };
    let mut first = 0;
    for _ in 0..2 {
        let mut works = job(&["python3", "-c", example()]);
        spec(&mut works).volume_id.clone_from(&volume);
        node.control.assign(&works).await;
        node.control.running(&works).await;
        node.control.notice(&works, 30_000).await;
        logged(&node, &works, "saved step").await;
        let step = saved(&stopped(&node, &works).await);
        assert!(step > first, "{step} after {first}");
        first = step;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_not_answered_yet_is_told_too() {
    let node = Node::start().await;
    let mut loads = waits();
    spec(&mut loads).ready_path = "/".to_owned();
    node.control.assign(&loads).await;
    logged(&node, &loads, "up False").await;
    node.control.notice(&loads, 30_000).await;
    let log = logged(&node, &loads, "told").await;
    assert!(log.contains("room is needed"), "{log}");
    let told = |report: &Report| report.reason.starts_with("will be stopped at ");
    let report = node.control.report(&loads, "what it says", told).await;
    assert_eq!(report.state(), AttemptState::Starting, "{report:?}");
    stopped(&node, &loads).await;
}
