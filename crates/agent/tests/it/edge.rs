//! Edges on other hosts, played: agents dial them, and then they ask.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use chassis::authority::{Authority, node_of};
use chassis::config::TlsConfig;
use chassis::grpc::Listener;
use chassis::tls::Clients;
use contracts::inventory::v1::Edge as Listed;
use http::{Method, Request, Response, Uri};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::upgrade::Upgraded;
use hyper_util::rt::{TokioExecutor, TokioIo};
use kernel::Clock as _;
use kernel::time::SystemClock;
use secrecy::ExposeSecret as _;
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// An edge.
pub(crate) struct Edge {
    listener: Listener,
    _files: TempDir,
}

/// The connection that an agent made.
pub(crate) struct Dialled {
    /// As the agent's certificate says.
    pub(crate) node: String,
    sender: http2::SendRequest<Empty<Bytes>>,
    connection: JoinHandle<hyper::Result<()>>,
}

/// A status and the text that came with it.
pub(crate) type Answer = (u16, String);

impl Edge {
    /// One whose certificate is of `authority`.
    pub(crate) async fn start(authority: &Authority) -> Self {
        let any = "https://127.0.0.1:0".parse().unwrap();
        let files = tempfile::tempdir().unwrap();
        let tls = server_files(authority, files.path());
        let listener = Listener::bind_for(&any, &tls, Clients::WithCertificate).await;
        Self {
            listener: listener.unwrap(),
            _files: files,
        }
    }

    /// As inventory names it.
    pub(crate) fn listed(&self) -> Listed {
        Listed {
            id: self.listener.address().to_string(),
            relay_address: self.listener.address().to_string(),
        }
    }

    /// The next connection of an agent.
    pub(crate) async fn dialled(&mut self) -> Dialled {
        let accepted = tokio::time::timeout(Duration::from_secs(30), self.listener.accept());
        let connection = accepted.await.expect("an agent dials").unwrap();
        let node = node_of(connection.certificate().unwrap()).unwrap();
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(connection))
            .await
            .unwrap();
        Dialled {
            node,
            sender,
            connection: tokio::spawn(connection),
        }
    }

    /// Whether an agent is let in within a second.
    pub(crate) async fn is_dialled(&mut self) -> bool {
        let accepted = tokio::time::timeout(Duration::from_secs(1), self.listener.accept());
        accepted.await.is_ok()
    }
}

impl Dialled {
    pub(crate) async fn get(&self, path: &str) -> Answer {
        read(self.open(path).await).await
    }

    /// The answer, as it comes.
    pub(crate) async fn open(&self, path: &str) -> Response<Incoming> {
        let request = Request::get(format!("http://relay{path}"));
        let request = request.body(Empty::new()).unwrap();
        self.sender.clone().send_request(request).await.unwrap()
    }

    /// A stream to a workload, or the refusal.
    pub(crate) async fn connect(&self, authority: &str) -> Result<Upgraded, Answer> {
        let mut request = Request::new(Empty::new());
        *request.method_mut() = Method::CONNECT;
        *request.uri_mut() = Uri::builder().authority(authority).build().unwrap();
        let answer = self.sender.clone().send_request(request).await.unwrap();
        if answer.status().is_success() {
            return Ok(hyper::upgrade::on(answer).await.unwrap());
        }
        Err(read(answer).await)
    }

    /// Whether the agent still answers.
    pub(crate) fn is_open(&self) -> bool {
        !self.connection.is_finished()
    }

    /// Cuts the connection, as a network would.
    pub(crate) async fn cut(self) {
        self.connection.abort();
        self.connection.await.unwrap_err();
    }
}

/// One HTTP question over a stream.
pub(crate) async fn ask(stream: Upgraded, path: &str, token: &str) -> Answer {
    let (mut sender, connection) = http1::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::get(path)
        .header("host", "localhost")
        .header("authorization", format!("token {token}"))
        .body(Empty::<Bytes>::new())
        .unwrap();
    let answer = read(sender.send_request(request).await.unwrap()).await;
    connection.abort();
    answer
}

async fn read(answer: Response<Incoming>) -> Answer {
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

fn server_files(authority: &Authority, folder: &Path) -> TlsConfig {
    let issued = authority
        .issue_server(&["127.0.0.1".to_owned()], SystemClock.now())
        .unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        Some(path)
    };
    TlsConfig {
        authority: write("authority.pem", authority.certificate_pem()),
        certificate: write("server.pem", &issued.chain_pem),
        key: write("server.key", issued.key_pem.expose_secret()),
    }
}
