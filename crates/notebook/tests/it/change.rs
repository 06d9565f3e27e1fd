//! Notebooks that are changed, restarted, and removed without their files.

use contracts::notebook::v1::{
    CreateNotebookRequest, DeleteNotebookRequest, Notebook, NotebookState, RestartNotebookRequest,
    UpdateNotebookRequest, UpdateNotebookResponse,
};
use contracts::scheduler::v1::{AttemptEnd, Fault};
use kernel::Clock as _;
use testkit::{Engine, eventually};
use tonic::{Code, Status};

use crate::house::{House, on};
use crate::scheduler::{end, place, run};

async fn update(
    house: &House,
    asked: UpdateNotebookRequest,
) -> Result<UpdateNotebookResponse, Status> {
    Ok(house.member().update_notebook(asked).await?.into_inner())
}

fn to_machine(notebook: &str, machine_type: &str) -> UpdateNotebookRequest {
    UpdateNotebookRequest {
        notebook: notebook.to_owned(),
        machine_type: Some(machine_type.to_owned()),
        ..UpdateNotebookRequest::default()
    }
}

async fn restart(house: &House, id: &str) -> Result<Notebook, Status> {
    let asked = RestartNotebookRequest {
        notebook: id.to_owned(),
    };
    let answer = house.member().restart_notebook(asked).await?;
    Ok(answer.into_inner().notebook.unwrap())
}

async fn ends(house: &House, workload: &str) {
    house
        .moves(workload, |workload| {
            end(
                workload,
                AttemptEnd::Stopped,
                Fault::Unspecified,
                "exit code 0",
            );
        })
        .await;
}

async fn a_machine_is_swapped_while_it_is_stopped(engine: Engine) {
    let house = House::open(engine).await;
    let (notebook, workload) = house.running(on("C1")).await;
    let id = notebook.id.as_str();
    let refused = update(&house, to_machine(id, "C3")).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let name = &notebook.name;
    assert!(
        refused
            .message()
            .contains(&format!("\"quire notebook stop {name}\" first")),
        "{refused}"
    );
    // Name and idle timeout change at any time.
    let changed = UpdateNotebookRequest {
        notebook: id.to_owned(),
        name: Some("renamed".to_owned()),
        idle_timeout_seconds: Some(120),
        ..UpdateNotebookRequest::default()
    };
    let changed = update(&house, changed).await.unwrap().notebook.unwrap();
    assert_eq!(
        (changed.name.as_str(), changed.idle_timeout_seconds),
        ("renamed", 120)
    );
    assert_eq!(changed.workload_id, workload.id, "it runs on");

    house.volumes.place(&notebook.volume_id, "no-1", false);
    house.stop(id).await;
    ends(&house, &workload.id).await;
    house.until_state(id, NotebookState::Stopped).await;
    house.scheduler.state().node_memory_mib = 8_192;
    let swapped = update(&house, to_machine(id, "c3")).await.unwrap();
    assert_eq!(
        (
            swapped.notebook.unwrap().machine_type.as_str(),
            swapped.note.as_str()
        ),
        ("C3", "")
    );
    let nowhere = update(&house, to_machine(id, "C10")).await.unwrap_err();
    assert!(
        nowhere.message().contains("no node could ever host"),
        "{nowhere}"
    );
    house.scheduler.state().node_memory_mib = 1_024;
    let noted = update(&house, to_machine(id, "V100")).await.unwrap();
    assert!(
        noted
            .note
            .starts_with("the node with the notebook's files could not host V100"),
        "{}",
        noted.note
    );
    update(&house, to_machine(id, "C3")).await.unwrap();

    house.start(id).await.unwrap();
    house.workload(id, 2).await;
    let asked = house.scheduler.state().submitted[&format!("{id}/2")]
        .0
        .clone();
    let spec = asked.spec.unwrap();
    assert_eq!(
        (spec.machine_type.as_str(), spec.volume_id),
        ("C3", notebook.volume_id)
    );
}

async fn what_is_refused_changes_nothing(engine: Engine) {
    let house = House::open(engine).await;
    let notebook = house.create("one").await;
    house.create("two").await;
    let rename = |name: &str| UpdateNotebookRequest {
        notebook: notebook.id.clone(),
        name: Some(name.to_owned()),
        ..UpdateNotebookRequest::default()
    };
    let taken = update(&house, rename("two")).await.unwrap_err();
    assert_eq!(taken.code(), Code::AlreadyExists);
    assert!(taken.message().contains("\"two\""), "{taken}");
    for wrong in [
        rename(""),
        UpdateNotebookRequest {
            notebook: notebook.id.clone(),
            ..UpdateNotebookRequest::default()
        },
        UpdateNotebookRequest {
            notebook: notebook.id.clone(),
            idle_timeout_seconds: Some(u32::MAX),
            ..UpdateNotebookRequest::default()
        },
    ] {
        let refused = update(&house, wrong).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    }
    assert_eq!(house.notebook(&notebook.id).await.name, "one");
}

