//! Other ports of a notebook have origins of their own, which open with its token.

use axum::body::Bytes;
use bus::Route;
use futures::{SinkExt as _, StreamExt as _};
use http::StatusCode;
use http_body_util::BodyExt as _;
use testkit::eventually;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Client, chunks};
use crate::house::{House, JUPYTER, PORT, SOON, TOKEN};
use crate::remote::Cluster;

/// A visitor of another port of a notebook, without a token.
fn at_port(house: &House, route: &Route, port: u16) -> Client {
    let mut client = house.stranger(route);
    client.host = format!("{port}-{}", client.host);
    client
}

async fn passes_through(house: &House, route: &Route) {
    let bearer = format!("token {TOKEN}");
    let client = at_port(house, route, PORT).with("authorization", &bearer);
    let seen = client.get("/seen?a=1").await;
    assert_eq!(seen.json()["uri"], "/seen?a=1");
    assert_eq!(seen.sent("host").as_ref(), Some(&client.host));
    assert_eq!(seen.sent("authorization"), None, "neither token is its");
    assert!(!format!("{seen:?}").contains(JUPYTER));
    let mut socket = client.websocket("/echo").await.unwrap();
    let sent = Message::text("there and back");
    socket.send(sent.clone()).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), sent);

    let silent = at_port(house, route, PORT + 1).with("authorization", &bearer);
    let answer = silent.get("/").await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    let message = answer.json()["message"].to_string();
    assert!(message.contains("on port 8081 of this"), "{message}");
}

#[tokio::test]
async fn a_port_is_reached_on_this_host_and_on_others() {
    let cluster = Cluster::open().await;
    let here = cluster.house.notebook().await;
    passes_through(&cluster.house, &here.route).await;
    let remote = cluster.remote().await;
    let there = cluster.house.notebook_of(&remote.agent).await;
    passes_through(&cluster.house, &there.route).await;
    cluster.house.close().await;
}

#[tokio::test]
async fn a_port_opens_with_the_notebooks_token_only() {
    let house = House::open().await;
    let mut notebook = house.notebook().await;
    let port = || at_port(&house, &notebook.route, PORT);
    assert_eq!(port().get("/seen").await.status, StatusCode::UNAUTHORIZED);
    let wrong = port().with("authorization", "token wrong");
    assert_eq!(wrong.get("/seen").await.status, StatusCode::UNAUTHORIZED);

    // A browser gets a cookie of this origin; what is left in Authorization is the program's own.
    let browser = port().with("accept", "text/html");
    let answer = browser.get(&format!("/seen?token={TOKEN}&b=2")).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (StatusCode::FOUND, "/seen?b=2")
    );
    let cookie = answer.header("set-cookie").split(';').next().unwrap();
    let own = "Basic dXNlcjpwYXNz";
    let seen = port().with("cookie", cookie).with("authorization", own);
    let seen = seen.get("/seen").await;
    assert_eq!(seen.sent("authorization").as_deref(), Some(own));
    assert_eq!(seen.sent("cookie"), None);
    // The door's own pages are at the notebook's own origin only.
    let health = port().with("cookie", cookie).get("/.quire/health").await;
    assert_eq!(health.status, StatusCode::NOT_FOUND);
    let both = port().with("authorization", &format!("token {TOKEN}"));
    let seen = both.get(&format!("/seen?token={TOKEN}")).await;
    assert_eq!(seen.sent("authorization"), None);
    // A page of the notebook itself, or of another port, may not use that cookie.
    let foreign = format!("http://{}.localhost", notebook.route.id);
    let foreign = port().with("cookie", cookie).with("origin", &foreign);
    assert_eq!(foreign.get("/seen").await.status, StatusCode::FORBIDDEN);

    let stop = |route: &mut Route| route.running = false;
    house.publish(&mut notebook.route, stop).await;
    let stopped = at_port(&house, &notebook.route, PORT);
    let stopped = stopped.with("authorization", &format!("token {TOKEN}"));
    eventually("the stop", || async {
        let status = stopped.get("/seen").await.status;
        (status == StatusCode::SERVICE_UNAVAILABLE).then_some(())
    })
    .await;
    house.close().await;
}

/// The agent that is played here sends all back that it is sent.
#[tokio::test]
async fn what_runs_inside_goes_to_and_fro_until_the_token_is_another() {
    let house = House::open().await;
    let mut notebook = house.notebook().await;
    let (typed, records) = futures::channel::mpsc::unbounded();
    let client = house.client(&notebook.route);
    let answer = client.send("POST", "/.quire/exec", chunks(records));
    let mut answer = answer.await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    for record in ["one", "two"] {
        typed.unbounded_send(Bytes::from(record)).unwrap();
        let came = answer.frame().await.unwrap().unwrap();
        assert_eq!(came.into_data().unwrap(), record);
    }
    let cookie = format!("quire-token={TOKEN}");
    let browser = house.stranger(&notebook.route).with("cookie", &cookie);
    let refused = browser.ask("POST", "/.quire/exec").await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "by no cookie");

    notebook.route.revision += 1;
    notebook.route.token_sha256 = "0".repeat(64);
    house.put(&notebook.route).await;
    let end = tokio::time::timeout(SOON, answer.frame()).await.unwrap();
    assert!(end.is_none(), "{end:?}");
    house.close().await;
}
