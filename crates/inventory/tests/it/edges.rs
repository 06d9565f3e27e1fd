//! Edges register, and agents hear of those that live.

use chassis::auth::Principal;
use chrono::TimeDelta;
use contracts::inventory::v1::RegisterEdgeRequest;
use testkit::Engine;
use tonic::{Code, Status};

use crate::house::{House, Member};

async fn register(house: &House, replica: usize, id: &str, address: &str) -> Result<u32, Status> {
    let request = RegisterEdgeRequest {
        edge_id: id.to_owned(),
        relay_address: address.to_owned(),
    };
    let mut edge = house.client_of(replica, &Principal::Service("edge".to_owned()));
    Ok(edge.register_edge(request).await?.into_inner().next_in_ms)
}

async fn heard(member: &mut Member) -> Vec<(String, String)> {
    let answer = member.client.heartbeat(member.report()).await.unwrap();
    let edges = answer.into_inner().edges;
    edges
        .into_iter()
        .map(|edge| (edge.id, edge.relay_address))
        .collect()
}

fn edge(id: &str, address: &str) -> (String, String) {
    (id.to_owned(), address.to_owned())
}

const ONE: &str = "https://one.example.org:7702";
const TWO: &str = "https://two.example.org:7702";

/// Registered with one replica, told by both, and forgotten by both.
async fn edges_that_live_are_told(engine: Engine) {
    let house = House::open(engine).await;
    let mut member = house.join("box").await;
    assert_eq!(heard(&mut member).await, []);
    assert_eq!(register(&house, 0, "ed-1", ONE).await.unwrap(), 10_000);
    assert_eq!(heard(&mut member).await, [edge("ed-1", ONE)]);
    house.clock.advance(TimeDelta::seconds(20));
    register(&house, 1, "ed-2", TWO).await.unwrap();
    let both = [edge("ed-1", ONE), edge("ed-2", TWO)];
    assert_eq!(heard(&mut member).await, both);
    house.clock.advance(TimeDelta::seconds(10));
    assert_eq!(heard(&mut member).await, [edge("ed-2", TWO)]);
    register(&house, 0, "ed-1", ONE).await.unwrap();
    assert_eq!(heard(&mut member).await, both);
}

/// An edge that was started again is another one at the same address.
async fn an_address_has_one_edge(engine: Engine) {
    let house = House::open(engine).await;
    let mut member = house.join("box").await;
    register(&house, 0, "ed-1", ONE).await.unwrap();
    register(&house, 0, "ed-2", ONE).await.unwrap();
    assert_eq!(heard(&mut member).await, [edge("ed-2", ONE)]);
    register(&house, 0, "ed-2", TWO).await.unwrap();
    assert_eq!(heard(&mut member).await, [edge("ed-2", TWO)]);
}

async fn what_cannot_be_reached_and_too_many_are_refused(engine: Engine) {
    let house = House::open(engine).await;
    let refused = register(&house, 0, "ed-1", "http://one:7702")
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    for number in 0..64 {
        let (id, address) = (format!("ed-{number}"), format!("https://e{number}:7702"));
        register(&house, 0, &id, &address).await.unwrap();
    }
    let refused = register(&house, 0, "ed-64", ONE).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    register(&house, 0, "ed-7", "https://e7:7702")
        .await
        .unwrap();
    house.clock.advance(TimeDelta::seconds(30));
    register(&house, 0, "ed-64", ONE).await.unwrap();
}

async fn only_edges_register(engine: Engine) {
    let house = House::open(engine).await;
    let member = house.join("box").await;
    let request = RegisterEdgeRequest {
        edge_id: "ed-1".to_owned(),
        relay_address: ONE.to_owned(),
    };
    for principal in [
        crate::house::operator(),
        Principal::Agent(member.id.parse().unwrap()),
        Principal::Service("gateway".to_owned()),
    ] {
        let refused = house
            .client(&principal)
            .register_edge(request.clone())
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{principal:?}");
    }
}

testkit::on_each_engine!(
    edges_that_live_are_told,
    an_address_has_one_edge,
    what_cannot_be_reached_and_too_many_are_refused,
    only_edges_register,
);
