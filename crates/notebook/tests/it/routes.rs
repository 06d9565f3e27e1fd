//! Routes: what edges need, always newer than before, and there again after a loss.

use bus::{Route, Routes, Target};
use contracts::notebook::v1::NotebookState;
use contracts::scheduler::v1::{AttemptEnd, Fault};
use kernel::Clock as _;
use kernel::id::NotebookId;
use testkit::{Engine, eventually};

use crate::house::{House, on};
use crate::scheduler::{end, place, run};

async fn routes_follow_the_notebook(engine: Engine) {
    let house = House::open(engine).await;
    let made = house.create("mine").await;
    let workload = house.workload(&made.id, 1).await.id;
    let waits = house
        .route_when(&made.id, "the first route", |route| {
            route.reason == "waits for a place"
        })
        .await;
    assert_eq!(
        (waits.running, waits.state.as_str(), &waits.target),
        (false, "Pending", &None)
    );
    house
        .moves(&workload, |workload| place(workload, "no-1"))
        .await;
    let placed = house
        .route_when(&made.id, "a place", |route| route.state == "Provisioned")
        .await;
    let target = Some(Target {
        node_id: "no-1".to_owned(),
        workload_id: workload.clone(),
        generation: 1,
        volume_id: house.notebook(&made.id).await.volume_id,
    });
    assert_eq!((placed.running, &placed.target), (false, &target));
    let now = house.clock.now();
    house.moves(&workload, |workload| run(workload, now)).await;
    let runs = house
        .route_when(&made.id, "running", |route| route.running)
        .await;
    assert_eq!(
        (&runs.target, &runs.token_sha256),
        (&target, &placed.token_sha256)
    );
    house
        .moves(&workload, |workload| {
            end(workload, AttemptEnd::Failed, Fault::User, "exit code 1")
        })
        .await;
    let over = house
        .route_when(&made.id, "the end", |route| route.state == "Failed")
        .await;
    assert_eq!((over.running, over.reason.as_str()), (false, "exit code 1"));
    let revisions = [
        waits.revision,
        placed.revision,
        runs.revision,
        over.revision,
    ];
    assert!(
        revisions.is_sorted_by(|before, after| before < after),
        "{revisions:?}"
    );
}

/// Somebody wiped the server's folder.
async fn a_wiped_bucket_is_filled_again(engine: Engine) {
    let mut house = House::open(engine).await;
    let (running, _) = house.running(on("C3")).await;
    let stopped = house.create("stopped").await.id;
    house.workload(&stopped, 1).await;
    house.stop(&stopped).await;
    house.until_state(&stopped, NotebookState::Cancelled).await;
    let before = house
        .route_when(&running.id, "its route", |route| route.running)
        .await;
    house
        .route_when(&stopped, "its route", |route| route.state == "Cancelled")
        .await;

    house.nats.restart(true);
    let bus = house.bus().await;
    // Opening it as the service does would make it.
    eventually("the bucket", || async {
        bus.jetstream().get_key_value("routes").await.ok()
    })
    .await;
    let bucket = Routes::open(&bus).await.unwrap();
    let again = eventually("both routes", || async {
        let routes = bucket.all().await.ok()?;
        (routes.len() == 2).then_some(routes)
    })
    .await;
    assert!(again.contains(&before) && again.iter().any(|route| route.state == "Cancelled"));
    // And what follows is heard of again.
    let workload = house.notebook(&running.id).await.workload_id;
    house.scheduler.change(&workload, |workload| {
        end(workload, AttemptEnd::Failed, Fault::User, "exit code 1")
    });
    eventually("the next route", || async {
        bucket
            .get(&running.id)
            .await
            .ok()?
            .filter(|route| !route.running)
    })
    .await;
}

/// One replica wrote it while another removed the notebook.
async fn routes_of_nothing_go(engine: Engine) {
    let house = House::open(engine).await;
    let (running, _) = house.running(on("C3")).await;
    let runs = house
        .route_when(&running.id, "its route", |route| route.running)
        .await;
    let gone = Route {
        id: NotebookId::generate().into(),
        ..runs.clone()
    };
    let of_others = Route {
        id: "endpoint-1".to_owned(),
        ..runs.clone()
    };
    let bucket = Routes::open(&house.bus().await).await.unwrap();
    bucket.put(&of_others).await.unwrap();
    bucket.put(&gone).await.unwrap();
    eventually("its removal", || async {
        house.route(&gone.id).await.is_none().then_some(())
    })
    .await;
    assert_eq!(house.route(&running.id).await, Some(runs));
    assert_eq!(house.route(&of_others.id).await, Some(of_others));
}

testkit::on_each_engine!(
    routes_follow_the_notebook,
    a_wiped_bucket_is_filled_again,
    routes_of_nothing_go,
);
