//! Two replicas: one leads, the other is ready, and the past cannot write.

use chassis::auth::Principal;
use chrono::TimeDelta;
use contracts::scheduler::v1::{AttemptState, GetWorkloadRequest};
use testkit::{Engine, eventually};
use tonic::Code;

use crate::agent::{Agent, hello};
use crate::house::{House, OFTEN_MS, spec};

async fn one_leads_and_the_other_takes_over(engine: Engine) {
    let mut house = House::open(engine).await;
    let node = house.node("box", 4_000, 8_192).await;
    let mut agent = house.agent(&node).await;
    agent.wanted().await;
    house.add_replica(OFTEN_MS).await;
    let standby = Agent::open(
        house.agent_channel(1, &node.id),
        hello(&node.id, 0, Vec::new()),
    )
    .await;
    let refused = standby.err().unwrap();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.message().contains("stands by"), "{refused}");

    // What is no leader's alone may be asked of either.
    let mut of_standby = house.client_of(1, &Principal::Service("notebook".to_owned()));
    let request = house.request("r1", spec(1_000, 1_024));
    let workload = of_standby
        .submit_workload(request)
        .await
        .unwrap()
        .into_inner()
        .workload
        .unwrap();
    let mut run = agent.assigned().await;
    agent.say(run.running(0)).await;
    let asked = GetWorkloadRequest {
        id: workload.id.clone(),
    };
    let seen = of_standby
        .get_workload(asked)
        .await
        .unwrap()
        .into_inner()
        .workload
        .unwrap();
    assert_eq!(seen.attempt.unwrap().state(), AttemptState::Running);

    house.replicas.remove(0).stop().await.unwrap();
    let hung_up = agent.hung_up().await;
    assert_eq!(hung_up.code(), Code::Unavailable);
    let mut again = house.agent_that_holds(&node, vec![run.running(5)]).await;
    let wanted = again.wanted().await;
    assert_eq!(
        wanted.assignments,
        [run.assignment.clone()],
        "nothing is started again"
    );
    assert!(again.epoch > agent.epoch);
    again.say(run.running(10)).await;
    let second = house.submit("r2", spec(1_000, 1_024)).await;
    assert_eq!(again.assigned().await.assignment.workload_id, second.id);
}

/// It lost its lease, and does not know.
async fn a_leader_of_the_past_writes_nothing(engine: Engine) {
    let mut house = House::empty(engine).await;
    house.add_replica(600_000).await;
    let node = house.node("box", 4_000, 8_192).await;
    let mut agent = house.agent(&node).await;
    let workload = house.submit("r1", spec(1_000, 1_024)).await;
    let mut run = agent.assigned().await;
    agent.say(run.starting()).await;
    house.clock.advance(TimeDelta::seconds(6));
    house.add_replica(OFTEN_MS).await;
    eventually("the new leader", || async {
        (house
            .number("SELECT epoch FROM leases WHERE name = 'leader'")
            .await
            == 2)
            .then_some(())
    })
    .await;

    let before = house.workload(&workload.id).await;
    let refused = agent.try_say(run.running(0)).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(
        refused.message().contains("no longer the holder"),
        "{refused}"
    );
    assert_eq!(house.workload(&workload.id).await, before);
    // An agent that comes to it without anything to report is no better off.
    let second = house.submit("r2", spec(1_000, 1_024)).await;
    house
        .until(&second.id, "a place by the new leader", |found| {
            found.attempt.is_some()
        })
        .await;

    house.replicas.remove(0);
    let mut again = house.agent_that_holds(&node, vec![run.running(1)]).await;
    assert_eq!(again.wanted().await.assignments.len(), 2);
    assert_eq!(
        house.workload(&workload.id).await.attempt.unwrap().state(),
        AttemptState::Running
    );
}

/// An agent with nothing to report learns that another leads.
async fn lines_end_with_the_leadership(engine: Engine) {
    let mut house = House::empty(engine).await;
    house.add_replica(2_000).await;
    let node = house.node("box", 4_000, 8_192).await;
    let mut agent = house.agent(&node).await;
    agent.wanted().await;
    house.clock.advance(TimeDelta::seconds(6));
    house.add_replica(OFTEN_MS).await;
    let hung_up = agent.hung_up().await;
    assert_eq!(hung_up.code(), Code::Unavailable);
    assert!(hung_up.message().contains("no longer leads"), "{hung_up}");
}

testkit::on_each_engine!(
    one_leads_and_the_other_takes_over,
    a_leader_of_the_past_writes_nothing,
    lines_end_with_the_leadership,
);
