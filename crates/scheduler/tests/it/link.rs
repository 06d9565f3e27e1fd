//! Connecting agents: what they hold is adopted, ended or given up.

use chassis::auth::Principal;
use contracts::agent::v1::open_link_response::Message as FromScheduler;
use contracts::common::v1::Role;
use contracts::scheduler::v1::{AttemptEnd, AttemptState, Fault, WorkloadState};
use kernel::id::TeamId;
use testkit::{Engine, person};
use tonic::Code;

use crate::agent::{Agent, hello};
use crate::house::{House, spec};

async fn what_an_agent_holds_is_adopted(engine: Engine) {
    let house = House::open(engine).await;
    let node = house.node("box", 4_000, 8_192).await;
    let mut agent = house.agent(&node).await;
    let workload = house.submit("r1", spec(1_000, 1_024)).await;
    let mut run = agent.assigned().await;
    agent.say(run.running(0)).await;
    drop(agent);

    let mut again = house.agent_that_holds(&node, vec![run.running(10)]).await;
    let wanted = again.wanted().await;
    assert_eq!(
        (wanted.assignments, wanted.stops),
        (vec![run.assignment.clone()], vec![])
    );
    let ack = again.next().await.unwrap();
    assert!(
        matches!(&ack, FromScheduler::Ack(ack) if ack.sequence == 2),
        "{ack:?}"
    );
    let seen = house.workload(&workload.id).await;
    assert_eq!(seen.attempt.unwrap().state(), AttemptState::Running);
    again.say(run.running(20)).await;
}

/// It ended while nobody listened.
async fn an_end_that_was_missed_is_told_at_hello(engine: Engine) {
    let house = House::open(engine).await;
    let node = house.node("box", 4_000, 8_192).await;
    let mut agent = house.agent(&node).await;
    let workload = house.submit("r1", spec(1_000, 1_024)).await;
    let mut run = agent.assigned().await;
    agent.say(run.running(0)).await;
    drop(agent);
    let end = run.ended(AttemptEnd::Failed, Fault::User, "exit code 7");
    let mut again = house.agent_that_holds(&node, vec![end]).await;
    let wanted = again.wanted().await;
    assert_eq!(wanted.assignments, []);
    let over = house.workload(&workload.id).await;
    assert_eq!(
        (over.state(), over.reason.as_str()),
        (WorkloadState::Failed, "exit code 7")
    );
}

async fn what_nobody_wants_is_told_to_stop(engine: Engine) {
    let house = House::open(engine).await;
    let node = house.node("box", 4_000, 8_192).await;
    let mut agent = house.agent(&node).await;
    house.submit("r1", spec(1_000, 1_024)).await;
    let mut run = agent.assigned().await;
    let mut unknown = run.clone();
    unknown.assignment.attempt_id = "at-unknown".to_owned();
    drop(agent);
    let mut again = house
        .agent_that_holds(&node, vec![unknown.running(5), run.starting()])
        .await;
    let wanted = again.wanted().await;
    assert_eq!(wanted.assignments, [run.assignment.clone()]);
    let stops: Vec<_> = wanted
        .stops
        .iter()
        .map(|stop| (stop.attempt_id.as_str(), stop.generation))
        .collect();
    assert_eq!(stops, [("at-unknown", 1)]);
}

async fn what_an_agent_lost_is_tried_again(engine: Engine) {
    let house = House::open(engine).await;
    let node = house.node("box", 4_000, 8_192).await;
    let mut agent = house.agent(&node).await;
    let workload = house.submit("r1", spec(1_000, 1_024)).await;
    let mut run = agent.assigned().await;
    agent.say(run.running(0)).await;
    drop(agent);
    let mut again = house.agent(&node).await;
    let wanted = again.wanted().await;
    let generation = match wanted.assignments.first() {
        Some(told) => told.generation,
        None => again.assigned().await.assignment.generation,
    };
    assert_eq!(generation, 2);
    let ends = "SELECT COUNT(*) FROM attempts WHERE generation = 1 AND state = 5 AND ended = 2 AND fault = 2";
    assert_eq!(house.number(ends).await, 1, "failed, by the platform");
    assert_eq!(
        house.workload(&workload.id).await.state(),
        WorkloadState::Active
    );
}

