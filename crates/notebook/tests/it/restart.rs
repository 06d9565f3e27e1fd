//! Stopping, starting again, deleting; free notebooks; and starts whose answers are lost.

use std::collections::HashSet;

use contracts::notebook::v1::NotebookState;
use contracts::scheduler::v1::{AttemptEnd, Fault, WorkloadState};
use futures::future::join_all;
use testkit::{Engine, eventually};
use tonic::Code;

use crate::house::{House, on};
use crate::scheduler::{end, place};

async fn a_stop_before_the_start_cancels(engine: Engine) {
    let house = House::open(engine).await;
    let id = house.create("waits").await.id;
    let workload = house.workload(&id, 1).await.id;
    house.stop(&id).await;
    let over = house.until_state(&id, NotebookState::Cancelled).await;
    assert_eq!(
        (over.reason.as_str(), over.started_at),
        ("stopped by user", None)
    );
    let told = house.scheduler.state().stops[0].clone();
    assert_eq!(told, (workload, "stopped by user".to_owned()));

    // With a machine, but before it answered.
    house.start(&id).await.unwrap();
    let workload = house.workload(&id, 2).await.id;
    house
        .moves(&workload, |workload| place(workload, "no-1"))
        .await;
    house.until_state(&id, NotebookState::Provisioned).await;
    house.stop(&id).await;
    eventually("the order to stop", || async {
        house
            .scheduler
            .state()
            .stops
            .iter()
            .any(|(id, _)| *id == workload)
            .then_some(())
    })
    .await;
    house
        .moves(&workload, |workload| {
            end(workload, AttemptEnd::Stopped, Fault::Unspecified, "")
        })
        .await;
    house.until_state(&id, NotebookState::Cancelled).await;
}

async fn a_start_goes_on_with_the_same_files(engine: Engine) {
    let house = House::open(engine).await;
    let (notebook, first) = house.running(on("C3")).await;
    let running = house.start(&notebook.id).await.unwrap();
    assert_eq!(
        running.workload_id, first.id,
        "one that runs is left as it is"
    );
    house.volumes.place(&notebook.volume_id, "no-1", true);

    let stopping = house.stop(&notebook.id).await;
    assert_eq!(
        (stopping.state(), stopping.reason.as_str()),
        (NotebookState::Running, "stopping")
    );
    let refused = house.start(&notebook.id).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("is still stopping"), "{refused}");
    house
        .moves(&first.id, |workload| {
            end(
                workload,
                AttemptEnd::Stopped,
                Fault::Unspecified,
                "exit code 0",
            )
        })
        .await;
    let over = house
        .until_state(&notebook.id, NotebookState::Stopped)
        .await;
    assert_eq!(over.reason, "stopped by user");

    let again = house.start(&notebook.id).await.unwrap();
    assert_eq!(
        (again.state(), again.workload_id.as_str(), again.started_at),
        (NotebookState::Pending, "", None)
    );
    let second = house.workload(&notebook.id, 2).await;
    assert_ne!(second.id, first.id);
    let (asked, _) = house.scheduler.state().submitted[&format!("{}/2", notebook.id)].clone();
    let spec = asked.spec.unwrap();
    assert_eq!(
        (spec.volume_id, spec.node_id.as_str()),
        (notebook.volume_id.clone(), "no-1")
    );
    assert_eq!(house.volumes.rows.lock().unwrap().len(), 1);
    // And the second start can be stopped as the first.
    house.stop(&notebook.id).await;
    house
        .until_state(&notebook.id, NotebookState::Cancelled)
        .await;
}

/// Since the last start the only node of its size has gone.
async fn a_start_that_nothing_can_host_is_refused(engine: Engine) {
    let house = House::open(engine).await;
    let id = house.create("mine").await.id;
    house.workload(&id, 1).await;
    house.stop(&id).await;
    house.until_state(&id, NotebookState::Cancelled).await;
    house
        .inventory
        .machine_types
        .lock()
        .unwrap()
        .retain_mut(|machine_type| {
            machine_type.available &= machine_type.name != "C3";
            machine_type.hostable = machine_type.available;
            true
        });
    let refused = house.start(&id).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(
        refused
            .message()
            .contains("types that fit here: C1, Free-CPU"),
        "{refused}"
    );
    assert_eq!(house.notebook(&id).await.state(), NotebookState::Cancelled);
}

async fn one_free_notebook_runs_at_a_time(engine: Engine) {
    let house = House::open(engine).await;
    let asked = (0..4).map(|_| house.try_create(on("Free-CPU")));
    let (made, refused): (Vec<_>, Vec<_>) =
        join_all(asked).await.into_iter().partition(Result::is_ok);
    assert_eq!((made.len(), refused.len()), (1, 3));
    let first = made.into_iter().next().unwrap().unwrap();
    for refused in refused {
        let refused = refused.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        assert!(
            refused
                .message()
                .contains(&format!("and {:?} does; stop it", first.name)),
            "{refused}"
        );
    }
    house.create("paid").await;

    house.workload(&first.id, 1).await;
    house.stop(&first.id).await;
    house.until_state(&first.id, NotebookState::Cancelled).await;
    let second = house.try_create(on("Free-CPU")).await.unwrap();
    let refused = house.start(&first.id).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(
        refused
            .message()
            .contains(&format!("and {:?} does", second.name)),
        "{refused}"
    );
    assert_eq!(
        house.notebook(&first.id).await.state(),
        NotebookState::Cancelled
    );
    house.delete(&second.id).await;
    let started = || async { house.start(&first.id).await.ok() };
    eventually("the end of the second", started).await;
}

