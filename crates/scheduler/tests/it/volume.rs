//! Files: attached before an attempt is told, on the node where they lie.

use contracts::scheduler::v1::{AttemptEnd, Fault, WorkloadSpec};
use contracts::volume::v1::Attachment;
use testkit::Engine;

use crate::house::{House, node, spec};

fn on_files(milli_cores: u32) -> WorkloadSpec {
    WorkloadSpec {
        volume_id: "vo-1".to_owned(),
        ..spec(milli_cores, 1_024)
    }
}

async fn files_are_attached_to_who_is_told(engine: Engine) {
    let house = House::open(engine).await;
    let box_ = house.node("box", 4_000, 8_192).await;
    let mut agent = house.agent(&box_).await;
    house.submit("r1", on_files(1_000)).await;
    let mut first = agent.assigned().await;
    let volume = house.volumes.row("vo-1");
    let held = Attachment {
        attempt_id: first.attempt_id().to_owned(),
        generation: 1,
    };
    assert_eq!(
        (volume.node_id, volume.attachment),
        (box_.id.clone(), Some(held))
    );

    // Another one waits until the first has ended, and then gets them.
    house.submit("r2", on_files(1_000)).await;
    house.submit("r3", spec(1_000, 1_024)).await;
    let without_files = agent.assigned().await;
    assert_eq!(
        without_files.assignment.spec.as_ref().unwrap().volume_id,
        ""
    );
    agent
        .say(first.ended(AttemptEnd::Completed, Fault::Unspecified, "done"))
        .await;
    let second = agent.assigned().await;
    let holder = house.volumes.row("vo-1").attachment.unwrap();
    assert_eq!(holder.attempt_id, second.attempt_id());
}

/// The first try made them there; elsewhere has more room by now.
async fn a_second_try_goes_to_where_the_files_lie(engine: Engine) {
    let house = House::open(engine).await;
    let small = house.node("small", 2_000, 4_096).await;
    let mut agent = house.agent(&small).await;
    let workload = house.submit("r1", on_files(1_500)).await;
    let mut first = agent.assigned().await;
    house.tell(node("large", 1_500, 2_048, 0)).await;
    agent.say(first.broken_by_platform()).await;
    let mut second = agent.assigned().await;
    assert_eq!(
        (
            second.assignment.workload_id.as_str(),
            second.assignment.generation
        ),
        (workload.id.as_str(), 2)
    );
    let blocker = house
        .submit(
            "r2",
            WorkloadSpec {
                node_id: small.id.clone(),
                ..spec(1_000, 1_024)
            },
        )
        .await;
    house
        .until(&blocker.id, "no room", |found| {
            found.reason.contains("500 of it free on small")
        })
        .await;
    agent.say(second.broken_by_platform()).await;
    assert_eq!(agent.assigned().await.assignment.workload_id, workload.id);
}

/// What needs no files, and what runs already, does not wait for the volume service.
async fn without_the_volume_service_the_rest_goes_on(engine: Engine) {
    let house = House::open(engine).await;
    let box_ = house.node("box", 4_000, 8_192).await;
    let mut agent = house.agent(&box_).await;
    house.submit("r1", on_files(1_000)).await;
    let mut run = agent.assigned().await;
    agent.say(run.running(0)).await;
    *house.volumes.down.lock().unwrap() = true;
    drop(agent);

    let mut again = house.agent_that_holds(&box_, vec![run.running(1)]).await;
    let wanted = again.wanted().await;
    assert_eq!(wanted.stops, vec![]);
    assert_eq!(
        wanted.assignments.len(),
        1,
        "what runs has its files already"
    );
    again.say(run.running(2)).await;
    let other = WorkloadSpec {
        volume_id: "vo-2".to_owned(),
        ..spec(1_000, 1_024)
    };
    let waits = house.submit("r2", other).await;
    let plain = house.submit("r3", spec(1_000, 1_024)).await;
    assert_eq!(again.assigned().await.assignment.workload_id, plain.id);
    *house.volumes.down.lock().unwrap() = false;
    assert_eq!(again.assigned().await.assignment.workload_id, waits.id);
}

testkit::on_each_engine!(
    files_are_attached_to_who_is_told,
    a_second_try_goes_to_where_the_files_lie,
    without_the_volume_service_the_rest_goes_on,
);