/// It has a place, and the node never heard of it: it is told again, not given up.
async fn what_an_agent_never_heard_of_is_told(engine: Engine) {
    let house = House::open(engine).await;
    let node = house.node("box", 4_000, 8_192).await;
    let workload = house.submit("r1", spec(1_000, 1_024)).await;
    house
        .until(&workload.id, "a place", |found| found.attempt.is_some())
        .await;
    let mut agent = house.agent(&node).await;
    let wanted = agent.wanted().await;
    assert_eq!(
        (wanted.assignments.len(), wanted.assignments[0].generation),
        (1, 1)
    );
    // Said again until it is taken up.
    assert_eq!(agent.assigned().await.assignment, wanted.assignments[0]);
}

/// A leader of the past is left alone.
async fn an_agent_of_a_later_leader_is_refused(engine: Engine) {
    let house = House::open(engine).await;
    let node = house.node("box", 4_000, 8_192).await;
    let mut agent = house.agent(&node).await;
    agent.wanted().await;
    let later = hello(&node.id, agent.epoch + 1, Vec::new());
    let mut misled = Agent::open(house.agent_channel(0, &node.id), later)
        .await
        .unwrap();
    let refused = misled.hung_up().await;
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.message().contains("no longer leads"), "{refused}");
}

async fn an_agent_speaks_of_its_own_node_in_order(engine: Engine) {
    let house = House::open(engine).await;
    let (one, other) = (
        house.node("one", 4_000, 8_192).await,
        house.node("other", 4_000, 8_192).await,
    );
    let mut agent = house.agent(&one).await;
    let channel = house.agent_channel(0, &one.id);
    let foreign = Agent::open(channel.clone(), hello(&other.id, 0, Vec::new())).await;
    assert_eq!(foreign.err().unwrap().code(), Code::PermissionDenied);
    let owner = house
        .identity
        .token(&person(TeamId::generate(), Role::Owner));
    let user = Agent::open(
        house.replicas[0].channel(&owner),
        hello(&one.id, 0, Vec::new()),
    )
    .await;
    assert_eq!(user.err().unwrap().code(), Code::PermissionDenied);
    let service = house
        .identity
        .token(&Principal::Service("notebook".to_owned()));
    let service = Agent::open(
        house.replicas[0].channel(&service),
        hello(&one.id, 0, Vec::new()),
    )
    .await;
    assert_eq!(service.err().unwrap().code(), Code::PermissionDenied);

    house.submit("r1", spec(1_000, 1_024)).await;
    let report = agent.assigned().await.starting();
    let first = contracts::agent::v1::open_link_request::Message::Report(report);
    let impolite = Agent::open(channel, first).await;
    assert_eq!(impolite.err().unwrap().code(), Code::InvalidArgument);
    agent.send(hello(&one.id, 0, Vec::new())).await;
    assert_eq!(agent.hung_up().await.code(), Code::InvalidArgument);
}

/// An agent that lost its line without noticing opens a second one.
async fn the_newest_line_of_a_node_is_told(engine: Engine) {
    let house = House::open(engine).await;
    let node = house.node("box", 4_000, 8_192).await;
    let mut old = house.agent(&node).await;
    old.wanted().await;
    let mut new = house.agent(&node).await;
    new.wanted().await;
    drop(old);
    let workload = house.submit("r1", spec(1_000, 1_024)).await;
    assert_eq!(new.assigned().await.assignment.workload_id, workload.id);
}

testkit::on_each_engine!(
    what_an_agent_holds_is_adopted,
    an_end_that_was_missed_is_told_at_hello,
    what_nobody_wants_is_told_to_stop,
    what_an_agent_lost_is_tried_again,
    what_an_agent_never_heard_of_is_told,
    an_agent_of_a_later_leader_is_refused,
    an_agent_speaks_of_its_own_node_in_order,
    the_newest_line_of_a_node_is_told,
);
