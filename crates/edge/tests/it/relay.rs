//! Notebooks of other hosts are reached over the connections that their agents keep to the door.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use chassis::auth::Principal;
use contracts::inventory::v1 as inventory;
use contracts::inventory::v1::inventory_service_server::{
    InventoryService, InventoryServiceServer,
};
use futures::{SinkExt as _, StreamExt as _};
use http::StatusCode;
use http_body_util::BodyExt as _;
use kernel::time::SystemClock;
use testkit::{Identity, eventually};
use tokio::io::AsyncReadExt as _;
use tokio_tungstenite::tungstenite::Message;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use crate::client::{read, whole};
use crate::house::{Agent, JUPYTER, SOON};
use crate::remote::{Cluster, Remote, authority, node_trust, server_files, signed_node, trust};

const MIB: usize = 1 << 20;

#[tokio::test]
async fn requests_bodies_and_websockets_pass_through() {
    let cluster = Cluster::open().await;
    let remote = cluster.remote().await;
    let notebook = cluster.house.notebook_of(&remote.agent).await;
    let client = cluster.house.client(&notebook.route);
    let seen = client.get("/seen?a=1").await;
    assert_eq!(seen.json()["uri"], "/seen?a=1");
    let token = seen.sent("authorization");
    assert_eq!(token, Some(format!("token {JUPYTER}")));
    assert!(!format!("{:?}", seen.headers).contains(JUPYTER));

    let down = client.get(&format!("/bytes/{}", 64 * MIB)).await;
    assert_eq!(down.body.len(), 64 * MIB);
    assert!(down.body.iter().all(|byte| *byte == 7));
    let up = client.send("POST", "/upload", whole(vec![1; 64 * MIB]));
    assert_eq!(read(up.await.unwrap()).await.text(), (64 * MIB).to_string());

    let mut socket = client.websocket("/echo").await.unwrap();
    for size in [0, 125, 65_536, 4 * MIB] {
        let sent = Message::Binary(Bytes::from(vec![9; size]));
        socket.send(sent.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), sent, "{size}");
    }
    socket.send(Message::text("leave")).await.unwrap();
    let end = tokio::time::timeout(SOON, socket.next()).await.unwrap();
    assert!(end.is_none_or(|end| end.is_err()));
    assert_eq!(remote.agent.questions.load(Ordering::SeqCst), 1);
    cluster.house.close().await;
}

#[tokio::test]
async fn an_answer_and_a_log_arrive_before_they_end() {
    let cluster = Cluster::open().await;
    let remote = cluster.remote().await;
    let notebook = cluster.house.notebook_of(&remote.agent).await;
    let client = cluster.house.client(&notebook.route);
    let mut answer = client.send("GET", "/stream", whole("")).await.unwrap();
    let first = answer.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first, "first ");
    notebook.played.go_on.add_permits(1);
    assert_eq!(read(answer).await.text(), "second");

    let logs = client.get("/.quire/logs?tail=7").await;
    assert_eq!(logs.text(), "generation 1 follow false tail Some(\"7\")\n");
    let path = "/.quire/logs?follow=true";
    let mut followed = client.send("GET", path, whole("")).await.unwrap();
    let first = followed
        .frame()
        .await
        .unwrap()
        .unwrap()
        .into_data()
        .unwrap();
    assert_eq!(first, "so far\n");
    remote.agent.go_on.add_permits(1);
    assert_eq!(read(followed).await.text(), "from now on\n");
    cluster.house.close().await;
}

/// Nobody reads what these streams carry; each holds as much as it may.
#[tokio::test]
async fn streams_that_nobody_reads_do_not_hold_up_others() {
    let cluster = Cluster::open().await;
    let remote = cluster.remote().await;
    let stuck = cluster.house.notebook_of(&remote.agent).await;
    let client = cluster.house.client(&stuck.route);
    let mut unread = Vec::new();
    for _ in 0..40 {
        let path = format!("/bytes/{}", 64 * MIB);
        unread.push(client.send("GET", &path, whole("")).await.unwrap());
    }
    let taken = || stuck.played.downloaded.load(Ordering::SeqCst);
    eventually("all of them to stand still", || async {
        let before = taken();
        tokio::time::sleep(Duration::from_millis(500)).await;
        (before == taken()).then_some(())
    })
    .await;
    let other = cluster.house.notebook_of(&remote.agent).await;
    let client = cluster.house.client(&other.route);
    let served = tokio::time::timeout(SOON, client.get(&format!("/bytes/{MIB}"))).await;
    assert_eq!(served.unwrap().body.len(), MIB);
    drop(unread);
    cluster.house.close().await;
}

