//! What people see while a workload lives: by its events, by asking, and while the scheduler is away.

use contracts::notebook::v1::NotebookState::{Failed, Pending, Provisioned, Running};
use contracts::notebook::v1::{CreateNotebookRequest, NotebookState};
use contracts::scheduler::v1::{AttemptEnd, Fault, WorkloadChanged, WorkloadState};
use contracts::to_wire_time;
use kernel::Clock as _;
use testkit::{Engine, eventually};

use crate::house::{House, NEVER_MS, on};
use crate::scheduler::{end, place, run, start};

async fn events_alone_tell_its_life(engine: Engine) {
    let mut house = House::empty(engine).await;
    house.config.look_ms = NEVER_MS;
    house.start_service().await;
    let id = house.create("mine").await.id;
    let workload = house.workload(&id, 1).await.id;
    house
        .until(&id, "the queue", |seen| seen.reason == "waits for a place")
        .await;
    house
        .moves(&workload, |workload| place(workload, "no-1"))
        .await;
    house.until_state(&id, Provisioned).await;
    house.moves(&workload, start).await;
    house
        .until(&id, "preparing", |seen| seen.reason == "prepares python")
        .await;
    let now = house.clock.now();
    house.moves(&workload, |workload| run(workload, now)).await;
    let running = house.until_state(&id, Running).await;
    assert_eq!(
        (running.started_at, running.reason.as_str()),
        (Some(to_wire_time(now)), "")
    );
    let killed = "out of memory: limit 64 MiB, peak 64 MiB; a process was ended, the rest goes on";
    house
        .moves(&workload, |workload| workload.reason = killed.to_owned())
        .await;
    let told = house
        .until(&id, "what its node says", |seen| seen.reason == killed)
        .await;
    assert_eq!(told.state(), Running, "it goes on");
    let since = to_wire_time(now);
    house
        .moves(&workload, |workload| {
            workload.attempt.as_mut().unwrap().unreachable_since = Some(since)
        })
        .await;
    let silent = house
        .until(&id, "silence", |seen| {
            seen.reason.starts_with("its node does not answer")
        })
        .await;
    assert_eq!(silent.state(), Running);
    house
        .moves(&workload, |workload| {
            end(workload, AttemptEnd::Failed, Fault::User, "out of memory")
        })
        .await;
    let over = house.until_state(&id, Failed).await;
    assert_eq!(over.reason, "out of memory");

    let events = house
        .events(&id, |event| {
            event.notebook.as_ref().unwrap().state() == Failed
        })
        .await;
    let revisions: Vec<_> = events
        .iter()
        .map(|event| event.notebook.as_ref().unwrap().revision)
        .collect();
    assert!(
        revisions.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "{revisions:?}"
    );
    let mut states: Vec<_> = events
        .iter()
        .map(|event| event.notebook.as_ref().unwrap().state())
        .collect();
    states.dedup();
    assert_eq!(states, [Pending, Provisioned, Running, Failed]);
}

async fn asking_alone_tells_it_too(engine: Engine) {
    let house = House::open(engine).await;
    let id = house.create("mine").await.id;
    let workload = house.workload(&id, 1).await.id;
    house
        .scheduler
        .change(&workload, |workload| place(workload, "no-1"));
    house.until_state(&id, Provisioned).await;
    let now = house.clock.now();
    house
        .scheduler
        .change(&workload, |workload| run(workload, now));
    house.until_state(&id, Running).await;
    house.scheduler.change(&workload, |workload| {
        end(
            workload,
            AttemptEnd::Completed,
            Fault::Unspecified,
            "exit code 0",
        )
    });
    let over = house.until_state(&id, Failed).await;
    assert_eq!(
        over.reason,
        "Jupyter ended by itself; start the notebook to go on"
    );
}

async fn ends_have_the_names_of_their_causes(engine: Engine) {
    let house = House::open(engine).await;
    for (how, fault, state) in [
        (AttemptEnd::Failed, Fault::User, Failed),
        (AttemptEnd::Failed, Fault::Platform, NotebookState::Error),
        (AttemptEnd::Lost, Fault::Unspecified, NotebookState::Error),
        (
            AttemptEnd::Preempted,
            Fault::Unspecified,
            NotebookState::Preempted,
        ),
        (
            AttemptEnd::Stopped,
            Fault::Unspecified,
            NotebookState::Stopped,
        ),
    ] {
        let (notebook, workload) = house.running(on("C3")).await;
        house
            .moves(&workload.id, |workload| {
                end(workload, how, fault, "the cause")
            })
            .await;
        let over = house.until_state(&notebook.id, state).await;
        assert_eq!(over.reason, "the cause", "{how:?}");
        // An end is now what is wanted: it is not submitted again, and may be started.
        eventually("the end to settle", || async {
            house
                .start(&notebook.id)
                .await
                .ok()
                .filter(|seen| seen.state() == Pending)
        })
        .await;
        house.workload(&notebook.id, 2).await;
    }
}

