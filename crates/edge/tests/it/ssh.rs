//! The way in by ssh: with the token, and with the keys that the notebook service tells at that moment.

use std::sync::Arc;

use axum::body::Bytes;
use chassis::auth::Principal;
use contracts::notebook::v1::notebook_service_server::NotebookServiceServer;
use http::StatusCode;
use http_body_util::BodyExt as _;
use kernel::time::SystemClock;
use testkit::Identity;
use tonic::service::Routes;

use crate::client::chunks;
use crate::house::{House, SOON, TOKEN};
use crate::idle::{Notebooks, SSH_KEYS};

/// The agent that is played here tells how it was asked, and sends back all that it is sent.
#[tokio::test]
async fn keys_go_before_what_is_sent_and_it_ends_with_the_token() {
    let identity = Identity::start(Arc::new(SystemClock)).await;
    let routes = Routes::new(NotebookServiceServer::new(Notebooks::default()));
    let service = identity.serve("notebook", routes).await;
    let house = House::open_as(|config| {
        config.identity = identity.address().clone();
        config.notebook = service.address().clone();
        config.key = identity.key(Principal::Service("edge".to_owned()));
    })
    .await;
    let mut notebook = house.notebook().await;
    let cookie = format!("quire-token={TOKEN}");
    let browser = house.stranger(&notebook.route).with("cookie", &cookie);
    let refused = browser.ask("POST", "/.quire/ssh").await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "by no cookie");

    let (typed, records) = futures::channel::mpsc::unbounded();
    typed.unbounded_send(Bytes::from("records")).unwrap();
    let client = house.client(&notebook.route);
    let answer = client.send("POST", "/.quire/ssh", chunks(records));
    let mut answer = answer.await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let keys: String = SSH_KEYS.map(|key| format!("{key}\n")).concat();
    let expected = format!("keys={}\n{keys}records", keys.len());
    let mut came = Vec::new();
    while came.len() < expected.len() {
        let frame = answer.frame().await.unwrap().unwrap();
        came.extend(frame.into_data().unwrap());
    }
    assert_eq!(String::from_utf8(came).unwrap(), expected);

    notebook.route.revision += 1;
    notebook.route.token_sha256 = "0".repeat(64);
    house.put(&notebook.route).await;
    let end = tokio::time::timeout(SOON, answer.frame()).await.unwrap();
    assert!(end.is_none(), "{end:?}");
    house.close().await;
}

/// Nobody comes in whose key cannot be looked at.
#[tokio::test]
async fn without_the_notebook_service_nobody_is_let_in() {
    let house = House::open().await;
    let mut route = house.notebook().await.route;
    let client = house.client(&route);
    let refused = client.ask("POST", "/.quire/ssh").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    house
        .publish(&mut route, |route| route.running = false)
        .await;
    let rests = client.ask("POST", "/.quire/ssh").await;
    assert_eq!(rests.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_ne!(rests.text(), refused.text(), "nobody is asked about it");
    house.close().await;
}
