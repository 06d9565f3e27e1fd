//! Stopping: in every state, and for good.

use contracts::scheduler::v1::{
    AttemptEnd, AttemptState, Fault, StopWorkloadRequest, WorkloadState,
};
use testkit::Engine;
use tonic::Code;

use crate::house::{House, spec};

async fn what_waits_stops_at_once(engine: Engine) {
    let house = House::open(engine).await;
    let node = house.node("box", 4_000, 8_192).await;
    let mut agent = house.agent(&node).await;
    house.submit("r1", spec(4_000, 1_024)).await;
    let mut first = agent.assigned().await;
    let waiting = house.submit("r2", spec(4_000, 1_024)).await;
    let third = house.submit("r3", spec(4_000, 1_024)).await;
    let stopped = house.stop(&waiting.id, "stopped by user").await;
    assert_eq!(
        (stopped.state(), stopped.reason.as_str()),
        (WorkloadState::Stopped, "stopped by user")
    );
    assert_eq!(stopped.attempt, None);
    let again = house.stop(&waiting.id, "once more").await;
    assert_eq!(again, stopped, "a second wish changes nothing");

    // Its turn never comes.
    agent
        .say(first.ended(AttemptEnd::Completed, Fault::Unspecified, "done"))
        .await;
    assert_eq!(agent.assigned().await.assignment.workload_id, third.id);
}

/// Nobody told the node yet.
async fn what_has_a_place_stops_when_its_node_says_so(engine: Engine) {
    let house = House::open(engine).await;
    let node = house.node("box", 4_000, 8_192).await;
    let workload = house.submit("r1", spec(1_000, 1_024)).await;
    house
        .until(&workload.id, "a place", |found| found.attempt.is_some())
        .await;
    let stopping = house.stop(&workload.id, "").await;
    assert_eq!(
        (stopping.state(), stopping.reason.as_str()),
        (WorkloadState::Active, "stopped")
    );
    assert_eq!(stopping.attempt.unwrap().state(), AttemptState::Stopping);
    assert_eq!(
        house.number("SELECT free_milli_cores FROM nodes").await,
        3_000,
        "until the end is confirmed"
    );

    let mut agent = house.agent(&node).await;
    assert_eq!(
        agent.wanted().await,
        Default::default(),
        "it never heard of it"
    );
    let over = house.workload(&workload.id).await;
    assert_eq!(over.state(), WorkloadState::Stopped);
    let attempt = over.attempt.unwrap();
    assert_eq!(
        (attempt.end(), attempt.billable_from),
        (AttemptEnd::Stopped, None)
    );
    assert_eq!(
        house.number("SELECT free_milli_cores FROM nodes").await,
        4_000
    );
}

async fn what_runs_stops_when_its_end_is_reported(engine: Engine) {
    let house = House::open(engine).await;
    let node = house.node("box", 4_000, 8_192).await;
    let mut agent = house.agent(&node).await;
    let workload = house.submit("r1", spec(1_000, 1_024)).await;
    let mut run = agent.assigned().await;
    agent.say(run.running(0)).await;
    house.stop(&workload.id, "idle for 60 min").await;
    let told = agent.told_to_stop().await;
    assert_eq!(
        (told.attempt_id.as_str(), told.generation),
        (run.attempt_id(), 1)
    );
    assert_eq!(
        (told.reason.as_str(), told.end()),
        ("idle for 60 min", AttemptEnd::Stopped)
    );

    agent.say(run.running(1)).await;
    let still = house.workload(&workload.id).await.attempt.unwrap();
    assert_eq!(
        still.state(),
        AttemptState::Stopping,
        "it does not run again"
    );
    agent.say(run.stopped(Some(2))).await;
    let over = house.workload(&workload.id).await;
    assert_eq!(
        (over.state(), over.reason.as_str()),
        (WorkloadState::Stopped, "idle for 60 min")
    );
    assert!(over.attempt.unwrap().billable_until.is_some());
}

/// Whatever its process does meanwhile.
async fn a_stop_is_final(engine: Engine) {
    let house = House::open(engine).await;
    let node = house.node("box", 4_000, 8_192).await;
    let mut agent = house.agent(&node).await;
    for (request, end, fault) in [
        ("r1", AttemptEnd::Failed, Fault::Platform),
        ("r2", AttemptEnd::Preempted, Fault::Unspecified),
        ("r3", AttemptEnd::Completed, Fault::Unspecified),
    ] {
        let workload = house.submit(request, spec(1_000, 1_024)).await;
        let mut run = agent.assigned().await;
        agent.say(run.starting()).await;
        house.stop(&workload.id, "stopped by user").await;
        agent.say(run.ended(end, fault, "in between")).await;
        let over = house.workload(&workload.id).await;
        assert_eq!(over.state(), WorkloadState::Stopped, "{end:?}");
        let again = house.stop(&workload.id, "again").await;
        assert_eq!(again, over);
    }
    let unknown = StopWorkloadRequest {
        id: "wo-?".to_owned(),
        reason: String::new(),
    };
    let refused = house.client().stop_workload(unknown).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
}

testkit::on_each_engine!(
    what_waits_stops_at_once,
    what_has_a_place_stops_when_its_node_says_so,
    what_runs_stops_when_its_end_is_reported,
    a_stop_is_final,
);
