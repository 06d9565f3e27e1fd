//! The gateway stops.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chassis::Address;
use contracts::agent::v1::link_service_client::LinkServiceClient;
use gateway::{GatewayConfig, Limits};
use kernel::time::SystemClock;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::house::{House, OWNER};
use crate::notebook::STUCK;
use crate::passage::open;

#[tokio::test]
async fn streams_are_told_and_nobody_waits() {
    let house = House::start().await;
    house.client.get("/v1/health", "").await.ok();
    let mut link = LinkServiceClient::new(house.client.channel().await);
    let (_sender, response) = open(&mut link).await;
    let mut heard = response.into_inner();
    heard.message().await.unwrap().unwrap();

    let started = Instant::now();
    house.cancel.cancel();
    let status = heard.message().await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("connect again"), "{status}");
    house.gateway.await.unwrap().unwrap();
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn requests_in_flight_are_answered() {
    let house = House::with(Limits {
        request_seconds: 1,
        ..Limits::default()
    })
    .await;
    let client = house.client.clone();
    let in_flight =
        tokio::spawn(async move { client.get(&format!("/v1/notebooks/{STUCK}"), OWNER).await });
    testkit::eventually("the request to arrive", || async {
        (house.notebooks.open_calls() == 1).then_some(())
    })
    .await;
    house.cancel.cancel();
    in_flight.await.unwrap().failed(408, "TIMEOUT");
    house.gateway.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_listener_in_the_clear_is_refused_off_loopback() {
    for (listen, refusal) in [
        ("http://0.0.0.0:0", "listen: refusing"),
        ("https://0.0.0.0:0", "tls.certificate: is not set"),
    ] {
        let listen: Address = listen.parse().unwrap();
        let config = GatewayConfig {
            listen,
            ..GatewayConfig::default()
        };
        let refused = gateway::run(
            config,
            Arc::new(SystemClock),
            CancellationToken::new(),
            |_| panic!("it listens"),
        );
        let error = refused.await.unwrap_err().to_string();
        assert!(error.starts_with(refusal), "{error}");
    }
}
