//! The secret that opens a notebook: always the same, and nowhere to be read.

use contracts::notebook::v1::{
    ListNotebooksRequest, NotebookReconfigured, NotebookState, RotateNotebookTokenRequest,
};
use testkit::{Engine, eventually};

use crate::house::{House, on};

async fn it_stays_and_is_sealed(engine: Engine) {
    let mut house = House::open(engine).await;
    let (notebook, _) = house.running(on("C3")).await;
    let other = house.create("other").await;
    assert_ne!(notebook.token, other.token);
    house.workload(&other.id, 1).await;
    house.stop(&other.id).await;
    house.until_state(&other.id, NotebookState::Cancelled).await;
    house.start(&other.id).await.unwrap();
    house.stop_service().await;
    house.start_service().await;
    for known in [&notebook, &other] {
        assert_eq!(house.notebook(&known.id).await.token, known.token);
    }
    let listed = house
        .member()
        .list_notebooks(ListNotebooksRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(listed.notebooks[1].token, notebook.token);

    let events = house
        .events(&notebook.id, |event| {
            event.notebook.as_ref().unwrap().state() == NotebookState::Running
        })
        .await;
    assert!(
        events
            .iter()
            .all(|event| event.notebook.as_ref().unwrap().token.is_empty())
    );
    let sealed = house
        .texts("SELECT token_sealed FROM notebooks ORDER BY id")
        .await;
    assert_ne!(sealed[0], sealed[1]);
    let rest = house
        .texts("SELECT token_sealed || token_sha256 || launch || reason FROM notebooks")
        .await;
    let payloads = house.texts("SELECT payload FROM outbox").await;
    let specs = format!("{:?}", house.scheduler.state().submitted);
    let route = format!("{:?}", house.route(&notebook.id).await);
    for place in rest.iter().chain(&payloads).chain([&specs, &route]) {
        assert!(!place.contains(&notebook.token), "{place}");
    }
}

async fn another_one_is_at_the_edges_before_the_answer(engine: Engine) {
    let house = House::open(engine).await;
    let (notebook, _) = house.running(on("C3")).await;
    let before = house
        .route_when(&notebook.id, "the route", |route| route.running)
        .await;
    let asked = RotateNotebookTokenRequest {
        notebook: notebook.id.clone(),
    };
    let answer = house.member().rotate_notebook_token(asked).await.unwrap();
    let rotated = answer.into_inner().notebook.unwrap();
    assert_ne!(rotated.token, notebook.token);
    assert_eq!(rotated.url, notebook.url);
    let after = house.route(&notebook.id).await.unwrap();
    assert_ne!(after.token_sha256, before.token_sha256);
    assert!(after.running && after.target == before.target, "{after:?}");
    assert_eq!(house.notebook(&notebook.id).await.token, rotated.token);
    let told = eventually("the timeline's event", || async {
        let events: Vec<NotebookReconfigured> = house.nats.events().await;
        events.into_iter().next()
    })
    .await;
    assert_eq!(told.what, "another token");
    assert!(told.notebook.unwrap().token.is_empty());
}

testkit::on_each_engine!(
    it_stays_and_is_sealed,
    another_one_is_at_the_edges_before_the_answer
);