/// The control plane ends between the two halves of a restart: the next one begins the second.
async fn a_restart_survives_its_middle(engine: Engine) {
    let mut house = House::open(engine).await;
    let (notebook, first) = house.running(on("Free-CPU")).await;
    let id = notebook.id.clone();
    let restarting = restart(&house, &id).await.unwrap();
    assert_eq!(
        (
            restarting.state(),
            restarting.restarting,
            restarting.reason.as_str()
        ),
        (NotebookState::Running, true, "restarting")
    );
    restart(&house, &id).await.unwrap();
    eventually("the order to stop", || async {
        let stops = house.scheduler.state().stops.clone();
        (!stops.is_empty()).then_some(())
    })
    .await;
    // Its place among free machines is not given away meanwhile.
    let other = house.try_create(on("Free-CPU")).await.unwrap_err();
    assert_eq!(other.code(), Code::ResourceExhausted);

    house.stop_service().await;
    house.scheduler.change(&first.id, |workload| {
        end(
            workload,
            AttemptEnd::Stopped,
            Fault::Unspecified,
            "exit code 0",
        );
    });
    house.start_service().await;
    let second = house.workload(&id, 2).await;
    assert_ne!(second.id, first.id);
    let now = house.clock.now();
    house
        .moves(&second.id, |workload| {
            place(workload, "no-1");
            run(workload, now);
        })
        .await;
    let again = house
        .until(&id, "it runs again", |notebook| {
            notebook.state() == NotebookState::Running && notebook.workload_id == second.id
        })
        .await;
    assert!(!again.restarting);
    assert_eq!(again.volume_id, notebook.volume_id);
    // A stop whose answer was not noted any more is asked for again; only of the first start.
    let mut stops = house.scheduler.state().stops.clone();
    stops.dedup();
    assert_eq!(stops, [(first.id, "restarted by user".to_owned())]);
}

async fn a_stop_takes_a_restart_back(engine: Engine) {
    let house = House::open(engine).await;
    let (notebook, workload) = house.running(on("C3")).await;
    restart(&house, &notebook.id).await.unwrap();
    let stopping = house.stop(&notebook.id).await;
    assert!(!stopping.restarting);
    ends(&house, &workload.id).await;
    house
        .until_state(&notebook.id, NotebookState::Stopped)
        .await;
    // One that is stopped is started.
    let started = restart(&house, &notebook.id).await.unwrap();
    assert_eq!(
        (started.state(), started.restarting),
        (NotebookState::Pending, false)
    );
}

async fn kept_files_are_taken_by_one_other_notebook(engine: Engine) {
    let house = House::open(engine).await;
    let first = house.create("first").await;
    house.workload(&first.id, 1).await;
    let volume = house.notebook(&first.id).await.volume_id;
    let with = |name: &str| CreateNotebookRequest {
        name: name.to_owned(),
        volume_id: volume.clone(),
        ..CreateNotebookRequest::default()
    };
    let used = house.try_create(with("early")).await.unwrap_err();
    assert_eq!(used.code(), Code::FailedPrecondition);
    assert!(
        used.message().contains(&format!("is used by {}", first.id)),
        "{used}"
    );

    let asked = DeleteNotebookRequest {
        notebook: first.id.clone(),
        keep_volume: true,
    };
    let answer = house.member().delete_notebook(asked).await.unwrap();
    assert_eq!(answer.into_inner().volume_id, volume);
    eventually("the files to be kept", || async {
        let rows = house.volumes.rows.lock().unwrap();
        let row = &rows[&volume];
        (row.owner_id.is_empty() && row.label == "files of first").then_some(())
    })
    .await;
    assert!(house.volumes.deleted.lock().unwrap().is_empty());

    // Two at once: one gets them.
    let both = tokio::join!(house.try_create(with("one")), house.try_create(with("two")));
    let (made, refused) = match both {
        (Ok(made), Err(refused)) | (Err(refused), Ok(made)) => (made, refused),
        both => panic!("both or neither got the files: {both:?}"),
    };
    assert!(
        matches!(
            refused.code(),
            Code::AlreadyExists | Code::FailedPrecondition
        ),
        "{refused}"
    );
    let workload = house.workload(&made.id, 1).await;
    let spec = house.scheduler.state().submitted[&format!("{}/1", made.id)]
        .0
        .clone();
    assert_eq!(spec.spec.unwrap().volume_id, volume, "{workload:?}");
    assert_eq!(
        house.volumes.rows.lock().unwrap()[&volume].owner_id,
        made.id
    );
}

testkit::on_each_engine!(
    a_machine_is_swapped_while_it_is_stopped,
    what_is_refused_changes_nothing,
    a_restart_survives_its_middle,
    a_stop_takes_a_restart_back,
    kept_files_are_taken_by_one_other_notebook
);
