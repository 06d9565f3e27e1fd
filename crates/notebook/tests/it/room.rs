//! Notebooks that may be stopped for others: what the scheduler is told of them, and what people see while one makes room, waits, and
//! runs again.

use contracts::notebook::v1::{
    CreateNotebookRequest, Notebook, NotebookState, UpdateNotebookRequest,
};
use contracts::scheduler::v1::{
    AttemptEnd, AttemptState, Fault, Workload, WorkloadSpec, WorkloadState,
};
use contracts::to_wire_time;
use kernel::Clock as _;
use testkit::Engine;
use tonic::Code;

use crate::house::{House, on};
use crate::idle::{activities, stopping, that_answers, warned};
use crate::scheduler::{end, place, run};

const TOLD: &str = "will be stopped at 2026-11-29T22:13:50Z: makes room for other work, and waits for a place again; save what is only in memory";
const MADE_ROOM: &str = "made room for other work";

fn with_turn(asked: CreateNotebookRequest) -> CreateNotebookRequest {
    CreateNotebookRequest {
        preemptible: true,
        priority: -10,
        ..asked
    }
}

/// What the scheduler was asked for.
fn spec(house: &House, notebook: &Notebook, start: u32) -> WorkloadSpec {
    let state = house.scheduler.state();
    let (asked, _) = &state.submitted[&format!("{}/{start}", notebook.id)];
    asked.spec.clone().unwrap()
}

/// It is told that it has to go.
fn is_told(workload: &mut Workload) {
    workload.reason = TOLD.to_owned();
}

/// Its time has come.
fn leaves(workload: &mut Workload) {
    let attempt = workload.attempt.as_mut().unwrap();
    attempt.set_state(AttemptState::Stopping);
    attempt.reason = MADE_ROOM.to_owned();
    workload.reason = MADE_ROOM.to_owned();
}

/// It has gone, and is in the queue again.
fn has_left(workload: &mut Workload) {
    end(
        workload,
        AttemptEnd::Preempted,
        Fault::Unspecified,
        MADE_ROOM,
    );
    workload.set_state(WorkloadState::Queued);
}

async fn until_reason(house: &House, id: &str, reason: &str) -> Notebook {
    house
        .until(id, reason, |found| found.reason == reason)
        .await
}

async fn the_scheduler_is_told_whose_turn_it_is(engine: Engine) {
    let house = House::open(engine).await;
    let asked = CreateNotebookRequest {
        request_id: "once".to_owned(),
        ..with_turn(on("C3"))
    };
    let (first, workload) = house.running(asked.clone()).await;
    let told = |spec: &WorkloadSpec| (spec.preemptible, spec.priority, spec.free);
    assert_eq!((first.preemptible, first.priority), (true, -10));
    assert_eq!(told(&spec(&house, &first, 1)), (true, -10, false));
    let other = CreateNotebookRequest {
        priority: 10,
        ..asked.clone()
    };
    let other = house.try_create(other).await.unwrap_err();
    assert_eq!(other.code(), Code::AlreadyExists, "{other}");
    assert_eq!(house.try_create(asked).await.unwrap().id, first.id);
    let (free, _) = house.running(on("Free-CPU")).await;
    assert_eq!(told(&spec(&house, &free, 1)), (false, 0, true));

    // Changed while it runs: for the next start.
    let change = |priority| UpdateNotebookRequest {
        notebook: first.id.clone(),
        preemptible: Some(false),
        priority: Some(priority),
        ..UpdateNotebookRequest::default()
    };
    let changed = house.member().update_notebook(change(1_000)).await.unwrap();
    let changed = changed.into_inner();
    assert!(
        changed.note.starts_with("counts from its next start on"),
        "{}",
        changed.note
    );
    let changed = changed.notebook.unwrap();
    assert_eq!((changed.preemptible, changed.priority), (false, 1_000));
    let again = house.member().update_notebook(change(1_000)).await.unwrap();
    assert_eq!(again.into_inner().note, "", "all is so already");
    house.stop(&first.id).await;
    house
        .moves(&workload.id, |workload| {
            end(
                workload,
                AttemptEnd::Stopped,
                Fault::Unspecified,
                "exit code 0",
            );
        })
        .await;
    house.until_state(&first.id, NotebookState::Stopped).await;
    house.start(&first.id).await.unwrap();
    house.workload(&first.id, 2).await;
    assert_eq!(told(&spec(&house, &first, 2)), (false, 1_000, false));

    for priority in [1_001, -1_001, i32::MIN] {
        let asked = CreateNotebookRequest {
            priority,
            ..on("C3")
        };
        let made = house.try_create(asked).await.unwrap_err();
        let changed = house.member().update_notebook(change(priority)).await;
        for refused in [made, changed.unwrap_err()] {
            assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
            let problem = format!("priority: is {priority}; -1000 to 1000 is allowed");
            assert!(refused.message().contains(&problem), "{refused}");
        }
    }
}