#[tokio::test]
async fn a_connection_that_was_cut_is_replaced_and_requests_wait_for_that() {
    let cluster = Cluster::open().await;
    let remote = cluster.remote().await;
    let notebook = cluster.house.notebook_of(&remote.agent).await;
    let client = cluster.house.client(&notebook.route);
    assert_eq!(client.get("/generation").await.text(), "1");
    let mut socket = client.websocket("/echo").await.unwrap();
    let agent = remote.cut().await;
    let lost = tokio::time::timeout(SOON, socket.next()).await.unwrap();
    assert!(lost.is_none_or(|end| end.is_err()));
    let mut answer = pin!(client.get("/generation"));
    let early = tokio::time::timeout(Duration::from_millis(300), &mut answer).await;
    assert!(early.is_err(), "there is nobody to ask");
    let _remote = cluster.connect(agent).await;
    assert_eq!(answer.await.text(), "1");
    cluster.house.close().await;
}

#[tokio::test]
async fn the_newest_connection_is_used_and_what_goes_on_over_the_older_one_ends_there() {
    let cluster = Cluster::open().await;
    let old = cluster.remote().await;
    let notebook = cluster.house.notebook_of(&old.agent).await;
    let client = cluster.house.client(&notebook.route);
    let mut answer = client.send("GET", "/stream", whole("")).await.unwrap();
    let first = answer.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first, "first ");

    let stream = cluster
        .dial(&node_trust(&cluster.authority, &old.agent))
        .await;
    // The same node, but of another agent's process that tells itself apart.
    let newer = Arc::new(Agent::of(old.agent.node));
    let played = cluster.house.play_on(
        &newer,
        &bus::Target {
            generation: 2,
            ..notebook.target()
        },
    );
    newer.runs(&notebook.target(), &played);
    let _newer = Remote::serve(newer, stream.unwrap());
    let taken = || async { (client.get("/generation").await.text() == "2").then_some(()) };
    eventually("the newer connection", taken).await;

    notebook.played.go_on.add_permits(1);
    assert_eq!(read(answer).await.text(), "second");
    cluster.house.close().await;
}

#[tokio::test]
async fn a_stale_generation_is_refused_and_the_newest_route_is_taken() {
    let cluster = Cluster::open().await;
    let remote = cluster.remote().await;
    let mut notebook = cluster.house.notebook_of(&remote.agent).await;
    let client = cluster.house.client(&notebook.route);
    assert_eq!(client.get("/generation").await.text(), "1");
    let old = notebook.target();
    notebook.played.die().await;
    remote.agent.ended(&old);
    assert_eq!(
        client.get("/generation").await.status,
        StatusCode::BAD_GATEWAY
    );
    let target = bus::Target {
        generation: 2,
        ..old
    };
    let _second = cluster.house.play_on(&remote.agent, &target);
    // Written behind the watch: the door has it when it asks, not before.
    notebook.route.revision += 1;
    notebook.route.target = Some(target);
    cluster.house.routes.put(&notebook.route).await.unwrap();
    assert_eq!(client.get("/generation").await.text(), "2");
    cluster.house.close().await;
}

#[tokio::test]
async fn who_is_no_node_is_refused() {
    let cluster = Cluster::open().await;
    let agent = Agent::elsewhere();
    let foreign = authority();
    let folder = tempfile::tempdir().unwrap();
    let server = server_files(&cluster.authority, folder.path());
    let read = |path: Option<std::path::PathBuf>| std::fs::read(path.unwrap()).unwrap();
    let as_server = trust(&cluster.authority)
        .with_identity(&read(server.certificate), &read(server.key))
        .unwrap();
    // Trusts the door, but shows what another authority has signed.
    let own = signed_node(trust(&cluster.authority), &foreign, &agent);
    let unsigned = trust(&cluster.authority);
    for (who, shown) in [("nobody", &unsigned), ("a server", &as_server)] {
        assert!(!is_welcome(&cluster, shown).await, "{who}");
    }
    assert!(!is_welcome(&cluster, &own).await, "of another authority");
    assert!(is_welcome(&cluster, &node_trust(&cluster.authority, &agent)).await);
    cluster.house.close().await;
}