async fn a_free_notebook_that_still_stops_counts(engine: Engine) {
    let house = House::open(engine).await;
    let (first, workload) = house.running(on("Free-CPU")).await;
    house.stop(&first.id).await;
    let refused = house.try_create(on("Free-CPU")).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let told = format!("{:?} is still stopping; wait for it", first.name);
    assert!(refused.message().contains(&told), "{refused}");
    house
        .moves(&workload.id, |workload| {
            end(workload, AttemptEnd::Stopped, Fault::Unspecified, "")
        })
        .await;
    house.until_state(&first.id, NotebookState::Stopped).await;
    house.try_create(on("Free-CPU")).await.unwrap();
}

/// All nodes are closed or silent for now: it waits for them, as everything does that could run.
async fn a_start_waits_for_a_node_that_is_closed(engine: Engine) {
    let house = House::open(engine).await;
    house.inventory.close();
    let notebook = house.create("mine").await;
    house.workload(&notebook.id, 1).await;
    assert_eq!(
        house.notebook(&notebook.id).await.state(),
        NotebookState::Pending
    );
}

async fn deleting_leaves_nothing(engine: Engine) {
    let house = House::open(engine).await;
    let (notebook, workload) = house.running(on("C3")).await;
    house.volumes.place(&notebook.volume_id, "no-1", true);
    assert_eq!(house.delete(&notebook.name).await, notebook.id);
    eventually("the order to stop", || async {
        house.scheduler.state().stops.pop()
    })
    .await;
    let refused = house.start(&notebook.id).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    house
        .moves(&workload.id, |workload| {
            end(workload, AttemptEnd::Stopped, Fault::Unspecified, "")
        })
        .await;
    house
        .until_state(&notebook.id, NotebookState::Stopped)
        .await;
    let refused = house.start(&notebook.id).await.unwrap_err();
    assert!(refused.message().contains("is being deleted"), "{refused}");
    house.stop(&notebook.id).await;

    // Its files are still held; then they are not.
    assert!(house.volumes.deleted.lock().unwrap().is_empty());
    house.volumes.place(&notebook.volume_id, "no-1", false);
    let last = house
        .events(&notebook.id, |event| event.deleted)
        .await
        .pop()
        .unwrap();
    assert_eq!(last.notebook.unwrap().id, notebook.id);
    assert!(
        house
            .volumes
            .deleted
            .lock()
            .unwrap()
            .contains(&notebook.volume_id)
    );
    eventually("the end of the route", || async {
        house.route(&notebook.id).await.is_none().then_some(())
    })
    .await;
    assert_eq!(
        house.start(&notebook.id).await.unwrap_err().code(),
        Code::NotFound
    );
    house.create(&notebook.name).await;
}

/// The scheduler did what it was asked for, and nobody heard of it; meanwhile the files got their place, and the service was killed.
async fn a_lost_answer_leads_to_the_same_workload(engine: Engine) {
    let mut house = House::open(engine).await;
    house.scheduler.state().mute = true;
    let id = house.create("mine").await.id;
    let submitted = || async { house.scheduler.workload_of(&format!("{id}/1")) };
    let workload = eventually("the submission", submitted).await;
    let volume_id = house.notebook(&id).await.volume_id;
    house.volumes.place(&volume_id, "no-1", true);
    house
        .scheduler
        .change(&workload.id, |workload| place(workload, "no-1"));
    house.stop_service().await;
    house.start_service().await;
    house.scheduler.state().mute = false;
    house.until_state(&id, NotebookState::Provisioned).await;
    assert_eq!(house.notebook(&id).await.workload_id, workload.id);
}

/// Nobody may pay for what nobody knows of.
async fn a_stop_reaches_a_start_whose_answer_was_lost(engine: Engine) {
    let house = House::open(engine).await;
    house.scheduler.state().mute = true;
    let (stopped, deleted) = (
        house.create("stopped").await.id,
        house.create("deleted").await.id,
    );
    let mut workloads = HashSet::new();
    for id in [&stopped, &deleted] {
        let submitted = || async { house.scheduler.workload_of(&format!("{id}/1")) };
        workloads.insert(eventually("the submission", submitted).await.id);
    }
    assert_eq!(house.stop(&stopped).await.state(), NotebookState::Pending);
    assert_eq!(
        house.start(&stopped).await.unwrap_err().code(),
        Code::FailedPrecondition
    );
    house.delete(&deleted).await;
    house.scheduler.state().mute = false;
    house.until_state(&stopped, NotebookState::Cancelled).await;
    house.events(&deleted, |event| event.deleted).await;
    for id in [&stopped, &deleted] {
        let over = house.scheduler.workload_of(&format!("{id}/1")).unwrap();
        assert_eq!(over.state(), WorkloadState::Stopped);
    }
    // Saying it twice would do no harm.
    let told: HashSet<_> = house
        .scheduler
        .state()
        .stops
        .iter()
        .map(|(id, _)| id.clone())
        .collect();
    assert_eq!(told, workloads);
}

testkit::on_each_engine!(
    a_stop_before_the_start_cancels,
    a_start_goes_on_with_the_same_files,
    a_start_that_nothing_can_host_is_refused,
    one_free_notebook_runs_at_a_time,
    a_free_notebook_that_still_stops_counts,
    a_start_waits_for_a_node_that_is_closed,
    deleting_leaves_nothing,
    a_lost_answer_leads_to_the_same_workload,
    a_stop_reaches_a_start_whose_answer_was_lost,
);
