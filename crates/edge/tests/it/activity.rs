//! What the door tells of what goes on.

use edge::EdgeActivity;
use futures::StreamExt as _;

use crate::client::read;
use crate::client::whole;
use crate::house::House;

#[tokio::test]
async fn requests_and_websockets_are_told_and_the_doors_own_pages_are_not() {
    let house = House::open().await;
    let (used, looked_at) = (house.notebook().await.route, house.notebook().await.route);
    let mut told = house
        .bus
        .client()
        .subscribe(bus::edge_activity_subject())
        .await
        .unwrap();
    house.bus.client().flush().await.unwrap();
    house.client(&looked_at).get("/.quire/health").await;
    house.client(&looked_at).get("/.quire/logs").await;
    house.stranger(&looked_at).get("/seen").await;
    let socket = house.client(&used).websocket("/echo").await.unwrap();
    for _ in 0..3 {
        read(
            house
                .client(&used)
                .send("GET", "/seen", whole(""))
                .await
                .unwrap(),
        )
        .await;
    }

    let mut requests = 0;
    let mut open = 0;
    while requests < 4 {
        let activity: EdgeActivity =
            serde_json::from_slice(&told.next().await.unwrap().payload).unwrap();
        for notebook in activity.notebooks {
            assert_eq!(notebook.id, used.id);
            assert!(notebook.last_traffic_at <= activity.at);
            requests += notebook.requests;
            open = notebook.open_websockets;
        }
    }
    assert_eq!((requests, open), (4, 1));
    drop(socket);
    let activity: EdgeActivity =
        serde_json::from_slice(&told.next().await.unwrap().payload).unwrap();
    assert_eq!(
        (
            activity.notebooks[0].open_websockets,
            activity.notebooks[0].requests
        ),
        (0, 0)
    );
    house.close().await;
}
