//! Certificates of nodes: one at joining, and a new one whenever the node asks.

use chassis::auth::Principal;
use chassis::authority::{Description, NodeKey};
use chrono::TimeDelta;
use contracts::inventory::v1::{JoinNodeRequest, RenewNodeCertificateRequest};
use kernel::Clock as _;
use kernel::id::NodeId;
use testkit::Engine;
use tonic::Code;

use crate::house::{House, ask, operator};

fn request() -> String {
    NodeKey::generate().unwrap().request().unwrap()
}

async fn a_node_joins_with_a_certificate(engine: Engine) {
    let house = House::open(engine).await;
    let token = house.join_token().await;
    let fingerprint = house.identity.authority().fingerprint().to_string();
    let (bare, handed_out) = token.split_once('.').unwrap();
    assert_eq!(handed_out, fingerprint);

    let asked = JoinNodeRequest {
        certificate_request: request(),
        ..ask(&token, "box", "r1")
    };
    let mut nodes = Vec::new();
    // The same again, with the fingerprint and without it, as when an answer is lost.
    for token in [token.as_str(), bare] {
        let asked = JoinNodeRequest {
            token: token.to_owned(),
            ..asked.clone()
        };
        let joined = house
            .stranger(1)
            .join_node(asked)
            .await
            .unwrap()
            .into_inner();
        let described = Description::of_pem("certificate", &joined.certificate_chain).unwrap();
        assert_eq!(described.name, joined.node_id);
        assert_eq!(described.not_after, house.clock.now() + TimeDelta::days(30));
        assert_eq!(
            joined.authority,
            house.identity.authority().certificate_pem()
        );
        nodes.push(joined.node_id);
    }
    assert_eq!(nodes[0], nodes[1]);
    assert_eq!(house.nodes().await.len(), 1);
}

async fn who_asks_for_none_gets_none(engine: Engine) {
    let house = House::open(engine).await;
    let token = house.join_token().await;
    let joined = house
        .stranger(0)
        .join_node(ask(&token, "box", "r1"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (joined.certificate_chain, joined.authority),
        Default::default()
    );
}

async fn a_broken_request_says_so(engine: Engine) {
    let house = House::open(engine).await;
    let token = house.join_token().await;
    let asked = JoinNodeRequest {
        certificate_request: "nothing".to_owned(),
        ..ask(&token, "box", "r1")
    };
    let refused = house
        .stranger(0)
        .join_node(asked.clone())
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(
        refused.message().contains("certificate_request"),
        "{refused}"
    );
    // The node mends it and asks again.
    let mended = JoinNodeRequest {
        certificate_request: request(),
        ..asked
    };
    let joined = house
        .stranger(0)
        .join_node(mended)
        .await
        .unwrap()
        .into_inner();
    assert!(!joined.certificate_chain.is_empty());
}

async fn a_node_renews_its_own(engine: Engine) {
    let house = House::open(engine).await;
    let mut box_one = house.join("box-1").await;
    let other = house.join("box-2").await;
    house.clock.advance(TimeDelta::days(20));
    let principal = Principal::Agent(box_one.id.parse::<NodeId>().unwrap());
    box_one.client = house.client(&principal);
    let asked = RenewNodeCertificateRequest {
        node_id: box_one.id.clone(),
        certificate_request: request(),
    };
    let renewed = box_one
        .client
        .renew_node_certificate(asked.clone())
        .await
        .unwrap()
        .into_inner();
    let described = Description::of_pem("certificate", &renewed.certificate_chain).unwrap();
    assert_eq!(described.name, box_one.id);
    assert_eq!(described.not_after, house.clock.now() + TimeDelta::days(30));
    assert_eq!(
        renewed.authority,
        house.identity.authority().certificate_pem()
    );

    let not_ours = RenewNodeCertificateRequest {
        node_id: other.id,
        ..asked.clone()
    };
    let refused = box_one
        .client
        .renew_node_certificate(not_ours)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let refused = house
        .client(&operator())
        .renew_node_certificate(asked)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
}

async fn a_node_that_is_not_there_gets_none(engine: Engine) {
    let house = House::open(engine).await;
    let gone = NodeId::generate();
    let asked = RenewNodeCertificateRequest {
        node_id: gone.to_string(),
        certificate_request: request(),
    };
    let refused = house
        .client(&Principal::Agent(gone))
        .renew_node_certificate(asked)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
}

testkit::on_each_engine!(
    a_node_joins_with_a_certificate,
    who_asks_for_none_gets_none,
    a_broken_request_says_so,
    a_node_renews_its_own,
    a_node_that_is_not_there_gets_none,
);
