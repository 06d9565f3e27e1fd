//! Notebooks that begin with a copy of another's files, and files that are kept at a stop.

use contracts::common::v1::Role;
use contracts::notebook::v1::{
    CreateNotebookRequest, Notebook, NotebookState, StopNotebookRequest,
};
use contracts::scheduler::v1::{AttemptEnd, Fault, Workload};
use contracts::volume::v1::{Snapshot, SnapshotState};
use kernel::id::TeamId;
use testkit::{Engine, eventually, person};
use tonic::Code;

use crate::house::{House, on};
use crate::scheduler;

fn fork_of(notebook: &Notebook) -> CreateNotebookRequest {
    CreateNotebookRequest {
        fork: notebook.id.clone(),
        ..CreateNotebookRequest::default()
    }
}

/// The workload of a notebook that was told to stop has.
async fn ends(house: &House, workload: &Workload) {
    let stopped = |workload: &mut Workload| {
        scheduler::end(
            workload,
            AttemptEnd::Stopped,
            Fault::Unspecified,
            "stopped by user",
        );
    };
    house.moves(&workload.id, stopped).await;
}

/// A notebook that has run, on a node, and has stopped.
async fn stopped(house: &House, asked: CreateNotebookRequest) -> Notebook {
    let (notebook, workload) = house.running(asked).await;
    house.volumes.place(&notebook.volume_id, "no-1", false);
    house.stop(&notebook.id).await;
    ends(house, &workload).await;
    house
        .until_state(&notebook.id, NotebookState::Stopped)
        .await
}

async fn a_copy_has_the_files_and_what_was_chosen(engine: Engine) {
    let house = House::open(engine).await;
    let asked = CreateNotebookRequest {
        environment: "frames".to_owned(),
        idle_timeout_seconds: Some(900),
        shutdown_timeout_seconds: 7_200,
        template: "scikit-learn".to_owned(),
        ..on("C3")
    };
    let first = stopped(&house, asked).await;
    let asked = CreateNotebookRequest {
        request_id: "once".to_owned(),
        ..fork_of(&first)
    };
    let copy = house.try_create(asked.clone()).await.unwrap();
    assert_eq!(copy.forked_from, first.id);
    // A lost answer is asked for again.
    let again = house.try_create(asked).await.unwrap();
    assert_eq!(again.id, copy.id);
    let as_there = |notebook: &Notebook| {
        (
            notebook.project_id.clone(),
            notebook.machine_type.clone(),
            notebook.environment.clone(),
            (
                notebook.idle_timeout_seconds,
                notebook.shutdown_timeout_seconds,
            ),
            notebook.template.clone(),
        )
    };
    assert_eq!(as_there(&copy), as_there(&first));

    // No machine waits beside files that are not there yet.
    let waits = |notebook: &Notebook| notebook.reason == "its files are being copied";
    let waiting = house.until(&copy.id, "the copy", waits).await;
    let request = format!("{}/1", copy.id);
    assert_eq!(house.scheduler.workload_of(&request), None);
    assert_ne!(waiting.volume_id, first.volume_id);
    house.volumes.end_copy(&waiting.volume_id);
    let spec = house.workload(&copy.id, 1).await.spec.unwrap();
    assert_eq!(
        (spec.volume_id, spec.node_id.as_str()),
        (waiting.volume_id, "no-1")
    );
    assert_eq!(spec.environment_digest, "sha256:frames");
    let placed = spec.command.iter().any(|word| word == "place");
    assert!(!placed, "what the template brought is among the files");
    let forks = house.volumes.forks.lock().unwrap().clone();
    assert_eq!(forks, [(first.volume_id, String::new())]);
}

async fn files_that_change_are_copied_from_a_snapshot(engine: Engine) {
    let house = House::open(engine).await;
    let (first, _) = house.running(on("C3")).await;
    let refused = house.try_create(fork_of(&first)).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("stop it first"), "{refused}");

    let snapshot = |id: &str, name: &str, state: SnapshotState| Snapshot {
        id: id.to_owned(),
        name: name.to_owned(),
        volume_id: first.volume_id.clone(),
        state: state.into(),
        ..Snapshot::default()
    };
    house.volumes.snapshots.lock().unwrap().extend([
        snapshot("sn-1", "before", SnapshotState::Ready),
        snapshot("sn-2", "soon", SnapshotState::Making),
    ]);
    let of = |name: &str| CreateNotebookRequest {
        fork_snapshot: name.to_owned(),
        ..fork_of(&first)
    };
    let unknown = house.try_create(of("other")).await.unwrap_err();
    assert_eq!(unknown.code(), Code::InvalidArgument);
    assert!(
        unknown.message().starts_with("fork_snapshot: "),
        "{unknown}"
    );
    let soon = house.try_create(of("soon")).await.unwrap_err();
    assert_eq!(soon.code(), Code::FailedPrecondition);

    let copy = house.try_create(of("before")).await.unwrap();
    let has_files = |notebook: &Notebook| !notebook.volume_id.is_empty();
    house.until(&copy.id, "its files", has_files).await;
    let forks = house.volumes.forks.lock().unwrap().clone();
    assert_eq!(forks, [(first.volume_id.clone(), "sn-1".to_owned())]);
}

