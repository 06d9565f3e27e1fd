//! The door by `https://`: HTTP/1.1, HTTP/2 by ALPN, WebSockets.

use chassis::tls::H2;
use futures::{SinkExt as _, StreamExt as _};
use http::StatusCode;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use testkit::Authority;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{read, whole};
use crate::house::{House, TOKEN};

#[tokio::test]
async fn notebooks_are_told_and_cookies_are_marked() {
    let authority = Authority::new();
    let house = House::open_secure(&authority).await;
    let route = house.notebook().await.route;
    let seen = house.client(&route).get("/seen").await;
    assert_eq!(seen.status, StatusCode::OK);
    assert_eq!(seen.sent("x-forwarded-proto").as_deref(), Some("https"));
    assert_eq!(seen.sent("x-forwarded-for").as_deref(), Some("127.0.0.1"));

    let browser = house.stranger(&route).with("accept", "text/html");
    let answer = browser.get(&format!("/lab?token={TOKEN}")).await;
    assert_eq!(answer.status, StatusCode::FOUND);
    let cookie = answer.header("set-cookie");
    assert!(cookie.ends_with("; Secure"), "{cookie}");
    house.close().await;
}

#[tokio::test]
async fn http2_is_chosen_in_the_handshake() {
    let authority = Authority::new();
    let house = House::open_secure(&authority).await;
    let route = house.notebook().await.route;
    let client = house.client(&route);
    let stream = TokioIo::new(client.connect(H2).await);
    let (sender, connection) = http2::handshake(TokioExecutor::new(), stream)
        .await
        .unwrap();
    tokio::spawn(connection);
    let answers = (0..10).map(|number| {
        let uri = format!("https://{}/seen?{number}", client.host);
        let mut request = client.request("GET", &uri, whole(""));
        request.headers_mut().remove("host");
        let mut sender = sender.clone();
        async move { read(sender.send_request(request).await.unwrap()).await }
    });
    for answer in futures::future::join_all(answers).await {
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.sent("x-forwarded-proto").as_deref(), Some("https"));
    }
    house.close().await;
}

#[tokio::test]
async fn websockets_pass_and_the_clear_does_not() {
    let authority = Authority::new();
    let house = House::open_secure(&authority).await;
    let route = house.notebook().await.route;
    let client = house.client(&route);
    let mut socket = client.websocket("/echo").await.unwrap();
    let sent = Message::binary(vec![7; 1 << 20]);
    socket.send(sent.clone()).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), sent);

    let clear = TcpStream::connect(house.address).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(clear)).await.unwrap();
    tokio::spawn(connection);
    let answer = sender.send_request(client.request("GET", "/seen", whole("")));
    assert!(answer.await.is_err(), "TLS answered HTTP in the clear");
    house.close().await;
}
