//! Attempts from their assignment to their end.

use contracts::scheduler::v1::{AttemptEnd, AttemptState, Fault};
use contracts::volume::v1::FileCopy;
use kernel::Clock as _;
use kernel::id::{CopyId, SnapshotId, VolumeId};
use kernel::time::SystemClock;
use testkit::eventually;

use crate::node::{Node, job, logged, script, spec};

#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_to_its_end_and_only_its_log_stays() {
    let node = Node::start().await;
    let mut done = script("echo hello $NAME; sleep 0.3");
    spec(&mut done)
        .env
        .insert("NAME".to_owned(), "world".to_owned());
    let failed = script("echo oops >&2; exit 3");
    node.control.assign(&done).await;
    node.control.assign(&failed).await;

    let report = node.control.ended(&done).await;
    assert_eq!(
        (report.end(), report.fault()),
        (AttemptEnd::Completed, Fault::Unspecified),
        "{report:?}"
    );
    assert!((200..5_000).contains(&report.ran_ms.unwrap()), "{report:?}");
    let report = node.control.ended(&failed).await;
    assert_eq!(
        (report.end(), report.fault()),
        (AttemptEnd::Failed, Fault::User),
        "{report:?}"
    );
    assert_eq!(report.reason, "exit code 3; its log ends: oops");

    for attempt in [&done, &failed] {
        eventually("the files to go", || async {
            (!node.attempt(attempt).exists()).then_some(())
        })
        .await;
        assert_eq!(
            node.traces(&attempt.attempt_id),
            Vec::<std::path::PathBuf>::new()
        );
        let sequences: Vec<u64> = node
            .control
            .reports(attempt)
            .iter()
            .map(|report| report.sequence)
            .collect();
        assert!(sequences.is_sorted_by(|a, b| a < b), "{sequences:?}");
    }
    assert_eq!(node.log(&done).await, "hello world\n");
    assert_eq!(node.log(&failed).await, "oops\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_begun_is_the_platforms_fault() {
    let node = Node::start().await;
    let mut no_command = job(&[]);
    let mut odd_variable = script("true");
    spec(&mut odd_variable)
        .env
        .insert("A=B".to_owned(), "x".to_owned());
    let mut no_gpu = script("true");
    no_gpu.gpu_uuids = vec!["GPU-1".to_owned()];
    for (attempt, reason) in [
        (&mut no_command, "command"),
        (&mut odd_variable, "env"),
        (&mut no_gpu, "GPU-1"),
    ] {
        node.control.assign(attempt).await;
        let report = node.control.ended(attempt).await;
        assert_eq!(
            (report.end(), report.fault()),
            (AttemptEnd::Failed, Fault::Platform),
            "{report:?}"
        );
        assert!(
            report.reason.contains(reason) && report.ran_ms.is_none(),
            "{report:?}"
        );
    }
    let missing = job(&["/no/such/program"]);
    node.control.assign(&missing).await;
    let report = node.control.ended(&missing).await;
    assert_eq!(report.fault(), Fault::User, "{report:?}");
    assert!(report.reason.starts_with("exit code 127"), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_asks_first() {
    let node = Node::start().await;
    let polite = script("trap 'echo asked; exit 0' TERM; echo up; while true; do sleep 0.05; done");
    let stubborn = script("trap 'echo asked' TERM; echo up; while true; do sleep 0.05; done");
    for attempt in [&polite, &stubborn] {
        node.control.assign(attempt).await;
        node.control.running(attempt).await;
        logged(&node, attempt, "up").await;
        node.control.stop(attempt, "stopped by user").await;
    }
    let report = node.control.ended(&polite).await;
    assert_eq!(
        (report.end(), report.reason.as_str()),
        (AttemptEnd::Stopped, "stopped by user")
    );
    assert_eq!(node.log(&polite).await, "up\nasked\n");
    let states: Vec<AttemptState> = node
        .control
        .reports(&polite)
        .iter()
        .map(|report| report.state())
        .collect();
    assert!(states.contains(&AttemptState::Stopping), "{states:?}");

    let report = node.control.ended(&stubborn).await;
    assert_eq!(report.end(), AttemptEnd::Stopped);
    // Two seconds of grace in these tests.
    assert!(report.ran_ms.unwrap() >= 2_000, "{report:?}");
    assert!(node.log(&stubborn).await.contains("asked"));
}

#[tokio::test(flavor = "multi_thread")]
async fn time_that_is_over_ends_an_attempt_without_the_scheduler() {
    let node = Node::start().await;
    let mut paid = script("echo up; sleep 1000");
    node.control.assign(&paid).await;
    node.control.running(&paid).await;
    paid.run_until = Some(contracts::to_wire_time(
        SystemClock.now() + chrono::TimeDelta::milliseconds(600),
    ));
    node.control.assign(&paid).await;
    let mut short = script("echo up; sleep 1000");
    spec(&mut short).max_duration_seconds = 1;
    node.control.assign(&short).await;
    node.control.running(&short).await;
    node.control.hang_up();
    for (attempt, reason) in [
        (&paid, "its time is over"),
        (&short, "its longest time of 1 seconds"),
    ] {
        let report = node.control.ended(attempt).await;
        assert_eq!(
            (report.end(), report.fault()),
            (AttemptEnd::Stopped, Fault::Unspecified),
            "{report:?}"
        );
        assert!(report.reason.contains(reason), "{report:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_volume_has_one_writer_and_outlives_it() {
    let node = Node::start().await;
    let volume = VolumeId::generate().to_string();
    let mut first = script("echo first >> ~/file; echo up; sleep 1000");
    let mut second = script("cat file");
    for attempt in [&mut first, &mut second] {
        spec(attempt).volume_id.clone_from(&volume);
        node.control.assign(attempt).await;
    }
    logged(&node, &first, "up").await;
    let waits = node
        .control
        .report(&second, "waiting", |report| {
            report.reason.contains("waiting for the volume")
        })
        .await;
    assert_eq!(waits.state(), AttemptState::Starting);
    node.control.stop(&first, "user").await;
    assert_eq!(
        node.control.ended(&second).await.end(),
        AttemptEnd::Completed
    );
    assert_eq!(node.log(&second).await, "first\n");

    let snapshot = SnapshotId::generate().to_string();
    let copy = FileCopy {
        id: CopyId::generate().into(),
        from_id: volume.clone(),
        to_id: snapshot.clone(),
        keep_id: String::new(),
    };
    let said = node.control.copy(copy).await;
    assert_eq!((said.failure.as_str(), said.bytes), ("", 6));
    let kept = std::fs::read_to_string(node.volume(&snapshot).join("file")).unwrap();
    assert_eq!(kept, "first\n");
    let fork = VolumeId::generate().to_string();
    let copy = FileCopy {
        id: CopyId::generate().into(),
        from_id: snapshot,
        to_id: fork.clone(),
        keep_id: String::new(),
    };
    assert_eq!(node.control.copy(copy).await.failure, "");
    let mut third = script("echo more >> file && cat file");
    spec(&mut third).volume_id = fork;
    node.control.assign(&third).await;
    assert_eq!(
        node.control.ended(&third).await.end(),
        AttemptEnd::Completed
    );
    assert_eq!(
        node.log(&third).await,
        "first\nmore\n",
        "its user may write"
    );

    node.control.delete_volume(&volume);
    eventually("the deletion", || async {
        (!node.control.deletes(&volume)).then_some(())
    })
    .await;
    assert!(!node.volume(&volume).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_answers_is_given_up() {
    let mut node = Node::stopped().await;
    node.config.ready_timeout_seconds = 1;
    node.start_task().await;
    let mut silent = script("echo sulking; sleep 1000");
    spec(&mut silent).ready_path = "/api/status".to_owned();
    node.control.assign(&silent).await;
    let report = node.control.ended(&silent).await;
    assert_eq!(
        (report.end(), report.fault(), report.ran_ms),
        (AttemptEnd::Failed, Fault::Platform, None),
        "{report:?}"
    );
    assert!(
        report
            .reason
            .contains("no answer on /api/status within 1s; its log ends: sulking"),
        "{report:?}"
    );
}
