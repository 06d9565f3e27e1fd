//! The gateway by `https://`, with services behind it that speak TLS, too.

use chassis::Error;
use chassis::grpc::connect;
use chassis::tls::{HTTP1, Trust};
use contracts::inventory::v1::ListMachineTypesRequest;
use contracts::inventory::v1::inventory_service_client::InventoryServiceClient;
use contracts::notebook::v1::ListNotebooksRequest;
use contracts::notebook::v1::notebook_service_client::NotebookServiceClient;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use testkit::Authority;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::client::with_key;
use crate::house::{House, OWNER};

#[tokio::test]
async fn rest_and_grpc_go_over_tls_on_both_sides() {
    let authority = Authority::new();
    let tls = authority.issue(&["127.0.0.1"]);
    let trust = Trust::from_config(&tls).unwrap();
    let house = House::secure(tls).await;
    let address = house.client.url("");
    assert!(address.starts_with("https://"), "{address}");

    let channel = connect(&address.parse().unwrap(), &trust).unwrap();
    let mut notebooks = NotebookServiceClient::new(channel.clone());
    let listed = notebooks.list_notebooks(with_key(ListNotebooksRequest::default(), OWNER));
    listed.await.unwrap();
    let mut inventory = InventoryServiceClient::new(channel);
    let listed = inventory.list_machine_types(with_key(ListMachineTypesRequest::default(), OWNER));
    listed.await.unwrap();

    let authority = address.trim_start_matches("https://");
    let tcp = TcpStream::connect(authority).await.unwrap();
    let tls = TlsConnector::from(trust.client_config(&[HTTP1]).unwrap());
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let stream = tls.connect(name, tcp).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("/v1/machine-types")
        .header("host", authority)
        .header("authorization", format!("Bearer {OWNER}"))
        .body(Empty::<bytes::Bytes>::new())
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(!body.is_empty());
}

#[tokio::test]
async fn who_trusts_another_authority_does_not_get_in() {
    let (authority, other) = (Authority::new(), Authority::new());
    let house = House::secure(authority.issue(&["127.0.0.1"])).await;
    let trust = Trust::from_file(Some(&other.file())).unwrap();
    let channel = connect(&house.client.url("").parse().unwrap(), &trust).unwrap();
    let mut notebooks = NotebookServiceClient::new(channel);
    let listed = notebooks.list_notebooks(ListNotebooksRequest::default());
    let error = Error::from(listed.await.unwrap_err());
    assert!(
        error.to_string().contains("not from an authority"),
        "{error}"
    );
}
