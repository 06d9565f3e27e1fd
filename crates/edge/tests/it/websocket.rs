//! WebSockets pass through.

use axum::body::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::house::{House, SOON, TOKEN};

#[tokio::test]
async fn frames_go_both_ways_whatever_their_size() {
    let house = House::open().await;
    let route = house.notebook().await.route;
    let mut socket = house
        .stranger(&route)
        .websocket(&format!("/echo?token={TOKEN}"))
        .await
        .unwrap();
    for size in [0, 1, 125, 126, 65_535, 65_536, 4 << 20] {
        let sent = Message::Binary(Bytes::from(
            (0..size).map(|at| (at % 251) as u8).collect::<Vec<_>>(),
        ));
        socket.send(sent.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), sent, "{size}");
    }
    socket.send(Message::text("grüße")).await.unwrap();
    assert_eq!(
        socket.next().await.unwrap().unwrap(),
        Message::text("grüße")
    );
    socket.close(None).await.unwrap();
    while let Some(Ok(message)) = socket.next().await {
        assert!(message.is_close(), "{message:?}");
    }
    house.close().await;
}

#[tokio::test]
async fn many_websockets_do_not_mix() {
    let house = House::open().await;
    let routes = [house.notebook().await.route, house.notebook().await.route];
    let sockets = (0..40).map(|number| {
        let client = house.client(&routes[number % 2]);
        async move {
            let mut socket = client.websocket("/echo").await.unwrap();
            for turn in 0..20 {
                let sent = Message::text(format!("{number} {turn}"));
                socket.send(sent.clone()).await.unwrap();
                assert_eq!(socket.next().await.unwrap().unwrap(), sent);
            }
        }
    });
    futures::future::join_all(sockets).await;
    house.close().await;
}

#[tokio::test]
async fn a_websocket_ends_when_the_notebook_leaves() {
    let house = House::open().await;
    let notebook = house.notebook().await;
    let mut socket = house
        .client(&notebook.route)
        .websocket("/echo")
        .await
        .unwrap();
    socket.send(Message::text("leave")).await.unwrap();
    let end = tokio::time::timeout(SOON, socket.next()).await.unwrap();
    assert!(end.is_none_or(|end| end.is_err()));
    house.close().await;
}

#[tokio::test]
async fn a_websocket_ends_when_the_token_that_opened_it_is_rotated() {
    let house = House::open().await;
    let (rotated, other) = (house.notebook().await, house.notebook().await);
    let mut ended = house
        .client(&rotated.route)
        .websocket("/echo")
        .await
        .unwrap();
    let mut stays = house.client(&other.route).websocket("/echo").await.unwrap();

    let mut route = rotated.route.clone();
    // A change that leaves the token as it is ends nothing.
    house
        .publish(&mut route, |route| route.reason = "restarting".to_owned())
        .await;
    ended.send(Message::text("still here")).await.unwrap();
    assert_eq!(
        ended.next().await.unwrap().unwrap(),
        Message::text("still here")
    );

    route.revision += 1;
    route.token_sha256 = "0".repeat(64);
    house.put(&route).await;
    let end = tokio::time::timeout(SOON, ended.next()).await.unwrap();
    assert!(end.is_none_or(|end| end.is_err()));
    let refused = house.client(&route).websocket("/echo").await.unwrap_err();
    assert!(matches!(refused, Error::Http(answer) if answer.status() == 401));
    stays.send(Message::text("not mine")).await.unwrap();
    assert_eq!(
        stays.next().await.unwrap().unwrap(),
        Message::text("not mine")
    );
    house.close().await;
}

#[tokio::test]
async fn what_is_no_websocket_to_the_notebook_is_answered_as_it_answers() {
    let house = House::open().await;
    let notebook = house.notebook().await;
    let refused = house
        .client(&notebook.route)
        .websocket("/seen")
        .await
        .unwrap_err();
    assert!(matches!(refused, Error::Http(answer) if answer.status() == 200));
    house.close().await;
}
