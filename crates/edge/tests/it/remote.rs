//! Agents of other hosts, played: they dial the door's relay, and then the door asks them.

use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use chassis::Address;
use chassis::authority::{Authority, NodeKey};
use chassis::config::TlsConfig;
use chassis::tls::{H2, Trust};
use edge::EdgeConfig;
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use kernel::Clock as _;
use kernel::time::SystemClock;
use rustls::pki_types::ServerName;
use secrecy::ExposeSecret as _;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::house::{Agent, House, PORT, closed, join};

/// A door to whose relay agents of other hosts connect, and the authority of all certificates.
pub(crate) struct Cluster {
    pub(crate) house: House,
    pub(crate) authority: Authority,
    _certificates: TempDir,
}

/// An agent on another host, connected.
pub(crate) struct Remote {
    pub(crate) agent: Arc<Agent>,
    pub(crate) connection: JoinHandle<hyper::Result<()>>,
}

impl Cluster {
    pub(crate) async fn open() -> Self {
        Self::open_as(|_| {}).await
    }

    pub(crate) async fn open_as(change: impl FnOnce(&mut EdgeConfig)) -> Self {
        let authority = authority();
        let certificates = tempfile::tempdir().unwrap();
        let tls = server_files(&authority, certificates.path());
        let house = House::open_as(|config| {
            config.relay_listen = Some("https://127.0.0.1:0".parse().unwrap());
            config.tls = tls;
            change(config);
        })
        .await;
        Self {
            house,
            authority,
            _certificates: certificates,
        }
    }

    /// A new node, connected.
    pub(crate) async fn remote(&self) -> Remote {
        self.connect(Arc::new(Agent::elsewhere())).await
    }

    /// Connects an agent, once more if it was before.
    pub(crate) async fn connect(&self, agent: Arc<Agent>) -> Remote {
        let stream = self.dial(&node_trust(&self.authority, &agent)).await;
        Remote::serve(agent, stream.unwrap())
    }

    /// What a dialler gets that shows itself as `trust` says.
    pub(crate) async fn dial(&self, trust: &Trust) -> std::io::Result<TlsStream<TcpStream>> {
        let Some(Address::Https(authority)) = &self.house.relay else {
            panic!("the door has a relay")
        };
        let stream = TcpStream::connect(authority).await?;
        let connector = TlsConnector::from(trust.client_config(&[H2]).unwrap());
        let name = ServerName::try_from("127.0.0.1").unwrap();
        connector.connect(name, stream).await
    }
}

impl Remote {
    /// Answers what the door asks.
    pub(crate) fn serve(agent: Arc<Agent>, stream: TlsStream<TcpStream>) -> Self {
        let answering = agent.clone();
        let questions = TowerToHyperService::new(agent.questions());
        let service = service_fn(move |request: Request<Incoming>| {
            let (agent, questions) = (answering.clone(), questions.clone());
            async move {
                match *request.method() {
                    Method::CONNECT => Ok(open(&agent, request).await),
                    _ => questions.call(request).await,
                }
            }
        });
        let connection = http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), service);
        Self {
            agent,
            connection: tokio::spawn(connection),
        }
    }

    /// Cuts the connection, as a network would.
    pub(crate) async fn cut(self) -> Arc<Agent> {
        self.connection.abort();
        self.connection.await.unwrap_err();
        self.agent
    }
}

/// A stream to a workload.
async fn open(agent: &Agent, mut request: Request<Incoming>) -> Response<Body> {
    let authority = request.uri().authority().unwrap().to_string();
    let (host, generation) = authority.rsplit_once(':').unwrap();
    let (port, workload) = host.split_once('.').unwrap_or(("", host));
    let Some(socket) = agent.socket(workload, generation.parse().unwrap()) else {
        return (
            StatusCode::NOT_FOUND,
            r#"{"message": "no such attempt here"}"#,
        )
            .into_response();
    };
    if !port.is_empty() && port != PORT.to_string() {
        return closed();
    }
    join(hyper::upgrade::on(&mut request), socket);
    StatusCode::OK.into_response()
}

pub(crate) fn authority() -> Authority {
    Authority::create("test", SystemClock.now()).unwrap()
}

/// Whom an agent trusts, and its node's certificate.
pub(crate) fn node_trust(authority: &Authority, agent: &Agent) -> Trust {
    signed_node(trust(authority), authority, agent)
}

/// Trust, with a certificate for the agent's node by `authority`.
pub(crate) fn signed_node(trust: Trust, authority: &Authority, agent: &Agent) -> Trust {
    let key = NodeKey::generate().unwrap();
    let chain = authority
        .sign_node(
            &key.request().unwrap(),
            &agent.node.to_string(),
            SystemClock.now(),
        )
        .unwrap();
    trust
        .with_identity(chain.as_bytes(), key.to_pem().expose_secret().as_bytes())
        .unwrap()
}

/// Trust in an authority, without a certificate of one's own.
pub(crate) fn trust(authority: &Authority) -> Trust {
    Trust::from_pem(authority.certificate_pem().as_bytes()).unwrap()
}

/// A server's certificate and key in `folder`, and the authority beside them.
pub(crate) fn server_files(authority: &Authority, folder: &Path) -> TlsConfig {
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
