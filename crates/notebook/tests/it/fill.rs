//! Notebooks whose files are nearly full, or full.

use contracts::notebook::v1::{Notebook, NotebookState};
use contracts::scheduler::v1::{AttemptEnd, Fault, WorkloadState};
use contracts::volume::v1::{Volume, VolumeChanged, VolumeFill};
use testkit::{Engine, eventually};
use tonic::Code;

use crate::house::{House, on};
use crate::scheduler::end;

async fn tell(house: &House, volume: &Volume) {
    let event = VolumeChanged {
        volume: Some(volume.clone()),
    };
    house.nats.publish(&event, &volume.id).await;
}

async fn noted(house: &House, id: &str, wanted: impl Fn(&str) -> bool + Send + Sync) -> String {
    eventually("the word about its files", || async {
        let note = house.notebook(id).await.files_note;
        wanted(&note).then_some(note)
    })
    .await
}

async fn its_users_are_told_before_and_what_is_full_does_not_start(engine: Engine) {
    const GIB: u64 = 1 << 30;
    let house = House::open(engine).await;
    let (notebook, workload) = house.running(on("C3")).await;
    let (id, volume) = (&notebook.id, &notebook.volume_id);
    let nearly = house.volumes.fill(volume, 9 * GIB, VolumeFill::NearlyFull);
    tell(&house, &nearly).await;
    let note = noted(&house, id, |note| !note.is_empty()).await;
    assert!(
        note.contains("nearly full: they may take 10.0 GiB"),
        "{note}"
    );
    let why = house.explain(id).await;
    assert!(why.details.contains(&note), "{why:?}");

    let full = house.volumes.fill(volume, 10 * GIB, VolumeFill::Full);
    tell(&house, &full).await;
    noted(&house, id, |note| note.starts_with("its files are full")).await;
    assert_eq!(
        house.notebook(id).await.state(),
        NotebookState::Running,
        "nothing is stopped for that"
    );
    house.stop(id).await;
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
    house.until_state(id, NotebookState::Stopped).await;
    let refused = house.start(id).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    for told in [
        "take 10.0 GiB and may take 10.0 GiB",
        "quire notebook rm",
        volume,
    ] {
        assert!(refused.message().contains(told), "{refused}");
    }

    // An old event says nothing: what is so now is asked.
    let room = house.volumes.fill(volume, GIB, VolumeFill::Room);
    tell(&house, &full).await;
    noted(&house, id, |note| note.starts_with("its files are full")).await;
    tell(&house, &room).await;
    noted(&house, id, str::is_empty).await;
    tell(&house, &nearly).await;
    house.start(id).await.unwrap();
    house.workload(id, 2).await;
    assert_eq!(house.notebook(id).await.files_note, "");
}

/// What nobody was told of is seen at the next start.
async fn a_lost_event_is_made_up_for(engine: Engine) {
    let house = House::open(engine).await;
    let notebook = house.create("first").await;
    let has_files = |notebook: &Notebook| !notebook.volume_id.is_empty();
    let notebook = house.until(&notebook.id, "its files", has_files).await;
    let workload = house.workload(&notebook.id, 1).await;
    house.stop(&notebook.id).await;
    house
        .moves(&workload.id, |workload| {
            workload.state = WorkloadState::Stopped.into();
        })
        .await;
    house
        .until_state(&notebook.id, NotebookState::Cancelled)
        .await;
    house
        .volumes
        .fill(&notebook.volume_id, 9 << 30, VolumeFill::NearlyFull);
    house.start(&notebook.id).await.unwrap();
    noted(&house, &notebook.id, |note| note.contains("nearly full")).await;
}

testkit::on_each_engine!(
    its_users_are_told_before_and_what_is_full_does_not_start,
    a_lost_event_is_made_up_for,
);
