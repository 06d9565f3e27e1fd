//! The door follows the routes, and goes on without the bus.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bus::Routes;
use futures::{SinkExt as _, StreamExt as _};
use http::StatusCode;
use tokio_tungstenite::tungstenite::Message;

use crate::house::{House, socket_address, start_door};

#[tokio::test]
async fn without_bus_and_agent_what_was_reached_is_served_on() {
    let mut house = House::open().await;
    let notebook = house.notebook().await;
    let client = house.client(&notebook.route);
    assert_eq!(client.get("/generation").await.text(), "1");
    let mut socket = client.websocket("/echo").await.unwrap();
    house.nats.stop();
    house.agent.die();
    for _ in 0..5 {
        assert_eq!(client.get("/generation").await.text(), "1");
    }
    socket.send(Message::text("on")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("on"));
    notebook.played.die().await;
    assert_eq!(
        client.get("/generation").await.status,
        StatusCode::BAD_GATEWAY
    );
    house.close().await;
}

#[tokio::test]
async fn a_restarted_bus_is_followed_again_and_a_wiped_one_empties_nothing() {
    let mut house = House::open().await;
    let mut notebook = house.notebook().await;
    for wipe in [false, true] {
        house.nats.restart(wipe);
        let client = house.client(&notebook.route);
        assert_eq!(client.get("/generation").await.text(), "1");
        testkit::eventually("the bucket", || async {
            Routes::open(&house.bus).await.ok()
        })
        .await;
        house
            .publish(&mut notebook.route, |route| {
                route.reason = format!("after wipe {wipe}")
            })
            .await;
    }
    house.close().await;
}

#[tokio::test]
async fn the_door_opens_once_it_knows_the_routes() {
    let mut house = House::open().await;
    let notebook = house.notebook().await;
    house.nats.stop();
    let mut second = tokio::spawn(start_door(house.config.clone()));
    let opened = tokio::time::timeout(Duration::from_millis(500), &mut second).await;
    assert!(opened.is_err(), "there is no bus");
    house.nats.restart(false);
    let (reached, door, cancel) = second.await.unwrap();
    house.address = socket_address(&reached.door);
    assert_eq!(
        house
            .client(&notebook.route)
            .get("/generation")
            .await
            .text(),
        "1"
    );
    cancel.cancel();
    door.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_moved_notebook_is_followed() {
    let house = House::open().await;
    let mut notebook = house.notebook().await;
    assert_eq!(
        house
            .client(&notebook.route)
            .get("/generation")
            .await
            .text(),
        "1"
    );
    let old = notebook.route.target.clone().unwrap();
    notebook.played.die().await;
    house.agent.ended(&old);
    let target = bus::Target {
        generation: 2,
        ..old
    };
    let _second = house.play(&target);
    house
        .publish(&mut notebook.route, |route| {
            route.target = Some(target);
            route.reason = "moved".to_owned();
        })
        .await;
    assert_eq!(
        house
            .client(&notebook.route)
            .get("/generation")
            .await
            .text(),
        "2"
    );
    assert_eq!(house.agent.questions.load(Ordering::SeqCst), 2);
    house.close().await;
}

#[tokio::test]
async fn an_older_route_replaces_nothing_and_a_removed_one_is_gone() {
    let house = House::open().await;
    let mut route = house.notebook().await.route;
    house
        .publish(&mut route, |route| route.reason = "newest".to_owned())
        .await;
    let mut old = route.clone();
    old.revision = 1;
    old.running = false;
    let bucket = house.bus.jetstream().get_key_value("routes").await.unwrap();
    bucket
        .put(&old.id, serde_json::to_vec(&old).unwrap().into())
        .await
        .unwrap();
    let other = house.notebook().await.route;
    assert_eq!(
        house.client(&route).get("/.quire/health").await.json()["reason"],
        "newest"
    );
    house.routes.remove(&route.id).await.unwrap();
    let gone = || async {
        (house.client(&route).get("/seen").await.status == StatusCode::NOT_FOUND).then_some(())
    };
    testkit::eventually("the route to be gone", gone).await;
    assert_eq!(
        house.client(&other).get("/seen").await.status,
        StatusCode::OK
    );
    house.close().await;
}
