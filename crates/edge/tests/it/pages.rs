//! What the door answers when it cannot serve.

use chassis::tls::Trust;
use http::StatusCode;

use crate::house::House;

#[tokio::test]
async fn unknown_hosts_are_not_found() {
    let house = House::open().await;
    let route = house.notebook().await.route;
    let mut client = house.client(&route);
    for host in [
        "localhost",
        "nb-unknown.localhost",
        "a.b.localhost",
        "example.org",
        "127.0.0.1",
    ] {
        client.host = host.to_owned();
        let answer = client.get("/lab").await;
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (StatusCode::NOT_FOUND, &"NOT_FOUND".into()),
            "{host}"
        );
    }
    client.host = format!("{}.LOCALHOST", route.id.to_uppercase());
    assert_eq!(client.get("/lab").await.status, StatusCode::OK);
    house.close().await;
}

#[tokio::test]
async fn a_notebook_that_does_not_run_says_why() {
    let house = House::open().await;
    let mut route = house.notebook().await.route;
    house
        .publish(&mut route, |route| {
            route.running = false;
            route.state = "Pending".to_owned();
            route.reason = "waits for a <b>machine</b>".to_owned();
        })
        .await;
    let answer = house.client(&route).get("/lab").await;
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (StatusCode::SERVICE_UNAVAILABLE, "3")
    );
    assert_eq!(
        answer.json()["message"],
        "Pending: waits for a <b>machine</b>"
    );
    let page = house
        .client(&route)
        .with("accept", "text/html")
        .get("/lab")
        .await;
    assert_eq!(
        (page.status, page.header("retry-after")),
        (StatusCode::SERVICE_UNAVAILABLE, "3")
    );
    assert!(
        page.text().contains("http-equiv=\"refresh\"")
            && page.text().contains("&#60;b&#62;machine"),
        "{}",
        page.text()
    );

    house
        .publish(&mut route, |route| {
            route.state = "Stopped".to_owned();
            route.reason = "stopped by its owner; start it again".to_owned();
        })
        .await;
    let page = house
        .client(&route)
        .with("accept", "text/html")
        .get("/lab")
        .await;
    assert_eq!(
        (page.status, page.header("retry-after")),
        (StatusCode::SERVICE_UNAVAILABLE, "")
    );
    assert!(
        page.text().contains("<h1>Stopped</h1>") && !page.text().contains("http-equiv=\"refresh\"")
    );
    house.close().await;
}

#[tokio::test]
async fn a_notebook_that_cannot_be_reached_is_an_honest_502() {
    let house = House::open().await;
    let notebook = house.notebook().await;
    assert_eq!(
        house.client(&notebook.route).get("/seen").await.status,
        StatusCode::OK
    );
    notebook.played.die().await;
    let answer = house.client(&notebook.route).get("/seen").await;
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (StatusCode::BAD_GATEWAY, "3")
    );
    house.agent.die();
    let unknown = house.notebook().await;
    let page = house
        .client(&unknown.route)
        .with("accept", "text/html")
        .get("/lab")
        .await;
    assert_eq!(page.status, StatusCode::BAD_GATEWAY);
    assert!(
        page.text().contains("<h1>No answer</h1>") && !page.text().contains(".sock"),
        "{}",
        page.text()
    );
    house.close().await;
}

#[tokio::test]
async fn logs_and_health_are_the_doors_own() {
    let house = House::open().await;
    let mut route = house.notebook().await.route;
    let health = house.client(&route).get("/.quire/health").await;
    assert_eq!(
        health.json(),
        serde_json::json!({ "running": true, "state": "Running", "reason": "" })
    );
    house
        .publish(&mut route, |route| {
            route.running = false;
            route.state = "Stopped".to_owned();
        })
        .await;
    let logs = house
        .client(&route)
        .get("/.quire/logs?follow=true&tail=7")
        .await;
    assert_eq!(logs.text(), "generation 1 follow true tail Some(\"7\")\n");
    assert_eq!(logs.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(
        house.client(&route).get("/.quire/logs?tail=x").await.status,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        house.client(&route).get("/.quire/other").await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        house
            .client(&route)
            .ask("POST", "/.quire/health")
            .await
            .status,
        StatusCode::BAD_REQUEST
    );

    house
        .publish(&mut route, |route| {
            route.target.as_mut().unwrap().generation = 99
        })
        .await;
    assert_eq!(
        house.client(&route).get("/.quire/logs").await.status,
        StatusCode::NOT_FOUND
    );
    house
        .publish(&mut route, |route| {
            route.target = None;
            route.reason = "new".to_owned();
        })
        .await;
    let none = house.client(&route).get("/.quire/logs").await;
    assert_eq!(
        none.json()["message"],
        "the notebook has not run yet: there are no logs"
    );
    house.close().await;
}

#[tokio::test]
async fn the_door_tells_its_health_and_no_notebook_is_asked() {
    let house = House::open().await;
    let door = chassis::Address::Http(house.address.to_string());
    let trust = Trust::public();
    let ask = || chassis::grpc::health::ask(&door, &trust);
    ask().await.unwrap();

    let notebook = house.notebook().await;
    let stranger = house.stranger(&notebook.route);
    let answer = stranger.ask("POST", "/grpc.health.v1.Health/Check").await;
    assert_eq!(
        answer.status,
        StatusCode::UNAUTHORIZED,
        "under a notebook's host it is the notebook's"
    );

    house.cancel.cancel();
    house.door.await.unwrap().unwrap();
    assert!(ask().await.is_err());
}
