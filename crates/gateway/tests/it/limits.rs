//! What is too much.

use contracts::agent::v1::link_service_client::LinkServiceClient;
use gateway::Limits;
use http::Request;
use http_body_util::Full;
use serde_json::json;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::house::{House, OWNER};
use crate::notebook::STUCK;
use crate::passage::open;

#[tokio::test]
async fn large_bodies_are_refused_and_large_names_are_named() {
    let house = House::start().await;
    // A name of a million letters still fits the body: the service names the field, and the answer stays small.
    let name = json!({ "name": "x".repeat(1_000_000) }).to_string();
    let answer = house.client.post("/v1/projects", OWNER, &name).await;
    let message = answer.failed(400, "BAD_REQUEST");
    assert!(
        message.contains("has 1000000 characters") && message.len() < 600,
        "{message}"
    );

    for size in [1 << 20, 8 << 20] {
        let body = json!({ "name": "x".repeat(size) }).to_string();
        house
            .client
            .post("/v1/projects", OWNER, &body)
            .await
            .failed(413, "PAYLOAD_TOO_LARGE");
    }
    let typed = json!({ "name": "a", "x".repeat(1_000_000): 1 }).to_string();
    let message = house
        .client
        .post("/v1/projects", OWNER, &typed)
        .await
        .failed(400, "BAD_REQUEST");
    assert!(message.len() < 1_000);
}

#[tokio::test]
async fn large_headers_are_refused() {
    let house = House::start().await;
    for http2 in [false, true] {
        let request =
            Request::get(house.client.url("/v1/health")).header("x-large", "x".repeat(60_000));
        let answer = house
            .client
            .raw(request.body(Full::default()).unwrap(), http2)
            .await;
        assert_eq!(answer.status, 431);
    }
}

#[tokio::test]
async fn a_stuck_service_is_a_timeout() {
    let house = House::with(Limits {
        request_seconds: 1,
        ..Limits::default()
    })
    .await;
    let answer = house
        .client
        .get(&format!("/v1/notebooks/{STUCK}"), OWNER)
        .await;
    answer.failed(408, "TIMEOUT");
    // The service hears of it: nothing is left working on an answer that nobody waits for.
    testkit::eventually("the call to end", || async {
        (house.notebooks.open_calls() == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_service_that_is_away_is_unavailable() {
    let house = House::start().await;
    house.client.get("/v1/prices", OWNER).await.ok();
    house.end_service("billing");
    let gone = testkit::eventually("billing to be away", || async {
        let answer = house.client.get("/v1/prices", OWNER).await;
        (answer.status != 200).then_some(answer)
    });
    let message = gone.await.failed(503, "INTERNAL_SERVER_ERROR");
    assert!(
        message.contains("try again") && !message.contains("127.0.0.1"),
        "{message}"
    );
}

#[tokio::test]
async fn more_requests_than_allowed_are_sent_away() {
    let house = House::with(Limits {
        requests: 1,
        ..Limits::default()
    })
    .await;
    let client = house.client.clone();
    let stuck =
        tokio::spawn(async move { client.get(&format!("/v1/notebooks/{STUCK}"), OWNER).await });
    testkit::eventually("the first request to arrive", || async {
        (house.notebooks.open_calls() == 1).then_some(())
    })
    .await;
    let message = house
        .client
        .get("/v1/health", "")
        .await
        .failed(503, "INTERNAL_SERVER_ERROR");
    assert!(message.contains("try again"), "{message}");
    stuck.abort();
    // The place is free again as soon as the caller has gone.
    testkit::eventually("the place to be free", || async {
        (house.client.get("/v1/health", "").await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn more_calls_than_allowed_are_sent_away() {
    let house = House::with(Limits {
        calls: 1,
        ..Limits::default()
    })
    .await;
    let mut link = LinkServiceClient::new(house.client.channel().await);
    let (sender, response) = open(&mut link).await;
    let mut health = HealthClient::new(house.client.channel().await);
    let status = health
        .check(HealthCheckRequest::default())
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    // A stream keeps its place until its end.
    drop((sender, response));
    testkit::eventually("the place to be free", || {
        let mut health = health.clone();
        async move { health.check(HealthCheckRequest::default()).await.ok() }
    })
    .await;
}
