//! What edges of other hosts ask the agent, over connections that it has dialled.

use chassis::authority::Authority;
use http_body_util::BodyExt as _;
use kernel::Clock as _;
use kernel::time::SystemClock;
use serde_json::Value;
use testkit::eventually;

use crate::edge::{Edge, ask};
use crate::node::{Node, logged, script};
use crate::relay::server;

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_is_dialled_and_reaches_what_runs_here_and_nothing_else() {
    let node = Node::start().await;
    let mut edge = Edge::start(node.control.identity.authority()).await;
    node.control.list_edges(vec![edge.listed()]);
    let agent = edge.dialled().await;
    assert_eq!(agent.node, node.control.node.to_string());

    let server = server();
    node.control.assign(&server).await;
    node.control.running(&server).await;
    let path = format!("/v1/workloads/{}/1/upstream", server.workload_id);
    let (status, body) = agent.get(&path).await;
    assert_eq!(status, 200, "{body}");
    let upstream: Value = serde_json::from_str(&body).unwrap();
    let token = upstream["token"].as_str().unwrap();
    let name = |generation| format!("{}:{generation}", server.workload_id);
    let stream = agent.connect(&name(1)).await.unwrap();
    assert_eq!(ask(stream, "/x", token).await, (200, "hello".to_owned()));
    let stream = agent.connect(&name(1)).await.unwrap();
    let answer = ask(stream, "/x", "wrong").await;
    assert_eq!(answer, (403, "who are you".to_owned()));

    for missing in [name(2), "wo-none:1".to_owned()] {
        let (status, body) = agent.connect(&missing).await.unwrap_err();
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, &body["code"]), (404, &Value::from("NOT_FOUND")));
    }
    let (status, body) = agent.connect("localhost:x").await.unwrap_err();
    assert_eq!(status, 400, "{body}");

    node.control.stop(&server, "user").await;
    node.control.ended(&server).await;
    assert_eq!(agent.connect(&name(1)).await.unwrap_err().0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_followed_over_the_network() {
    let node = Node::start().await;
    let mut edge = Edge::start(node.control.identity.authority()).await;
    node.control.list_edges(vec![edge.listed()]);
    let agent = edge.dialled().await;
    let talks = script("echo first; sleep 1000");
    let path = format!("/v1/workloads/{}/1/logs", talks.workload_id);
    node.control.assign(&talks).await;
    logged(&node, &talks, "first").await;
    assert_eq!(agent.get(&path).await, (200, "first\n".to_owned()));
    let mut followed = agent.open(&format!("{path}?follow=true")).await;
    let first = followed
        .frame()
        .await
        .unwrap()
        .unwrap()
        .into_data()
        .unwrap();
    assert_eq!(first, "first\n");
    node.control.stop(&talks, "user").await;
    node.control.ended(&talks).await;
    let rest = tokio::time::timeout(std::time::Duration::from_secs(10), followed.collect()).await;
    assert_eq!(rest.unwrap().unwrap().to_bytes(), "");
}

/// Its servers may be down: the agent does not need them for that, not even after a restart.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_broke_is_dialled_again_also_without_a_control_plane() {
    let mut node = Node::start().await;
    let mut edge = Edge::start(node.control.identity.authority()).await;
    node.control.list_edges(vec![edge.listed()]);
    edge.dialled().await.cut().await;
    let agent = edge.dialled().await;
    assert!(agent.is_open());

    node.stop().await;
    node.config.inventory = "http://127.0.0.1:1".parse().unwrap();
    node.start_task().await;
    let again = edge.dialled().await;
    assert_eq!(again.get("/v1/workloads/wo-none/1/logs").await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_that_is_not_listed_keeps_its_connection_but_is_not_dialled_again() {
    let node = Node::start().await;
    let authority = node.control.identity.authority();
    let mut old = Edge::start(authority).await;
    node.control.list_edges(vec![old.listed()]);
    let agent = old.dialled().await;
    let mut new = Edge::start(authority).await;
    node.control.list_edges(vec![new.listed()]);
    let _new = new.dialled().await;
    assert_eq!(agent.get("/v1/workloads/wo-none/1/logs").await.0, 404);
    agent.cut().await;
    assert!(!old.is_dialled().await);
    node.control.list_edges(vec![old.listed(), new.listed()]);
    let agent = old.dialled().await;
    assert_eq!(agent.get("/v1/workloads/wo-none/1/logs").await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_of_another_authority_is_asked_nothing() {
    let node = Node::start().await;
    let foreign = Authority::create("foreign", SystemClock.now()).unwrap();
    let mut stranger = Edge::start(&foreign).await;
    node.control.list_edges(vec![stranger.listed()]);
    eventually("the list on the disk", || async {
        let kept = std::fs::read_to_string(node.config.data_dir.join("edges.json")).ok()?;
        kept.contains("127.0.0.1").then_some(())
    })
    .await;
    assert!(!stranger.is_dialled().await);
}