async fn another_try_waits_again(engine: Engine) {
    let house = House::open(engine).await;
    let (notebook, workload) = house.running(CreateNotebookRequest::default()).await;
    let before = house
        .scheduler
        .workload_of(&format!("{}/1", notebook.id))
        .unwrap();
    house
        .moves(&workload.id, |workload| {
            end(
                workload,
                AttemptEnd::Failed,
                Fault::Platform,
                "no space left",
            );
            workload.state = WorkloadState::Queued.into();
        })
        .await;
    let waits = house.until_state(&notebook.id, Pending).await;
    assert_eq!(
        (waits.reason.as_str(), waits.workload_id),
        ("no space left", workload.id.clone())
    );
    house
        .moves(&workload.id, |workload| place(workload, "no-2"))
        .await;
    let second = house.until_state(&notebook.id, Provisioned).await;
    assert_eq!(second.started_at, None);
    house
        .route_when(&notebook.id, "the second place", |route| {
            route
                .target
                .as_ref()
                .is_some_and(|target| target.generation == 2)
        })
        .await;

    // Old news comes late.
    let event = WorkloadChanged {
        workload: Some(before),
    };
    house.nats.publish(&event, &workload.id).await;
    let now = house.clock.now();
    house
        .moves(&workload.id, |workload| run(workload, now))
        .await;
    house.until_state(&notebook.id, Running).await;
    let events = house
        .events(&notebook.id, |event| {
            event.notebook.as_ref().unwrap().state() == Running
        })
        .await;
    let mut states: Vec<_> = events
        .iter()
        .map(|event| event.notebook.as_ref().unwrap().state())
        .collect();
    states.dedup();
    assert_eq!(
        states[states.len() - 4..],
        [Running, Pending, Provisioned, Running]
    );
}

async fn a_scheduler_that_was_away_is_caught_up_with(engine: Engine) {
    let house = House::open(engine).await;
    house.scheduler.state().down = true;
    let id = house.create("mine").await.id;
    house
        .until(&id, "its files", |seen| !seen.volume_id.is_empty())
        .await;
    assert_eq!(house.notebook(&id).await.state(), Pending);
    house.scheduler.state().down = false;
    let workload = house.workload(&id, 1).await.id;

    house.scheduler.state().down = true;
    let now = house.clock.now();
    house.scheduler.change(&workload, |workload| {
        place(workload, "no-1");
        run(workload, now);
    });
    let stopping = house.stop(&id).await;
    assert_eq!(
        (stopping.state(), stopping.reason.as_str()),
        (Pending, "stopping")
    );
    let why = house.explain(&id).await;
    assert_eq!(
        why.details,
        ["the scheduler does not answer now; this is what was known last"]
    );
    house.scheduler.state().down = false;
    let told = eventually("the order to stop", || async {
        house.scheduler.state().stops.pop()
    })
    .await;
    assert_eq!(told, (workload.clone(), "stopped by user".to_owned()));
    house.scheduler.change(&workload, |workload| {
        end(
            workload,
            AttemptEnd::Stopped,
            Fault::Unspecified,
            "exit code 0",
        )
    });
    let over = house.until_state(&id, NotebookState::Stopped).await;
    assert_eq!(over.reason, "stopped by user");
}

async fn what_the_scheduler_refuses_is_said(engine: Engine) {
    let house = House::open(engine).await;
    house.scheduler.state().refuses = Some("no node could ever host C3: too small".to_owned());
    let id = house.create("mine").await.id;
    let refused = house.until_state(&id, NotebookState::Error).await;
    assert_eq!(refused.reason, "no node could ever host C3: too small");
    let why = house.explain(&id).await;
    assert_eq!((why.summary, why.details.len()), (refused.reason, 0));

    house.scheduler.state().refuses = None;
    house.start(&id).await.unwrap();
    let workload = house.workload(&id, 2).await;
    let why = house.explain(&id).await;
    assert_eq!(why.summary, "waits for a place: memory");
    let details = [
        "number 3 in the queue",
        "memory rules out 1 node: needs 4096 MiB memory, 12 of it free on box",
    ];
    assert_eq!(why.details, details);
    assert_eq!(house.notebook(&id).await.workload_id, workload.id);
}

testkit::on_each_engine!(
    events_alone_tell_its_life,
    asking_alone_tells_it_too,
    ends_have_the_names_of_their_causes,
    another_try_waits_again,
    a_scheduler_that_was_away_is_caught_up_with,
    what_the_scheduler_refuses_is_said,
);
