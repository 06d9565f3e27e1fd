//! Making room for others: who goes is told before, and what it makes room for is sure of it, whoever leads.

use chrono::TimeDelta;
use contracts::common::v1::Role;
use contracts::scheduler::v1::queue_service_client::QueueServiceClient;
use contracts::scheduler::v1::{
    AttemptEnd, AttemptState, Fault, Queue, QueueQuota, SetQueueRequest, SubmitWorkloadRequest,
    Workload, WorkloadSpec, WorkloadState,
};
use kernel::id::TeamId;
use testkit::{Engine, person};

use crate::agent::{Agent, Run};
use crate::house::{House, OFTEN_MS, gpu_spec, node};

fn free() -> WorkloadSpec {
    WorkloadSpec {
        free: true,
        ..gpu_spec(1)
    }
}

/// A node of one GPU, on which this runs.
async fn house_with(engine: Engine, spec: WorkloadSpec) -> (House, Agent, Run, Workload) {
    let house = House::open(engine).await;
    let node = house.tell(node("box", 8_000, 16_384, 1)).await;
    let mut agent = house.agent(&node).await;
    let workload = house.submit("first", spec).await;
    let mut run = agent.assigned().await;
    agent.say(run.running(0)).await;
    (house, agent, run, workload)
}

async fn until_reason(house: &House, id: &str, part: &str) -> Workload {
    house
        .until(id, part, |found| found.reason.contains(part))
        .await
}

async fn free_work_is_told_and_makes_room_for_what_is_paid(engine: Engine) {
    let (house, mut agent, mut run, free_one) = house_with(engine, free()).await;
    let paid = house.submit("paid", gpu_spec(1)).await;
    let notice = agent.noticed().await;
    assert_eq!(notice.attempt_id, run.attempt_id());
    assert_eq!(notice.generation, 1);
    assert_eq!(notice.stop_in_ms, 30_000);
    until_reason(&house, &paid.id, "another workload makes room for it").await;
    let told = until_reason(&house, &free_one.id, "makes room for other work").await;
    assert_eq!(told.attempt.unwrap().state(), AttemptState::Running);

    // What it says while it runs on does not hide that it has to go, and its notice says how long it has.
    house.clock.advance(TimeDelta::seconds(20));
    agent.say(run.running(20)).await;
    until_reason(&house, &free_one.id, "makes room for other work").await;
    loop {
        let notice = agent.noticed().await;
        if notice.stop_in_ms != 30_000 {
            assert_eq!(notice.stop_in_ms, 10_000);
            break;
        }
    }
    let other = house.submit("other", free()).await;
    until_reason(&house, &other.id, "kept for other work").await;

    house.clock.advance(TimeDelta::seconds(10));
    let stop = agent.told_to_stop().await;
    assert_eq!(
        (stop.attempt_id.as_str(), stop.end()),
        (run.attempt_id(), AttemptEnd::Preempted)
    );
    agent.say(run.stopped(Some(30))).await;
    let next = agent.assigned().await;
    assert_eq!(next.assignment.workload_id, paid.id);
    let again = house.workload(&free_one.id).await;
    assert_eq!(again.state(), WorkloadState::Queued);
    let before = again.attempt.unwrap();
    assert_eq!(before.end(), AttemptEnd::Preempted);
    assert_eq!(
        before.reason, "made room for other work",
        "not how its process ended"
    );
    until_reason(
        &house,
        &free_one.id,
        "needs 1 x H100, 0 of them free on box",
    )
    .await;
}

async fn whoever_leads_next_knows_for_whom_room_is_made(engine: Engine) {
    let (mut house, mut agent, mut run, _) = house_with(engine, free()).await;
    let paid = house.submit("paid", gpu_spec(1)).await;
    agent.noticed().await;
    house.add_replica(OFTEN_MS).await;
    house.replicas.remove(0).stop().await.unwrap();
    agent.hung_up().await;
    let held = vec![run.running(5)];
    let node = house
        .inventory
        .nodes
        .lock()
        .unwrap()
        .values()
        .next()
        .cloned();
    let mut agent = house.agent_that_holds(&node.unwrap(), held).await;
    let wanted = agent.wanted().await;
    assert_eq!(wanted.notices.len(), 1, "it is told again");
    let more = house.submit("more", gpu_spec(1)).await;
    until_reason(&house, &more.id, "kept for other work").await;
    house.clock.advance(TimeDelta::seconds(30));
    agent.told_to_stop().await;
    agent.say(run.stopped(Some(30))).await;
    assert_eq!(agent.assigned().await.assignment.workload_id, paid.id);
}

async fn a_lower_priority_that_may_be_stopped_makes_room_after_its_time(engine: Engine) {
    let preemptible = WorkloadSpec {
        preemptible: true,
        ..gpu_spec(1)
    };
    let (house, mut agent, run, low) = house_with(engine, preemptible).await;
    let equal = house.submit("equal", gpu_spec(1)).await;
    until_reason(&house, &equal.id, "0 of them free").await;
    let urgent = WorkloadSpec {
        priority: 10,
        ..gpu_spec(1)
    };
    let urgent = house.submit("urgent", urgent).await;
    // Its clock stands at 22:13:20.
    let later = "work of lower priority may be stopped for it from 22:18:20 UTC on";
    until_reason(&house, &urgent.id, later).await;
    assert_eq!(house.explain(&urgent.id).await.queue_position, 1);
    assert_eq!(house.explain(&equal.id).await.queue_position, 2);
    house.clock.advance(TimeDelta::minutes(5));
    assert_eq!(agent.noticed().await.attempt_id, run.attempt_id());
    until_reason(&house, &urgent.id, "makes room for it").await;
    until_reason(&house, &low.id, "makes room for other work").await;
    // Who wishes its stop meanwhile has stopped it.
    house.stop(&low.id, "by its user").await;
    let stop = agent.told_to_stop().await;
    assert_eq!(stop.end(), AttemptEnd::Stopped);
}

