//! The bucket of routes: a lower revision never replaces a higher one.

use bus::{Route, RouteEntry, Routes};
use futures::StreamExt as _;
use testkit::Nats;

use crate::house::connect;

fn route(id: &str, revision: u64) -> Route {
    Route {
        id: id.to_owned(),
        running: true,
        state: "Running".to_owned(),
        reason: String::new(),
        target: None,
        note: String::new(),
        idle: bus::RouteIdle::default(),
        token_sha256: String::new(),
        shares: Vec::new(),
        revision,
    }
}

#[tokio::test]
async fn a_lower_revision_never_replaces_a_higher_one() {
    let nats = Nats::guarded();
    let writer = Routes::open(&connect(&nats, "notebook").await)
        .await
        .unwrap();
    let reader = Routes::open(&connect(&nats, "edge").await).await.unwrap();
    let mut changes = reader.watch().await.unwrap();

    writer.put(&route("nb-1", 2)).await.unwrap();
    writer.put(&route("nb-1", 1)).await.unwrap();
    assert_eq!(reader.get("nb-1").await.unwrap().unwrap().revision, 2);
    writer.put(&route("nb-1", 3)).await.unwrap();
    for expected in [2, 3] {
        let change = changes.next().await.unwrap();
        assert_eq!(change, RouteEntry::Put(Box::new(route("nb-1", expected))));
    }
    writer.remove("nb-1").await.unwrap();
    assert_eq!(
        changes.next().await,
        Some(RouteEntry::Gone("nb-1".to_owned()))
    );
    assert_eq!(reader.get("nb-1").await.unwrap(), None);
    assert_eq!(reader.all().await.unwrap(), []);
    // The key can be used again.
    writer.put(&route("nb-1", 4)).await.unwrap();
    assert_eq!(reader.all().await.unwrap(), [route("nb-1", 4)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_writers_at_once_the_highest_revision_stays() {
    let nats = Nats::start();
    let mut writers = tokio::task::JoinSet::new();
    for revision in 1..=16 {
        let bus = connect(&nats, "notebook").await;
        writers.spawn(async move {
            let routes = Routes::open(&bus).await.unwrap();
            // Another was faster: read again, as the reconciler does.
            while routes.put(&route("nb-1", revision)).await.is_err() {}
        });
    }
    writers.join_all().await;
    let routes = Routes::open(&connect(&nats, "notebook").await)
        .await
        .unwrap();
    assert_eq!(routes.all().await.unwrap(), [route("nb-1", 16)]);
}