async fn a_copy_waits_while_somebody_writes(engine: Engine) {
    let house = House::open(engine).await;
    let first = stopped(&house, on("C3")).await;
    // Started again between the wish and the copy.
    house.volumes.place(&first.volume_id, "no-1", true);
    let copy = house.try_create(fork_of(&first)).await.unwrap();
    let waits = |notebook: &Notebook| notebook.reason == "it is in use";
    house.until(&copy.id, "its turn", waits).await;
    assert!(house.volumes.forks.lock().unwrap().is_empty());
    house.volumes.place(&first.volume_id, "no-1", false);
    let has_files = |notebook: &Notebook| !notebook.volume_id.is_empty();
    house.until(&copy.id, "its files", has_files).await;
}

async fn what_cannot_be_copied_is_said(engine: Engine) {
    let house = House::open(engine).await;
    let first = stopped(&house, on("C3")).await;
    for (asked, field) in [
        (
            CreateNotebookRequest {
                template: "scikit-learn".to_owned(),
                ..fork_of(&first)
            },
            "template: ",
        ),
        (
            CreateNotebookRequest {
                volume_id: "vo-1".to_owned(),
                ..fork_of(&first)
            },
            "volume_id: ",
        ),
        (
            CreateNotebookRequest {
                fork_snapshot: "before".to_owned(),
                ..on("C3")
            },
            "fork_snapshot: ",
        ),
    ] {
        let refused = house.try_create(asked).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().starts_with(field), "{refused}");
    }
    for (principal, code) in [
        (person(house.team, Role::Viewer), Code::PermissionDenied),
        (person(TeamId::generate(), Role::Owner), Code::NotFound),
    ] {
        let mut client = house.client(&principal);
        let refused = client.create_notebook(fork_of(&first)).await.unwrap_err();
        assert_eq!(refused.code(), code);
    }
    // Files that are gone by the time that they are copied.
    let copy = house.try_create(fork_of(&first)).await.unwrap();
    let has_files = |notebook: &Notebook| !notebook.volume_id.is_empty();
    let copy = house.until(&copy.id, "its files", has_files).await;
    house
        .volumes
        .lose(&copy.volume_id, "its files could not be copied: full");
    house.volumes.end_copy(&copy.volume_id);
    let failed = house.until_state(&copy.id, NotebookState::Error).await;
    assert!(failed.reason.contains("full"), "{}", failed.reason);
}

async fn files_are_kept_once_it_has_stopped(engine: Engine) {
    let house = House::open(engine).await;
    let (notebook, workload) = house.running(on("C3")).await;
    house.volumes.place(&notebook.volume_id, "no-1", true);
    let stop = async |name: &str| {
        let asked = StopNotebookRequest {
            notebook: notebook.id.clone(),
            snapshot: Some(name.to_owned()),
        };
        house.member().stop_notebook(asked).await
    };
    let refused = stop("a@b").await.unwrap_err();
    assert!(refused.message().starts_with("snapshot: "), "{refused}");
    assert_eq!(
        house.notebook(&notebook.id).await.state(),
        NotebookState::Running
    );
    for _ in 0..2 {
        stop("before").await.unwrap();
    }
    let other = stop("other").await.unwrap_err();
    assert_eq!(other.code(), Code::FailedPrecondition);
    assert!(other.message().contains("being kept already"), "{other}");
    ends(&house, &workload).await;
    let waiting = house
        .until_state(&notebook.id, NotebookState::Stopped)
        .await;
    assert!(waiting.keeping, "its volume is still attached");
    house.volumes.place(&notebook.volume_id, "no-1", false);
    let begun = || async {
        let snapshots = house.volumes.snapshots.lock().unwrap();
        snapshots.first().map(|_| ())
    };
    eventually("a snapshot that is being made", begun).await;
    assert!(house.notebook(&notebook.id).await.keeping);
    let finish = |state: SnapshotState, reason: &str| {
        let mut snapshots = house.volumes.snapshots.lock().unwrap();
        let newest = snapshots.last_mut().unwrap();
        newest.set_state(state);
        newest.reason = reason.to_owned();
    };
    finish(SnapshotState::Ready, "");
    let done = |notebook: &Notebook| !notebook.keeping;
    let kept = house.until(&notebook.id, "the snapshot", done).await;
    assert_eq!(
        kept.reason,
        "stopped by user; its files are kept as snapshot \"before\""
    );
    let names = || -> Vec<String> {
        let snapshots = house.volumes.snapshots.lock().unwrap();
        snapshots.iter().map(|made| made.name.clone()).collect()
    };
    assert_eq!(names(), ["before"]);

    // The name is taken; another one of a notebook that rests is made at once.
    assert_eq!(
        stop("before").await.unwrap_err().code(),
        Code::AlreadyExists
    );
    stop("after").await.unwrap();
    let second = || async { Some(()).filter(|()| names().len() == 2) };
    eventually("the second snapshot", second).await;
    // A start meanwhile waits for it.
    house.start(&notebook.id).await.unwrap();
    let waits = |notebook: &Notebook| notebook.reason == "its files are being copied";
    house.until(&notebook.id, "its turn", waits).await;
    assert_eq!(
        house.scheduler.workload_of(&format!("{}/2", notebook.id)),
        None
    );
    finish(SnapshotState::Failed, "no space is left");
    house.workload(&notebook.id, 2).await;
    assert_eq!(names(), ["before", "after"]);
}

testkit::on_each_engine!(
    files_are_kept_once_it_has_stopped,
    a_copy_has_the_files_and_what_was_chosen,
    files_that_change_are_copied_from_a_snapshot,
    a_copy_waits_while_somebody_writes,
    what_cannot_be_copied_is_said,
);
