//! gRPC through the door.

use std::time::Duration;

use contracts::agent::v1::link_service_client::LinkServiceClient;
use contracts::agent::v1::open_link_request::Message as Said;
use contracts::agent::v1::open_link_response::Message as Heard;
use contracts::agent::v1::{Hello, OpenLinkRequest, OpenLinkResponse, Report};
use contracts::identity::v1::ExchangeKeyRequest;
use contracts::identity::v1::identity_service_client::IdentityServiceClient;
use contracts::inventory::v1::JoinNodeRequest;
use contracts::inventory::v1::inventory_service_client::InventoryServiceClient;
use contracts::notebook::v1::notebook_service_client::NotebookServiceClient;
use contracts::notebook::v1::{CreateNotebookRequest, GetNotebookRequest};
use contracts::volume::v1::ListVolumesRequest;
use contracts::volume::v1::volume_service_client::VolumeServiceClient;
use http::Request;
use http_body_util::Full;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_types::StatusExt as _;

use crate::client::{Client, with_key};
use crate::house::{House, NODE, OWNER, VIEWER};

#[tokio::test]
async fn calls_pass_with_their_failures() {
    let house = House::start().await;
    let mut notebooks = NotebookServiceClient::new(house.client.channel().await);
    let create = |name: &str| CreateNotebookRequest {
        name: name.to_owned(),
        ..CreateNotebookRequest::default()
    };
    let made = notebooks
        .create_notebook(with_key(create("n"), OWNER))
        .await
        .unwrap()
        .into_inner()
        .notebook
        .unwrap();
    let get = GetNotebookRequest {
        notebook: made.id.clone(),
    };
    let found = notebooks
        .get_notebook(with_key(get.clone(), VIEWER))
        .await
        .unwrap()
        .into_inner()
        .notebook
        .unwrap();
    assert_eq!(found, made);

    let status = notebooks
        .create_notebook(with_key(create(""), OWNER))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let violations = status.get_details_bad_request().unwrap().field_violations;
    assert_eq!(
        (violations.len(), violations[0].field.as_str()),
        (1, "name")
    );
    let reason = status.get_details_error_info().unwrap();
    assert_eq!(
        (reason.reason.as_str(), reason.domain.as_str()),
        ("BAD_REQUEST", "quire")
    );

    let status = notebooks
        .create_notebook(with_key(create("n"), VIEWER))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    for key in ["qk_unknown", "nonsense"] {
        let status = notebooks
            .get_notebook(with_key(get.clone(), key))
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{key}");
        assert_eq!(
            status.get_details_error_info().unwrap().reason,
            "UNAUTHORIZED"
        );
    }
    let status = notebooks.get_notebook(get).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn anyone_may_make_the_calls_that_are_for_anyone() {
    let house = House::start().await;
    let mut inventory = InventoryServiceClient::new(house.client.channel().await);
    let join = JoinNodeRequest {
        name: "box".to_owned(),
        ..JoinNodeRequest::default()
    };
    let joined = inventory
        .join_node(join.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(joined.node_key, "qn_of_box");
    // A wrong key beside such a call does not matter: it stays at the door.
    inventory
        .join_node(with_key(join, "qk_unknown"))
        .await
        .unwrap();
    let mut identity = IdentityServiceClient::new(house.client.channel().await);
    let token = identity
        .exchange_key(ExchangeKeyRequest {
            key: NODE.to_owned(),
        })
        .await
        .unwrap()
        .into_inner()
        .token;
    assert_eq!(token.matches('.').count(), 2);
}

fn said(message: Said) -> OpenLinkRequest {
    OpenLinkRequest {
        message: Some(message),
    }
}

fn report(attempt: &str, sequence: u64) -> OpenLinkRequest {
    said(Said::Report(Report {
        attempt_id: attempt.to_owned(),
        sequence,
        ..Report::default()
    }))
}

/// An open line: what is sent, and what is heard.
pub(crate) async fn open(
    link: &mut LinkServiceClient<tonic::transport::Channel>,
) -> (
    mpsc::Sender<OpenLinkRequest>,
    tonic::Response<Streaming<OpenLinkResponse>>,
) {
    let (sender, receiver) = mpsc::channel(8);
    sender
        .send(said(Said::Hello(Hello::default())))
        .await
        .unwrap();
    let mut request = with_key(ReceiverStream::new(receiver), NODE);
    request.set_timeout(Duration::from_secs(3_600));
    let response = link.open_link(request).await.unwrap();
    (sender, response)
}

async fn link(client: &Client) -> LinkServiceClient<tonic::transport::Channel> {
    LinkServiceClient::new(client.channel().await)
}

#[tokio::test]
async fn streams_pass_both_ways_and_keep_their_trailers() {
    let house = House::start().await;
    let (sender, response) = open(&mut link(&house.client).await).await;
    let metadata = response.metadata();
    assert_eq!(
        metadata.get("x-principal").unwrap(),
        &format!("Agent({})", house.identity.node)
    );
    assert_eq!(metadata.get("x-timeout").unwrap(), "3600000m");

    let mut heard = response.into_inner();
    let first = heard.message().await.unwrap().unwrap();
    assert!(first.epoch == 7 && matches!(first.message, Some(Heard::Wanted(_))));
    for sequence in 1..=3 {
        sender.send(report("at-1", sequence)).await.unwrap();
        let answer = heard.message().await.unwrap().unwrap();
        assert!(matches!(answer.message, Some(Heard::Ack(ack)) if ack.sequence == sequence));
    }
    sender.send(report("", 4)).await.unwrap();
    let status = heard.message().await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::InvalidArgument, "attempt_id: is empty")
    );
    assert_eq!(
        status.get_details_bad_request().unwrap().field_violations[0].field,
        "attempt_id"
    );
    assert_eq!(status.metadata().get("x-trail").unwrap(), "kept");
}

