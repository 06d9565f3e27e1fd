//! From the queue to the end: states, events and billable times; what is refused.

use chrono::TimeDelta;
use contracts::common::v1::Resources;
use contracts::scheduler::v1::{
    Attempt, AttemptEnd, AttemptEnded, AttemptStarted, AttemptState, Fault, OnSilence, Workload,
    WorkloadChanged, WorkloadSpec, WorkloadState,
};
use contracts::to_wire_time;
use futures::future::join_all;
use kernel::Clock as _;
use testkit::{Engine, eventually};
use tonic::Code;

use crate::agent::Agent;
use crate::house::{House, gpu_spec, spec};

async fn a_workload_lives_and_costs_what_it_ran(engine: Engine) {
    let house = House::open(engine).await;
    let node = house.node("box", 4_000, 8_192).await;
    let mut agent = house.agent(&node).await;
    assert_eq!(agent.wanted().await, Default::default());
    let lock = "jupyterlab==4.5.0\n".to_owned();
    let asked = WorkloadSpec {
        environment_lock: lock.clone(),
        ..spec(1_000, 1_024)
    };
    let workload = house.submit("r1", asked).await;
    assert_eq!(workload.created_at, Some(to_wire_time(house.clock.now())));

    let mut run = agent.assigned().await;
    let told = &run.assignment;
    assert_eq!(
        (told.workload_id.as_str(), told.generation),
        (workload.id.as_str(), 1)
    );
    // The lock is large: the node gets it, and nobody else.
    let spec = workload.spec.clone().unwrap();
    assert_eq!(spec.environment_lock, "");
    assert_eq!(
        told.spec,
        Some(WorkloadSpec {
            environment_lock: lock,
            ..spec
        })
    );
    house.clock.advance(TimeDelta::seconds(5));
    agent.say(run.starting()).await;
    let seen = house.workload(&workload.id).await;
    assert_eq!(
        (seen.state(), seen.reason.as_str()),
        (WorkloadState::Active, "prepares python")
    );
    assert_eq!(seen.attempt.unwrap().state(), AttemptState::Starting);

    house.clock.advance(TimeDelta::seconds(10));
    let from = to_wire_time(house.clock.now());
    agent.say(run.running(0)).await;
    let started = house.workload(&workload.id).await.attempt.unwrap();
    assert_eq!(
        (started.state(), started.billable_from),
        (AttemptState::Running, Some(from))
    );
    house.clock.advance(TimeDelta::seconds(60));
    agent.say(run.running(60)).await;
    let running = house.workload(&workload.id).await.attempt.unwrap();
    assert_eq!(
        running.confirmed_until,
        Some(to_wire_time(house.clock.now()))
    );
    assert_eq!(running.billable_until, None);

    house.clock.advance(TimeDelta::seconds(60));
    let mut end = run.ended(AttemptEnd::Completed, Fault::Unspecified, "exit code 0");
    (end.ran_ms, end.age_ms) = (Some(90_000), 30_000);
    agent.say(end).await;
    let over = house.workload(&workload.id).await;
    assert_eq!(over.state(), WorkloadState::Stopped);
    let until = to_wire_time(house.clock.now() - TimeDelta::seconds(30));
    let attempt = over.attempt.unwrap();
    assert_eq!(
        (attempt.billable_from, attempt.billable_until),
        (Some(from), Some(until))
    );
    assert_eq!(
        house.number("SELECT free_milli_cores FROM nodes").await,
        4_000
    );
    the_bus_has_its_life(&house, &workload.id, &attempt).await;
}

async fn the_bus_has_its_life(house: &House, workload_id: &str, ended: &Attempt) {
    let last = eventually("the end on the bus", || async {
        house.nats.events::<AttemptEnded>().await.pop()
    })
    .await;
    assert_eq!(last.attempt.as_ref(), Some(ended));
    let started = house.nats.events::<AttemptStarted>().await;
    assert_eq!(started.len(), 1);
    assert_eq!(
        started[0].attempt.as_ref().unwrap().billable_from,
        ended.billable_from
    );
    let changes = eventually("the last change on the bus", || async {
        let changes = house.nats.events::<WorkloadChanged>().await;
        let changes: Vec<_> = changes
            .into_iter()
            .map(|event| event.workload.unwrap())
            .collect();
        let over = changes.last()?.state() == WorkloadState::Stopped;
        over.then_some(changes)
    })
    .await;
    let revisions: Vec<_> = changes.iter().map(|workload| workload.revision).collect();
    assert_eq!(revisions, (1..=changes.len() as u64).collect::<Vec<_>>());
    assert!(changes.iter().all(|workload| workload.id == workload_id));
    let spec_of = |workload: &Workload| workload.spec.clone().unwrap();
    assert!(
        changes
            .iter()
            .all(|workload| spec_of(workload).environment_lock.is_empty())
    );
    let states: Vec<_> = changes
        .iter()
        .filter_map(|workload| workload.attempt.as_ref().map(Attempt::state))
        .collect();
    use AttemptState::{Ended, Placed, Running, Starting};
    assert_eq!(states, [Placed, Starting, Running, Ended]);
}