async fn what_may_not_be_stopped_stays(engine: Engine) {
    let (house, mut agent, mut run, first) = house_with(engine, gpu_spec(1)).await;
    let urgent = WorkloadSpec {
        priority: 1_000,
        ..gpu_spec(1)
    };
    let urgent = house.submit("urgent", urgent).await;
    house.clock.advance(TimeDelta::hours(1));
    until_reason(&house, &urgent.id, "0 of them free").await;
    agent.say(run.running(3_600)).await;
    let found = house.workload(&first.id).await;
    assert_eq!(
        (found.state(), found.reason.as_str()),
        (WorkloadState::Active, "")
    );

    let refused = house
        .try_submit(house.request(
            "too urgent",
            WorkloadSpec {
                priority: 1_001,
                ..gpu_spec(1)
            },
        ))
        .await
        .unwrap_err();
    assert!(refused.message().contains("spec.priority"), "{refused}");
}

/// The same, of another team.
async fn submit_of(house: &House, team: TeamId, request_id: &str, spec: WorkloadSpec) -> Workload {
    let request = SubmitWorkloadRequest {
        team_id: team.into(),
        ..house.request(request_id, spec)
    };
    house.try_submit(request).await.unwrap()
}

/// A queue of the house's team.
async fn set_queue(house: &House, deserved: i64, limit: Option<i64>) {
    let gpus = |count: i64| QueueQuota {
        milli_gpus: Some(count * 1_000),
        ..QueueQuota::default()
    };
    let queue = Queue {
        name: "ours".to_owned(),
        team_id: house.team.into(),
        deserved: Some(gpus(deserved)),
        limit: limit.map(gpus),
        ..Queue::default()
    };
    let operator = person(house.team, Role::Operator);
    let channel = house.replicas[0].channel(&house.identity.token(&operator));
    let request = SetQueueRequest {
        queue: Some(queue),
        dry_run: false,
    };
    let mut client = QueueServiceClient::new(channel);
    client.set_queue(request).await.unwrap();
}

async fn what_is_lent_comes_back_and_what_is_guaranteed_is_not_borrowed_for_good(engine: Engine) {
    let house = House::open(engine).await;
    let node = house.tell(node("box", 8_000, 16_384, 3)).await;
    let mut agent = house.agent(&node).await;
    set_queue(&house, 1, Some(1)).await;
    let other = TeamId::generate();
    let lent = |number| {
        (
            number,
            WorkloadSpec {
                preemptible: number > 1,
                ..gpu_spec(1)
            },
        )
    };
    let mut runs = Vec::new();
    for (number, spec) in [1, 2, 3].map(lent) {
        submit_of(&house, other, &format!("lent {number}"), spec).await;
        let mut run = agent.assigned().await;
        agent.say(run.running(0)).await;
        runs.push(run);
        // So that it is known who has run longest.
        house.clock.advance(TimeDelta::seconds(1));
    }
    house.clock.advance(TimeDelta::minutes(5));
    let ours = house.submit("ours", gpu_spec(1)).await;
    let notice = agent.noticed().await;
    assert_eq!(
        notice.attempt_id,
        runs[2].attempt_id(),
        "the youngest that may be stopped"
    );
    until_reason(&house, &ours.id, "another workload makes room for it").await;

    let second = house.submit("second", gpu_spec(1)).await;
    let limited = "queue \"ours\" is at its limit of 1 GPUs";
    until_reason(&house, &second.id, limited).await;
    house.clock.advance(TimeDelta::seconds(30));
    agent.told_to_stop().await;
    agent.say(runs[2].stopped(Some(330))).await;
    let run = agent.assigned().await;
    assert_eq!(run.assignment.workload_id, ours.id);
    let explained = house.explain(&ours.id).await;
    let verdict = explained.verdict.unwrap();
    assert_eq!((verdict.policy.as_str(), verdict.fit), ("default", 1));
    assert_eq!(verdict.best[0].name, "box");

    // Room there is, though only for work that would give it back.
    agent
        .say(runs[1].ended(AttemptEnd::Completed, Fault::Unspecified, "done"))
        .await;
    set_queue(&house, 2, Some(2)).await;
    house.stop(&second.id, "no more").await;
    let firm = submit_of(&house, other, "firm", gpu_spec(1)).await;
    until_reason(&house, &firm.id, "guaranteed to other queues").await;
}

testkit::on_each_engine!(
    what_is_lent_comes_back_and_what_is_guaranteed_is_not_borrowed_for_good,
    free_work_is_told_and_makes_room_for_what_is_paid,
    whoever_leads_next_knows_for_whom_room_is_made,
    a_lower_priority_that_may_be_stopped_makes_room_after_its_time,
    what_may_not_be_stopped_stays,
);