async fn a_fork_has_the_turn_of_its_origin_unless_it_is_given_one(engine: Engine) {
    let house = House::open(engine).await;
    let (first, workload) = house.running(with_turn(on("C3"))).await;
    house.volumes.place(&first.volume_id, "no-1", false);
    house.stop(&first.id).await;
    house
        .moves(&workload.id, |workload| {
            end(
                workload,
                AttemptEnd::Stopped,
                Fault::Unspecified,
                "exit code 0",
            );
        })
        .await;
    house.until_state(&first.id, NotebookState::Stopped).await;
    for (asked, has) in [(0, -10), (7, 7)] {
        let fork = CreateNotebookRequest {
            fork: first.id.clone(),
            priority: asked,
            ..CreateNotebookRequest::default()
        };
        let fork = house.try_create(fork).await.unwrap();
        assert_eq!((fork.preemptible, fork.priority), (true, has));
    }
}

/// It says that it has to go, waits as one that does not run, and runs again by itself.
async fn one_that_makes_room_says_so_and_runs_again(engine: Engine) {
    let house = House::open(engine).await;
    let idle = that_answers(&house, None, activities(&[], &[])).await;
    let (notebook, workload) = house.running(with_turn(on("C3"))).await;
    let id = notebook.id.as_str();
    house.moves(&workload.id, is_told).await;
    let told = until_reason(&house, id, TOLD).await;
    assert_eq!(told.state(), NotebookState::Running, "it has its notice");
    house
        .route_when(id, "what its pages tell", |route| {
            route.running && route.note == TOLD
        })
        .await;

    house.moves(&workload.id, leaves).await;
    let leaving = until_reason(&house, id, MADE_ROOM).await;
    assert_eq!(
        leaving.state(),
        NotebookState::Running,
        "until its end is known"
    );
    house.moves(&workload.id, has_left).await;
    let waits = until_reason(
        &house,
        id,
        "made room for other work; waits for a place again",
    )
    .await;
    assert_eq!(waits.state(), NotebookState::Pending);
    assert_eq!((waits.run_until, waits.stops_at), (None, None));
    house
        .moves(&workload.id, |workload| {
            workload.reason = "waits for a place: memory".to_owned();
        })
        .await;
    let reason = "made room for other work; waits for a place: memory";
    until_reason(&house, id, reason).await;
    assert_eq!(house.explain(id).await.summary, reason);
    house
        .route_when(id, "no way to what is not there", |route| {
            !route.running && route.note.is_empty()
        })
        .await;

    // Whoever waits is not idle, however long that takes.
    house.advance(3_300);
    warned(&house, &idle).await;
    house.advance(301);
    stopping(&house, &idle).await;
    house.advance(36_000);
    let waits = house.notebook(id).await;
    assert_eq!(
        (waits.state(), waits.stops_at),
        (NotebookState::Pending, None)
    );
    let stops = house.scheduler.state().stops.clone();
    assert!(stops.iter().all(|(of, _)| *of != workload.id), "{stops:?}");

    let now = house.clock.now();
    house
        .moves(&workload.id, |workload| place(workload, "no-1"))
        .await;
    let placed = house.until_state(id, NotebookState::Provisioned).await;
    assert_eq!(placed.started_at, None, "what it ran before is over");
    house
        .moves(&workload.id, |workload| run(workload, now))
        .await;
    let again = house.until_state(id, NotebookState::Running).await;
    assert_eq!(
        (again.started_at, again.reason.as_str(), &again.volume_id),
        (Some(to_wire_time(now)), "", &notebook.volume_id)
    );
    assert_eq!(again.workload_id, workload.id, "the same start");
    house
        .route_when(id, "the way to its new place", |route| {
            let target = route.target.as_ref();
            route.running && target.is_some_and(|target| target.generation == 2)
        })
        .await;
}

/// It is over then, not preempted; and while it waits it keeps its place among free machines.
async fn one_that_is_stopped_while_it_waits_has_stopped(engine: Engine) {
    let house = House::open(engine).await;
    let (notebook, workload) = house.running(on("Free-CPU")).await;
    house.moves(&workload.id, leaves).await;
    house.moves(&workload.id, has_left).await;
    house
        .until_state(&notebook.id, NotebookState::Pending)
        .await;
    let second = house.try_create(on("Free-CPU")).await.unwrap_err();
    assert_eq!(second.code(), Code::ResourceExhausted, "{second}");
    house.stop(&notebook.id).await;
    let stopped = house
        .until_state(&notebook.id, NotebookState::Stopped)
        .await;
    assert_eq!(stopped.reason, "stopped by user");
    house.create("another").await;
    house.try_create(on("Free-CPU")).await.unwrap();
}

testkit::on_each_engine!(
    the_scheduler_is_told_whose_turn_it_is,
    a_fork_has_the_turn_of_its_origin_unless_it_is_given_one,
    one_that_makes_room_says_so_and_runs_again,
    one_that_is_stopped_while_it_waits_has_stopped,
);
