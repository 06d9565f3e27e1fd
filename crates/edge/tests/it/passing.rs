//! Requests and answers pass through as they come.

use std::sync::atomic::Ordering;

use axum::body::Bytes;
use futures::StreamExt as _;
use http::StatusCode;
use http_body_util::BodyExt as _;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::client::{chunks, read, whole};
use crate::house::House;

#[tokio::test]
async fn an_answer_arrives_before_it_ends() {
    let house = House::open().await;
    let notebook = house.notebook().await;
    let mut answer = house
        .client(&notebook.route)
        .send("GET", "/stream", whole(""))
        .await
        .unwrap();
    let first = answer.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first, "first ");
    notebook.played.go_on.add_permits(1);
    assert_eq!(read(answer).await.text(), "second");
    house.close().await;
}

#[tokio::test]
async fn an_upload_goes_through_while_it_comes() {
    const CHUNK: usize = 1 << 20;
    let house = House::open().await;
    let notebook = house.notebook().await;
    let (feed, fed) = futures::channel::mpsc::unbounded();
    let client = house.client(&notebook.route);
    let upload = tokio::spawn(async move {
        read(client.send("POST", "/upload", chunks(fed)).await.unwrap()).await
    });
    for chunk in 1..=32 {
        feed.unbounded_send(Bytes::from(vec![7; CHUNK])).unwrap();
        let arrived = || async {
            (notebook.played.uploaded.load(Ordering::SeqCst) == chunk * CHUNK).then_some(())
        };
        testkit::eventually("the chunk at the notebook", arrived).await;
    }
    drop(feed);
    assert_eq!(upload.await.unwrap().text(), (32 * CHUNK).to_string());

    let sized = house
        .client(&notebook.route)
        .send("POST", "/upload", whole(vec![1; CHUNK]))
        .await
        .unwrap();
    assert_eq!(read(sized).await.text(), (33 * CHUNK).to_string());
    house.close().await;
}

#[tokio::test]
async fn http2_with_prior_knowledge_carries_many_requests_at_once() {
    let house = House::open().await;
    let notebook = house.notebook().await;
    let stream = TcpStream::connect(house.address).await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let client = house.client(&notebook.route);
    let request = |path: &str| {
        let mut request =
            client.request("GET", &format!("http://{}{path}", client.host), whole(""));
        request.headers_mut().remove("host");
        sender.clone().send_request(request)
    };
    let streamed = request("/stream").await.unwrap();
    let answers = futures::stream::iter(0..50)
        .map(|_| request("/seen"))
        .buffer_unordered(20);
    let answers: Vec<_> = answers.then(|answer| read(answer.unwrap())).collect().await;
    assert!(answers.iter().all(|answer| answer.status == StatusCode::OK));
    assert_eq!(answers[0].sent("host"), Some(client.host.clone()));
    notebook.played.go_on.add_permits(1);
    assert_eq!(read(streamed).await.text(), "first second");
    house.close().await;
}

#[tokio::test]
async fn one_connection_serves_requests_one_after_the_other() {
    let house = House::open().await;
    let notebook = house.notebook().await;
    let client = house.client(&notebook.route);
    let stream = TcpStream::connect(house.address).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    for method in ["GET", "HEAD", "POST", "GET"] {
        sender.ready().await.unwrap();
        let answer = sender
            .send_request(client.request(method, "/seen", whole("")))
            .await
            .unwrap();
        let answer = read(answer).await;
        assert_eq!(
            (answer.status, answer.body.is_empty()),
            (StatusCode::OK, method == "HEAD")
        );
        assert_ne!(answer.header("content-length"), "");
    }
    assert_eq!(house.agent.questions.load(Ordering::SeqCst), 1);
    house.close().await;
}
