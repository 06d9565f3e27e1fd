//! Everything has a limit.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use http::StatusCode;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::{chunks, read, whole};
use crate::house::{House, SOON};

/// All that comes back until the door closes.
async fn say(house: &House, text: &str) -> String {
    let mut stream = TcpStream::connect(house.address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(SOON, stream.read_to_string(&mut answer))
        .await
        .unwrap()
        .ok();
    answer
}

#[tokio::test]
async fn heads_are_bounded_in_size_and_time() {
    let house = House::open_with(|limits| {
        limits.header_bytes = 8 << 10;
        limits.header_seconds = 2;
    })
    .await;
    let route = house.notebook().await.route;
    let answer = house
        .client(&route)
        .with("x-long", &"x".repeat(9 << 10))
        .send("GET", "/seen", whole(""))
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);

    let stream = TcpStream::connect(house.address).await.unwrap();
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let client = house.client(&route).with("x-long", &"x".repeat(9 << 10));
    let url = format!("http://{}/seen", client.host);
    let answer = sender
        .send_request(client.request("GET", &url, whole("")))
        .await;
    let status = answer.unwrap().status();
    assert_eq!(status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);

    let beginnings = [
        "",
        "P",
        "PRI * HTTP/2.0\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n",
    ];
    let slow = beginnings.map(async |beginning| {
        let began = Instant::now();
        assert_eq!(say(&house, beginning).await, "", "{beginning:?}");
        assert!(began.elapsed() >= Duration::from_secs(2), "{beginning:?}");
    });
    futures::future::join_all(slow).await;
    house.close().await;
}

#[tokio::test]
async fn a_connection_without_requests_is_closed_but_one_with_a_request_is_not() {
    let house = House::open_with(|limits| limits.idle_seconds = 1).await;
    let notebook = house.notebook().await;
    let host = house.client(&notebook.route).host;
    let answer = say(
        &house,
        &format!("GET /seen HTTP/1.1\r\nHost: {host}\r\n\r\n"),
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");

    let client = house.client(&notebook.route);
    let waiting = client.send("GET", "/wait", whole(""));
    let later = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        notebook.played.go_on.add_permits(1);
    };
    let (answer, ()) = tokio::join!(waiting, later);
    assert_eq!(read(answer.unwrap()).await.text(), "waited");
    house.close().await;
}

#[tokio::test]
async fn requests_to_one_notebook_are_bounded() {
    let house = House::open_with(|limits| limits.connections_per_notebook = 2).await;
    let (busy, other) = (house.notebook().await, house.notebook().await);
    let _first = house.client(&busy.route).websocket("/echo").await.unwrap();
    let second = house
        .client(&busy.route)
        .send("GET", "/stream", whole(""))
        .await
        .unwrap();
    let refused = house.client(&busy.route).get("/seen").await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.json()["code"], "TOO_MANY_REQUESTS");
    let answer = house.client(&other.route).get("/seen").await;
    assert_eq!(answer.status, StatusCode::OK);
    drop(second);
    let free = || async {
        let answer = house.client(&busy.route).get("/seen").await;
        (answer.status == StatusCode::OK).then_some(())
    };
    testkit::eventually("a place at the notebook", free).await;
    house.close().await;
}

#[tokio::test]
async fn connections_are_bounded() {
    let house = House::open_with(|limits| limits.connections = 3).await;
    let notebook = house.notebook().await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(TcpStream::connect(house.address).await.unwrap());
    }
    let full = || async {
        let answer = house.client(&notebook.route).get("/seen").await;
        (answer.status == StatusCode::SERVICE_UNAVAILABLE).then_some(answer)
    };
    let answer = testkit::eventually("the door to be full", full).await;
    let message = answer.json()["message"].clone();
    assert_eq!(message, "too many connections are open; try again soon");
    drop(held);
    let free = || async {
        let answer = house.client(&notebook.route).get("/seen").await;
        (answer.status == StatusCode::OK).then_some(())
    };
    testkit::eventually("a place at the door", free).await;
    house.close().await;
}

#[tokio::test]
async fn a_notebook_must_begin_its_answer_in_time_and_a_silent_websocket_ends() {
    let house = House::open_with(|limits| {
        limits.answer_seconds = 2;
        limits.upgraded_idle_seconds = 1;
    })
    .await;
    let notebook = house.notebook().await;
    let client = house.client(&notebook.route);
    let late = client.get("/never").await;
    assert_eq!(
        (late.status, &late.json()["code"]),
        (StatusCode::GATEWAY_TIMEOUT, &"TIMEOUT".into())
    );

    let slowly = futures::stream::unfold(0, |sent| async move {
        tokio::time::sleep(Duration::from_millis(800)).await;
        (sent < 4).then(|| ("x".into(), sent + 1))
    });
    let upload = client
        .send("POST", "/upload", chunks(slowly))
        .await
        .unwrap();
    assert_eq!(read(upload).await.text(), "4");

    let mut socket = client.websocket("/echo").await.unwrap();
    let end = tokio::time::timeout(SOON, socket.next()).await.unwrap();
    assert!(end.is_none_or(|end| end.is_err()));
    house.close().await;
}
