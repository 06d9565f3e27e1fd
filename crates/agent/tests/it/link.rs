//! The line to the scheduler, as its contract says.

use std::sync::atomic::Ordering;

use contracts::agent::v1::open_link_response::Message as Down;
use contracts::agent::v1::{Assignment, Stop, Wanted};
use contracts::scheduler::v1::{AttemptEnd, AttemptState};
use kernel::id::AttemptId;
use testkit::eventually;

use crate::node::{Node, job, logged, script};

async fn reconnected(node: &Node) -> usize {
    let before = node.control.hellos().len();
    node.control.hang_up();
    eventually("the next greeting", || async {
        (node.control.hellos().len() > before).then_some(before + 1)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_are_repeated_until_they_are_acknowledged() {
    let node = Node::start().await;
    node.control.played.deaf.store(true, Ordering::SeqCst);
    let attempt = job(&["true"]);
    node.control.assign(&attempt).await;
    let first = node.control.ended(&attempt).await;
    for _ in 0..2 {
        reconnected(&node).await;
        let held = node.control.hellos().pop().unwrap().held;
        assert_eq!(held.len(), 1, "{held:?}");
        assert_eq!(
            (held[0].sequence, held[0].ran_ms),
            (first.sequence, first.ran_ms)
        );
        assert!(held[0].age_ms >= first.age_ms);
    }
    assert!(node.attempt(&attempt).exists());
    node.control.acknowledge(&first).await;
    eventually("the files to go", || async {
        (!node.attempt(&attempt).exists()).then_some(())
    })
    .await;
    reconnected(&node).await;
    assert_eq!(node.control.hellos().pop().unwrap().held, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn absence_never_means_stop() {
    let node = Node::start().await;
    let attempt = script("echo up; sleep 1000");
    node.control.assign(&attempt).await;
    node.control.running(&attempt).await;
    // The next leader wants nothing that it names.
    reconnected(&node).await;
    let stop = Stop {
        attempt_id: attempt.attempt_id.clone(),
        generation: 2,
        ..Stop::default()
    };
    node.control.tell(Down::Stop(stop)).await;
    let after = job(&["true"]);
    node.control.assign(&after).await;
    node.control.ended(&after).await;
    assert!(
        node.control
            .reports(&attempt)
            .iter()
            .all(|report| report.state() != AttemptState::Ended)
    );
    node.control.stop(&attempt, "user").await;
    node.control.ended(&attempt).await;
}

/// A refusal stops nothing, unless it says in so many words that the node was given up.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_given_up_stops_what_it_runs() {
    let node = Node::start().await;
    let attempt = script("echo up; sleep 1000");
    node.control.assign(&attempt).await;
    node.control.running(&attempt).await;
    node.control.played.given_up.store(true, Ordering::SeqCst);
    node.control.hang_up();
    eventually("a refusal", || async {
        (node.control.played.refused.load(Ordering::SeqCst) > 0).then_some(())
    })
    .await;
    node.control.played.given_up.store(false, Ordering::SeqCst);
    let ended = node.control.ended(&attempt).await;
    assert_eq!(ended.end(), AttemptEnd::Lost);
    assert_eq!(ended.reason, "its node was given up");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wanted_at_the_greeting_is_done() {
    let mut node = Node::stopped().await;
    let (runs, unknown) = (job(&["true"]), AttemptId::generate().to_string());
    let stop = Stop {
        attempt_id: unknown.clone(),
        generation: 4,
        reason: "user".to_owned(),
        end: AttemptEnd::Stopped.into(),
    };
    node.control.want(Wanted {
        assignments: vec![runs.clone()],
        stops: vec![stop],
        notices: vec![],
    });
    node.start_task().await;
    assert_eq!(node.control.ended(&runs).await.end(), AttemptEnd::Completed);
    // Of an attempt that it does not hold it says that it is over, so that nobody waits for it.
    let unknown = Assignment {
        attempt_id: unknown,
        ..Assignment::default()
    };
    let report = node.control.ended(&unknown).await;
    assert_eq!(
        (report.end(), report.generation),
        (AttemptEnd::Stopped, 4),
        "{report:?}"
    );
    assert!(report.reason.contains("does not hold it"), "{report:?}");
    eventually("the files to go", || async {
        (!node.attempt(&unknown).exists()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leaders_of_the_past_are_refused() {
    let mut node = Node::stopped().await;
    node.control.played.epoch.store(7, Ordering::SeqCst);
    node.start_task().await;
    let first = job(&["true"]);
    node.control.assign(&first).await;
    node.control.ended(&first).await;
    node.stop().await;

    node.control.played.epoch.store(6, Ordering::SeqCst);
    let second = job(&["true"]);
    node.control.want(Wanted {
        assignments: vec![second.clone()],
        stops: vec![],
        notices: vec![],
    });
    let greeted = node.control.hellos().len();
    node.start_task().await;
    eventually("two more tries", || async {
        (node.control.hellos().len() >= greeted + 2).then_some(())
    })
    .await;
    assert_eq!(node.control.hellos().pop().unwrap().epoch, 7);
    assert_eq!(node.control.reports(&second), []);

    node.control.played.epoch.store(8, Ordering::SeqCst);
    node.control.ended(&second).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_is_never_run_twice() {
    let node = Node::start().await;
    let attempt = job(&["echo", "once"]);
    node.control.assign(&attempt).await;
    node.control.assign(&attempt).await;
    let report = node.control.ended(&attempt).await;
    eventually("the files to go", || async {
        (!node.attempt(&attempt).exists()).then_some(())
    })
    .await;

    // A late order finds it done, and hears so. As long as nobody answers it is given again.
    let seen = node.control.reports(&attempt).len();
    eventually("the report again", || async {
        node.control.assign(&attempt).await;
        (node.control.reports(&attempt).len() > seen).then_some(())
    })
    .await;
    let again = node.control.reports(&attempt).pop().unwrap();
    assert_eq!(
        (again.state(), again.reason, again.ran_ms),
        (AttemptState::Ended, report.reason, report.ran_ms)
    );
    eventually("the files to go", || async {
        (!node.attempt(&attempt).exists()).then_some(())
    })
    .await;
    assert_eq!(node.log(&attempt).await, "once\n");

    // An older attempt of the same workload is refused.
    let newer = Assignment {
        generation: 5,
        attempt_id: AttemptId::generate().to_string(),
        ..attempt.clone()
    };
    node.control.assign(&newer).await;
    node.control.ended(&newer).await;
    let older = Assignment {
        generation: 4,
        attempt_id: AttemptId::generate().to_string(),
        ..attempt
    };
    let after = job(&["true"]);
    node.control.assign(&older).await;
    node.control.assign(&after).await;
    node.control.ended(&after).await;
    assert_eq!(node.control.reports(&older), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_attempt_ends_the_older_one_first() {
    let node = Node::start().await;
    let older = script("echo up; sleep 1000");
    node.control.assign(&older).await;
    logged(&node, &older, "up").await;
    let newer = Assignment {
        generation: 2,
        attempt_id: AttemptId::generate().to_string(),
        ..older.clone()
    };
    node.control.assign(&newer).await;
    let report = node.control.ended(&older).await;
    assert_eq!(report.end(), AttemptEnd::Lost, "{report:?}");
    assert!(report.reason.contains("generation 2"), "{report:?}");
    logged(&node, &newer, "up").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn running_time_is_confirmed_while_it_runs() {
    let node = Node::start().await;
    let attempt = script("echo up; sleep 1000");
    node.control.assign(&attempt).await;
    let first = node.control.running(&attempt).await;
    let later = node
        .control
        .report(&attempt, "a later report", |report| {
            report.sequence > first.sequence
        })
        .await;
    assert_eq!(later.state(), AttemptState::Running);
    assert!(
        (9_000..20_000).contains(&later.ran_ms.unwrap()),
        "{later:?}"
    );
    assert_eq!(later.boot_id, node.control.hellos()[0].boot_id);
}