/// Whether the door speaks with somebody: what it says first is what HTTP/2 begins with.
async fn is_welcome(cluster: &Cluster, shown: &chassis::tls::Trust) -> bool {
    let Ok(mut stream) = cluster.dial(shown).await else {
        return false;
    };
    let mut preface = [0; 24];
    let read = tokio::time::timeout(SOON, stream.read_exact(&mut preface)).await;
    read.unwrap()
        .is_ok_and(|_| preface.starts_with(b"PRI * HTTP/2.0"))
}

#[tokio::test]
async fn a_node_serves_its_own_workloads_only() {
    let cluster = Cluster::open().await;
    let (honest, hostile) = (Agent::elsewhere(), cluster.remote().await);
    let notebook = cluster.house.notebook_of(&honest).await;
    // It says that it runs the other node's workload.
    hostile.agent.runs(&notebook.target(), &notebook.played);
    let answer = cluster.house.client(&notebook.route).get("/seen").await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert_eq!(hostile.agent.questions.load(Ordering::SeqCst), 0);
    cluster.house.close().await;
}

/// Plays inventory: remembers what edges say.
#[derive(Clone, Default)]
struct Inventory(Arc<Mutex<Vec<inventory::RegisterEdgeRequest>>>);

testkit::play! {
    InventoryService as Inventory, inventory: {
        async fn register_edge(
            &self,
            request: Request<inventory::RegisterEdgeRequest>,
        ) -> Result<Response<inventory::RegisterEdgeResponse>, Status> {
            self.0.lock().unwrap().push(request.into_inner());
            Ok(Response::new(inventory::RegisterEdgeResponse { next_in_ms: 100 }))
        }
    }
    without
    create_join_token(CreateJoinTokenRequest) -> CreateJoinTokenResponse,
    join_node(JoinNodeRequest) -> JoinNodeResponse,
    renew_node_certificate(RenewNodeCertificateRequest) -> RenewNodeCertificateResponse,
    heartbeat(HeartbeatRequest) -> HeartbeatResponse,
    list_nodes(ListNodesRequest) -> ListNodesResponse,
    set_node_schedulable(SetNodeSchedulableRequest) -> SetNodeSchedulableResponse,
    give_up_node(GiveUpNodeRequest) -> GiveUpNodeResponse,
    delete_node(DeleteNodeRequest) -> DeleteNodeResponse,
    list_machine_types(ListMachineTypesRequest) -> ListMachineTypesResponse,
    list_environments(ListEnvironmentsRequest) -> ListEnvironmentsResponse,
    get_environment(GetEnvironmentRequest) -> GetEnvironmentResponse,
    create_environment(CreateEnvironmentRequest) -> CreateEnvironmentResponse,
    delete_environment(DeleteEnvironmentRequest) -> DeleteEnvironmentResponse,
    share_environment(ShareEnvironmentRequest) -> ShareEnvironmentResponse,
}

#[tokio::test]
async fn inventory_is_told_again_and_again() {
    let identity = Identity::start(Arc::new(SystemClock)).await;
    let played = Inventory::default();
    let routes = Routes::new(InventoryServiceServer::new(played.clone()));
    let service = identity.serve("inventory", routes).await;
    let cluster = Cluster::open_as(|config| {
        config.identity = identity.address().clone();
        config.inventory = service.address().clone();
        config.key = identity.key(Principal::Service("edge".to_owned()));
    })
    .await;
    let told = || async { (played.0.lock().unwrap().len() >= 3).then_some(()) };
    eventually("three registrations", told).await;
    let told = played.0.lock().unwrap().clone();
    let address = cluster.house.relay.as_ref().unwrap().to_string();
    assert!(told.iter().all(|request| request.relay_address == address));
    assert!(
        told.iter()
            .all(|request| request.edge_id == told[0].edge_id)
    );
    assert!(!told[0].edge_id.is_empty());
    cluster.house.close().await;
}
