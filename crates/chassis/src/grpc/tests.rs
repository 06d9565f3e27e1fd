//! Servers and callers over TLS.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use kernel::time::SystemClock;
use rustls::pki_types::ServerName;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::service::Routes;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::{Listener, Server, connect};
use crate::auth::{KeySource, Verifier};
use crate::config::TlsConfig;
use crate::tls::testing::Authority;
use crate::tls::{Clients, H2, Trust};
use crate::{Address, Error, Result};

const LOOPBACK: &[&str] = &["127.0.0.1"];

#[derive(Debug)]
struct NoKeys;

#[tonic::async_trait]
impl KeySource for NoKeys {
    async fn keys(&self) -> Result<Vec<Vec<u8>>> {
        Ok(Vec::new())
    }
}

/// A server with a certificate for `names`.
struct House {
    folder: TempDir,
    authority: Authority,
    port: u16,
    _stop: DropGuard,
}

fn anywhere() -> Address {
    Address::Https("127.0.0.1:0".to_owned())
}

fn port(address: &Address) -> u16 {
    let text = address.to_string();
    text.rsplit(':').next().unwrap().parse().unwrap()
}

impl House {
    async fn start(names: &[&str]) -> Self {
        let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
        let tls = authority.issue(names).write(folder.path());
        let listener = Listener::bind(&anywhere(), &tls).await.unwrap();
        let port = port(listener.address());
        let verifier = Verifier::new(Arc::new(NoKeys), Arc::new(SystemClock));
        let server = Server::new("sample", verifier, Routes::default());
        let cancel = CancellationToken::new();
        tokio::spawn(server.run(listener, cancel.clone()));
        Self {
            folder,
            authority,
            port,
            _stop: cancel.drop_guard(),
        }
    }

    fn trust(&self) -> Trust {
        Trust::from_pem(self.authority.pem().as_bytes()).unwrap()
    }

    async fn call(&self, scheme: &str, trust: &Trust) -> Result<()> {
        let address = format!("{scheme}://127.0.0.1:{}", self.port);
        let channel = connect(&address.parse().unwrap(), trust)?;
        let call = HealthClient::new(channel)
            .check(HealthCheckRequest::default())
            .await;
        call.map(drop).map_err(Error::from)
    }

    async fn refusal(&self, scheme: &str, trust: &Trust) -> String {
        let error = self.call(scheme, trust).await.unwrap_err();
        assert_eq!(error.code(), kernel::Code::Unavailable, "{error:?}");
        error.to_string()
    }
}

#[tokio::test]
async fn only_the_right_authority_and_name_pass() {
    let house = House::start(LOOPBACK).await;
    house.call("https", &house.trust()).await.unwrap();

    let foreign = Trust::from_pem(Authority::new().pem().as_bytes()).unwrap();
    for stranger in [foreign, Trust::public()] {
        let refusal = house.refusal("https", &stranger).await;
        assert!(
            refusal.contains("not from an authority that this program was told to trust"),
            "{refusal}"
        );
    }

    let elsewhere = House::start(&["elsewhere.example.org"]).await;
    let refusal = elsewhere.refusal("https", &elsewhere.trust()).await;
    assert!(
        refusal.contains("its certificate is for other names"),
        "{refusal}"
    );
}

#[tokio::test]
async fn the_clear_and_noise_fail_and_leave_the_listener_whole() {
    let house = House::start(LOOPBACK).await;
    house.call("http", &house.trust()).await.unwrap_err();

    let mut noise = TcpStream::connect(("127.0.0.1", house.port)).await.unwrap();
    noise.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    noise.read_to_end(&mut answer).await.ok();
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");

    house.call("https", &house.trust()).await.unwrap();
}

#[tokio::test]
async fn a_server_in_the_clear_is_told_from_one_with_tls() {
    let house = House::start(LOOPBACK).await;
    let clear = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let house = House {
        port: clear.local_addr().unwrap().port(),
        ..house
    };
    let answer = async {
        let (mut stream, _) = clear.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 no\r\n\r\n").await.unwrap();
        pending::<String>().await
    };
    let trust = house.trust();
    let refusal = tokio::select! {
        refusal = house.refusal("https", &trust) => refusal,
        never = answer => never,
    };
    assert!(refusal.contains("it does not speak TLS"), "{refusal}");
}

