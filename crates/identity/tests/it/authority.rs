//! One certificate authority for all replicas, and whom it serves.

use chassis::authority::{Authority, Description, NodeKey};
use chrono::TimeDelta;
use contracts::identity::v1::{GetAuthorityRequest, IssueNodeCertificateRequest};
use identity::{AuthorityConfig, IdentityConfig};
use kernel::Clock as _;
use kernel::id::NodeId;
use secrecy::ExposeSecret as _;
use testkit::{Engine, Service};
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::house::{Client, House};

async fn authority_of(client: &mut Client) -> String {
    let asked = client.get_authority(GetAuthorityRequest {}).await;
    asked.unwrap().into_inner().certificate
}

/// Each house starts its replicas together, on an empty database; what they made outlives them.
async fn replicas_have_one_authority(engine: Engine) {
    for _ in 0..3 {
        let house = House::open(engine).await;
        let pem = authority_of(&mut house.with_token(0, "")).await;
        assert_eq!(authority_of(&mut house.with_token(1, "")).await, pem);
        let described = Description::of_pem("authority", &pem).unwrap();
        assert_eq!(
            described.not_after,
            house.clock.now() + TimeDelta::days(3_650)
        );

        let (config, clock) = (house.config.clone(), house.clock.clone());
        let restarted =
            Service::start(|cancel, ready| identity::run(config, clock, cancel, ready)).await;
        assert_eq!(
            authority_of(&mut Client::new(restarted.channel(""))).await,
            pem
        );
        restarted.stop().await.unwrap();
    }
}

async fn files_come_before_the_database(engine: Engine) {
    let house = House::open(engine).await;
    let folder = tempfile::tempdir().unwrap();
    let given = Authority::create("given", house.clock.now()).unwrap();
    let authority = AuthorityConfig {
        certificate: Some(folder.path().join("authority.pem")),
        key: Some(folder.path().join("authority.key")),
    };
    let config = IdentityConfig {
        authority,
        ..house.config.clone()
    };
    let clock = house.clock.clone();
    let ended = identity::run(
        config.clone(),
        clock.clone(),
        CancellationToken::new(),
        |_| {},
    )
    .await;
    let error = ended.unwrap_err().to_string();
    assert!(error.contains("authority.certificate"), "{error}");

    std::fs::write(folder.path().join("authority.pem"), given.certificate_pem()).unwrap();
    std::fs::write(
        folder.path().join("authority.key"),
        given.key_pem().expose_secret(),
    )
    .unwrap();
    let started = Service::start(|cancel, ready| identity::run(config, clock, cancel, ready)).await;
    let pem = authority_of(&mut Client::new(started.channel(""))).await;
    assert_eq!(pem, given.certificate_pem());
    started.stop().await.unwrap();
}

async fn only_inventory_gets_certificates_of_nodes(engine: Engine) {
    let house = House::open(engine).await;
    let node = NodeId::generate().to_string();
    let asked = IssueNodeCertificateRequest {
        node_id: node.clone(),
        certificate_request: NodeKey::generate().unwrap().request().unwrap(),
    };
    for mut other in [
        house.operator().await,
        house.service("notebook").await,
        house.with_token(0, ""),
    ] {
        let refused = other
            .issue_node_certificate(asked.clone())
            .await
            .unwrap_err();
        assert!(
            matches!(
                refused.code(),
                Code::PermissionDenied | Code::Unauthenticated
            ),
            "{refused}"
        );
    }

    let mut inventory = house.service("inventory").await;
    for _ in 0..2 {
        let issued = inventory
            .issue_node_certificate(asked.clone())
            .await
            .unwrap()
            .into_inner();
        let described = Description::of_pem("certificate", &issued.certificate_chain).unwrap();
        assert_eq!(described.name, node);
        assert_eq!(described.not_after, house.clock.now() + TimeDelta::days(30));
        assert_eq!(issued.authority, authority_of(&mut inventory).await);
    }
    for (node_id, certificate_request, field) in [
        ("box", asked.certificate_request.as_str(), "node_id"),
        (node.as_str(), "", "certificate_request"),
    ] {
        let wrong = IssueNodeCertificateRequest {
            node_id: node_id.to_owned(),
            certificate_request: certificate_request.to_owned(),
        };
        let refused = inventory.issue_node_certificate(wrong).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().starts_with(field), "{refused}");
    }
}

testkit::on_each_engine!(
    replicas_have_one_authority,
    files_come_before_the_database,
    only_inventory_gets_certificates_of_nodes,
);