#[tokio::test]
async fn a_caller_who_ends_the_stream_ends_it_everywhere() {
    let house = House::start().await;
    let (sender, response) = open(&mut link(&house.client).await).await;
    let mut heard = response.into_inner();
    heard.message().await.unwrap().unwrap();
    drop(sender);
    assert!(heard.message().await.unwrap().is_none());
}

/// Services allow 200 streams on one connection; the gateway's callers have connections of their own to them.
#[tokio::test]
async fn more_agents_than_one_connection_holds() {
    let house = House::start().await;
    let mut open_lines = Vec::new();
    for _ in 0..3 {
        let mut link = link(&house.client).await;
        for _ in 0..70 {
            let (sender, response) = open(&mut link).await;
            let mut heard = response.into_inner();
            heard.message().await.unwrap().unwrap();
            open_lines.push((sender, heard));
        }
    }
    assert_eq!(open_lines.len(), 210);
}

#[tokio::test]
async fn a_service_that_is_away_is_a_proper_status() {
    let house = House::start().await;
    house.end_service("volume");
    let volumes = VolumeServiceClient::new(house.client.channel().await);
    let status = testkit::eventually("volume to be away", || async {
        let asked = with_key(ListVolumesRequest::default(), OWNER);
        volumes.clone().list_volumes(asked).await.err()
    })
    .await;
    assert_eq!(status.code(), Code::Unavailable);
    assert!(
        status.message().contains("try again") && !status.message().contains("127.0.0.1"),
        "{status}"
    );
}

#[tokio::test]
async fn what_no_contract_has_is_refused() {
    let house = House::start().await;
    let ask = async |path: &str, http2: bool| {
        let request = Request::post(house.client.url(path))
            .header("content-type", "application/grpc")
            .header("authorization", format!("Bearer {OWNER}"));
        let answer = house
            .client
            .raw(request.body(Full::default()).unwrap(), http2)
            .await;
        assert_eq!(
            (answer.status, &answer.headers["content-type"]),
            (200, &"application/grpc".parse().unwrap())
        );
        answer.headers["grpc-status"]
            .to_str()
            .unwrap()
            .parse::<i32>()
            .unwrap()
    };
    for path in [
        "/quire.nothing.v1.NothingService/Get",
        "/quire.notebook.v1.NotebookService/Nothing",
        "/quire.notebook.v1.NotebookService",
        "/",
        "/v1/projects",
    ] {
        assert_eq!(ask(path, true).await, Code::NotFound as i32, "{path}");
    }
    assert_eq!(
        ask("/quire.notebook.v1.NotebookService/GetNotebook", false).await,
        Code::FailedPrecondition as i32
    );
}

#[tokio::test]
async fn probes_ask_about_the_gateway_itself() {
    let house = House::start().await;
    let mut health = HealthClient::new(house.client.channel().await);
    let answer = health
        .check(HealthCheckRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        answer.status(),
        tonic_health::pb::health_check_response::ServingStatus::Serving
    );
}

#[tokio::test]
async fn tools_learn_the_contracts_when_they_are_logged_in() {
    let house = House::start().await;
    let mut reflection = ServerReflectionClient::new(house.client.channel().await);
    let ask = || {
        let message_request = Some(MessageRequest::ListServices(String::new()));
        tokio_stream::once(ServerReflectionRequest {
            host: String::new(),
            message_request,
        })
    };
    let mut answers = reflection
        .server_reflection_info(with_key(ask(), OWNER))
        .await
        .unwrap()
        .into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = answer else {
        panic!("{answer:?}")
    };
    assert!(
        list.service
            .iter()
            .any(|service| service.name == "quire.notebook.v1.NotebookService"),
        "{list:?}"
    );
    let status = reflection.server_reflection_info(ask()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
}