#[tokio::test]
async fn who_is_slow_with_the_handshake_keeps_nobody_waiting() {
    let house = House::start(LOOPBACK).await;
    let mut slow = Vec::new();
    for _ in 0..50 {
        slow.push(TcpStream::connect(("127.0.0.1", house.port)).await.unwrap());
    }
    // Far less than one of them may take.
    let trust = house.trust();
    let called = tokio::time::timeout(Duration::from_secs(8), house.call("https", &trust));
    called
        .await
        .expect("a call beside slow handshakes")
        .unwrap();
}

#[tokio::test]
async fn a_handshake_may_not_take_for_ever() {
    let house = House::start(LOOPBACK).await;
    let mut slow = TcpStream::connect(("127.0.0.1", house.port)).await.unwrap();
    // Taken in before the time is stopped.
    house.call("https", &house.trust()).await.unwrap();
    tokio::time::pause();
    let mut nothing = Vec::new();
    slow.read_to_end(&mut nothing).await.unwrap();
    assert!(nothing.is_empty(), "{nothing:?}");
}

#[tokio::test]
async fn new_files_are_served_anew() {
    let house = House::start(LOOPBACK).await;
    house.call("https", &house.trust()).await.unwrap();

    let successor = Authority::new();
    successor.issue(LOOPBACK).write(house.folder.path());
    let trust = Trust::from_pem(successor.pem().as_bytes()).unwrap();
    let taken = async {
        while house.call("https", &trust).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), taken)
        .await
        .expect("the new certificate to be shown");
    house.call("https", &house.trust()).await.unwrap_err();
}

#[tokio::test]
async fn a_listener_that_asks_for_certificates_knows_who_came() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new());
    let mut tls = authority.issue(LOOPBACK).write(folder.path());
    let path = folder.path().join("authority.pem");
    std::fs::write(&path, authority.pem()).unwrap();
    tls.authority = Some(path);
    let mut listener = Listener::bind_for(&anywhere(), &tls, Clients::WithCertificate)
        .await
        .unwrap();
    let port = port(listener.address());
    let trust = Trust::from_config(&tls).unwrap();
    let hello = async |trust: Trust| {
        let tcp = TcpStream::connect(("127.0.0.1", port)).await?;
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let connector = TlsConnector::from(trust.client_config(&[H2]).unwrap());
        let mut stream = connector.connect(name, tcp).await?;
        stream.write_all(b"hello").await?;
        // With TLS 1.3 a refusal comes after the client's side of the handshake.
        stream.read_exact(&mut [0; 5]).await
    };

    let node = authority.issue(&["node-1"]);
    let known = trust
        .clone()
        .with_identity(node.chain.as_bytes(), node.key.as_bytes())
        .unwrap();
    let foreign = Authority::new().issue(&["node-1"]);
    let foreign = trust
        .clone()
        .with_identity(foreign.chain.as_bytes(), foreign.key.as_bytes())
        .unwrap();
    let serve = async {
        let mut connection = listener.accept().await.unwrap();
        let mut said = [0; 5];
        connection.read_exact(&mut said).await.unwrap();
        connection.write_all(&said).await.unwrap();
        connection.shutdown().await.unwrap();
        connection
    };
    let strangers = async {
        for stranger in [trust, foreign] {
            hello(stranger).await.unwrap_err();
        }
        hello(known).await.unwrap()
    };
    let (connection, _) = tokio::join!(serve, strangers);
    let shown = connection.certificate().unwrap();
    let issued = pem_of(shown);
    assert_eq!(issued, node.chain.split_whitespace().collect::<String>());
    assert!(connection.peer().unwrap().ip().is_loopback());
}

/// A certificate as PEM without its line breaks.
fn pem_of(der: &[u8]) -> String {
    use base64::Engine as _;
    let body = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGINCERTIFICATE-----{body}-----ENDCERTIFICATE-----")
}

#[tokio::test]
async fn https_without_a_certificate_is_refused_at_start() {
    let refusal = Listener::bind(&anywhere(), &TlsConfig::default())
        .await
        .unwrap_err();
    assert!(
        refusal
            .to_string()
            .starts_with("tls.certificate: is not set"),
        "{refusal}"
    );
    let open = Address::Http("10.0.0.1:7710".to_owned());
    let refusal = connect(&open, &Trust::public()).unwrap_err();
    assert!(
        refusal.to_string().starts_with("address: refusing to call"),
        "{refusal}"
    );
    let refusal = Listener::bind(&open, &TlsConfig::default())
        .await
        .unwrap_err();
    assert!(
        refusal.to_string().starts_with("listen: refusing"),
        "{refusal}"
    );
}
