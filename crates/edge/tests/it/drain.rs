//! At a stop, what is open ends well.

use std::time::Instant;

use futures::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{read, whole};
use crate::house::House;

#[tokio::test]
async fn a_stop_finishes_requests_and_ends_websockets() {
    let house = House::open().await;
    let notebook = house.notebook().await;
    let client = house.client(&notebook.route);
    let mut socket = client.websocket("/echo").await.unwrap();
    let open =
        tokio::spawn(
            async move { read(client.send("GET", "/wait", whole("")).await.unwrap()).await },
        );
    notebook.played.waits.notified().await;
    let _idle = TcpStream::connect(house.address).await.unwrap();

    let began = Instant::now();
    house.cancel.cancel();
    let refused = || async {
        TcpStream::connect(house.address)
            .await
            .is_err()
            .then_some(())
    };
    testkit::eventually("the door to take nobody in", refused).await;
    socket.send(Message::text("last words")).await.unwrap();
    assert_eq!(
        socket.next().await.unwrap().unwrap(),
        Message::text("last words")
    );
    assert!(socket.next().await.is_none_or(|end| end.is_err()));
    assert!(!house.door.is_finished(), "a request is still open");
    notebook.played.go_on.add_permits(1);
    assert_eq!(open.await.unwrap().text(), "waited");
    house.door.await.unwrap().unwrap();
    assert!(began.elapsed() < chassis::tasks::GRACE);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let house = House::open().await;
    let notebook = house.notebook().await;
    let endless = house
        .client(&notebook.route)
        .send("GET", "/stream", whole(""))
        .await
        .unwrap();
    let began = Instant::now();
    house.close().await;
    assert!(began.elapsed() < chassis::tasks::GRACE);
    drop(endless);
}