async fn a_request_makes_one_workload(engine: Engine) {
    let house = House::open(engine).await;
    house.node("box", 64_000, 65_536).await;
    let asked = (0..8).map(|_| house.submit("r1", spec(1_000, 1_024)));
    let made = join_all(asked).await;
    assert!(made.iter().all(|workload| workload.id == made[0].id));
    assert_eq!(house.number("SELECT COUNT(*) FROM workloads").await, 1);

    let refused = house
        .try_submit(house.request("r1", spec(2_000, 1_024)))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists);
    let mut of_others = house.request("r1", spec(2_000, 1_024));
    of_others.team_id = "te-others".to_owned();
    assert_ne!(house.try_submit(of_others).await.unwrap().id, made[0].id);
}

async fn what_can_never_run_is_refused_with_the_reason(engine: Engine) {
    let house = House::open(engine).await;
    let refused = house
        .try_submit(house.request("r1", spec(1_000, 1_024)))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("join-token"), "{refused}");

    house.node("box", 4_000, 8_192).await;
    for (asked, why) in [
        (
            spec(1_000, 8_193),
            "needs 8193 MiB memory, 8192 of it free on box",
        ),
        (
            spec(4_001, 1_024),
            "needs 4001 milli-cores, 4000 of it free on box",
        ),
        (gpu_spec(1), "needs 1 x H100, 0 of them free on box"),
    ] {
        let refused = house
            .try_submit(house.request("r1", asked))
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert!(refused.message().contains(why), "{refused}");
    }
    assert_eq!(house.number("SELECT COUNT(*) FROM workloads").await, 0);
}

async fn what_is_asked_wrongly_is_refused_by_field(engine: Engine) {
    let house = House::open(engine).await;
    house.node("box", 4_000, 8_192).await;
    let good = spec(1_000, 1_024);
    let with = |resources| WorkloadSpec {
        resources: Some(resources),
        ..good.clone()
    };
    let resources = good.resources.clone().unwrap();
    let no_model = Resources {
        gpus: 1,
        ..resources.clone()
    };
    let no_gpu = Resources {
        gpu_model: "H100".to_owned(),
        ..resources
    };
    let moves = WorkloadSpec {
        on_silence: OnSilence::Move.into(),
        volume_id: "vo-1".to_owned(),
        ..good.clone()
    };
    for (asked, field) in [
        (
            WorkloadSpec {
                resources: None,
                ..good.clone()
            },
            "spec.resources",
        ),
        (with(no_model), "spec.resources.gpu_model"),
        (with(no_gpu), "spec.resources.gpu_model"),
        (
            WorkloadSpec {
                command: Vec::new(),
                ..good.clone()
            },
            "spec.command",
        ),
        (moves, "spec.on_silence"),
        (
            WorkloadSpec {
                environment_lock: "x".repeat(300_000),
                ..good.clone()
            },
            "spec",
        ),
    ] {
        let refused = house
            .try_submit(house.request("r1", asked))
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{field}");
        assert!(
            refused.message().contains(&format!("{field}: ")),
            "{refused}"
        );
    }
    for id in [String::new(), "x".repeat(201)] {
        let refused = house
            .try_submit(house.request(&id, good.clone()))
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
}

/// Inventory knows of it, no event came, and the next comparison is far away.
async fn a_node_that_joined_a_moment_ago_counts(engine: Engine) {
    let mut house = House::empty(engine).await;
    house.config.compare_ms = 600_000;
    house.add_replica(crate::house::OFTEN_MS).await;
    let node = crate::house::node("box", 4_000, 8_192, 0);
    house
        .inventory
        .nodes
        .lock()
        .unwrap()
        .insert(node.id.clone(), node.clone());
    let workload = house.submit("r1", spec(1_000, 1_024)).await;
    let mut agent: Agent = house.agent(&node).await;
    let mut wanted = agent.wanted().await.assignments;
    let told = match wanted.pop() {
        Some(told) => told,
        None => agent.assigned().await.assignment,
    };
    assert_eq!(told.workload_id, workload.id);
}

testkit::on_each_engine!(
    a_workload_lives_and_costs_what_it_ran,
    a_request_makes_one_workload,
    what_can_never_run_is_refused_with_the_reason,
    what_is_asked_wrongly_is_refused_by_field,
    a_node_that_joined_a_moment_ago_counts,
);
