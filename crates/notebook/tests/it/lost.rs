//! Notebooks whose files are lost with their node.

use contracts::notebook::v1::NotebookState;
use contracts::scheduler::v1::{AttemptEnd, AttemptState, WorkloadState};
use contracts::volume::v1::VolumeChanged;
use testkit::{Engine, eventually};
use tonic::Code;

use crate::house::{House, on};

const WHY: &str = "its files were on node box, which was given up: they are lost";

async fn one_that_rests_says_so_and_can_only_be_deleted(engine: Engine) {
    let house = House::open(engine).await;
    let mut stopped = Vec::new();
    for name in ["one", "two", "three"] {
        let notebook = house.create(name).await;
        house.workload(&notebook.id, 1).await;
        house.stop(&notebook.id).await;
        stopped.push(
            house
                .until_state(&notebook.id, NotebookState::Cancelled)
                .await,
        );
    }
    // Two by the list, without an event.
    for notebook in &stopped[..2] {
        house.volumes.lose(&notebook.volume_id, WHY);
    }
    for notebook in &stopped[..2] {
        let lost = house.until_state(&notebook.id, NotebookState::Error).await;
        assert_eq!(
            lost.reason,
            format!("{WHY}; the notebook can only be deleted")
        );
    }
    // An event alone is as good: the list has it no more by then.
    let volume = house.volumes.lose(&stopped[2].volume_id, WHY);
    house.volumes.rows.lock().unwrap().remove(&volume.id);
    let about = volume.id.clone();
    let event = VolumeChanged {
        volume: Some(volume),
    };
    house.nats.publish(&event, &about).await;
    house
        .until_state(&stopped[2].id, NotebookState::Error)
        .await;

    let refused = house.start(&stopped[0].id).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains(WHY), "{refused}");
    house.delete(&stopped[0].id).await;
    eventually("the deletion", || async {
        let deleted = house.volumes.deleted.lock().unwrap();
        deleted.contains(&stopped[0].volume_id).then_some(())
    })
    .await;
    assert_eq!(
        house.notebook(&stopped[1].id).await.state(),
        NotebookState::Error
    );
}

async fn one_that_ran_there_ends_in_an_error(engine: Engine) {
    let house = House::open(engine).await;
    let (notebook, workload) = house.running(on("C3")).await;
    house.volumes.lose(&notebook.volume_id, WHY);
    house
        .moves(&workload.id, |workload| {
            workload.set_state(WorkloadState::Failed);
            workload.reason = WHY.to_owned();
            let attempt = workload.attempt.as_mut().unwrap();
            attempt.set_state(AttemptState::Ended);
            attempt.set_end(AttemptEnd::Lost);
        })
        .await;
    let lost = house.until_state(&notebook.id, NotebookState::Error).await;
    assert!(lost.reason.starts_with(WHY), "{}", lost.reason);
    let refused = eventually("the loss to be known", || async {
        house.start(&notebook.id).await.err()
    })
    .await;
    assert_eq!(refused.code(), Code::FailedPrecondition);
}

/// A drain stops it, and its user is told why.
async fn one_on_a_draining_node_says_why_it_stops(engine: Engine) {
    let house = House::open(engine).await;
    let (notebook, workload) = house.running(on("C3")).await;
    house
        .moves(&workload.id, |workload| {
            workload.reason = "its node is drained".to_owned();
            workload
                .attempt
                .as_mut()
                .unwrap()
                .set_state(AttemptState::Stopping);
        })
        .await;
    let leaves = house
        .until(&notebook.id, "the reason", |found| {
            found.reason == "its node is drained"
        })
        .await;
    assert_eq!(leaves.state(), NotebookState::Running);
    let waits = "waits for a place: its files lie on node old, which is draining";
    house
        .moves(&workload.id, |workload| {
            workload.set_state(WorkloadState::Queued);
            workload.reason = waits.to_owned();
            let attempt = workload.attempt.as_mut().unwrap();
            attempt.set_state(AttemptState::Ended);
            attempt.set_end(AttemptEnd::Preempted);
        })
        .await;
    let pending = house
        .until_state(&notebook.id, NotebookState::Pending)
        .await;
    assert_eq!(pending.reason, waits);
}

testkit::on_each_engine!(
    one_that_rests_says_so_and_can_only_be_deleted,
    one_that_ran_there_ends_in_an_error,
    one_on_a_draining_node_says_why_it_stops,
);
