//! A running door, and what it needs around it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use bus::{Bus, Route, Routes, Target};
use chassis::Address;
use chassis::tls::Trust;
use edge::{EdgeConfig, Limits};
use futures::StreamExt as _;
use kernel::id::{NodeId, NotebookId, WorkloadId};
use kernel::time::SystemClock;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use testkit::{Authority, Nats};
use tokio::net::UnixListener;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What opens every notebook of these tests.
pub(crate) const TOKEN: &str = "users-own-secret";
/// What the played notebooks want.
pub(crate) const JUPYTER: &str = "jupyters-own-secret";

/// A running door, and what it needs around it.
pub(crate) struct House {
    pub(crate) nats: Nats,
    pub(crate) bus: Bus,
    pub(crate) routes: Routes,
    pub(crate) agent: Agent,
    pub(crate) address: SocketAddr,
    pub(crate) config: EdgeConfig,
    /// Whom visitors trust, where the door speaks TLS.
    pub(crate) trust: Option<Trust>,
    pub(crate) cancel: CancellationToken,
    pub(crate) door: JoinHandle<chassis::Result<()>>,
    pub(crate) folder: TempDir,
}

/// A notebook with a route.
pub(crate) struct Notebook {
    pub(crate) route: Route,
    pub(crate) played: Arc<Played>,
}

impl House {
    pub(crate) async fn open() -> Self {
        Self::open_with(|_| {}).await
    }

    pub(crate) async fn open_with(limit: impl FnOnce(&mut Limits)) -> Self {
        let mut config = EdgeConfig {
            listen: "http://127.0.0.1:0".parse().unwrap(),
            ..EdgeConfig::default()
        };
        limit(&mut config.limits);
        Self::open_as(config, None).await
    }

    /// A door that listens by `https://`, with a certificate of `authority`.
    pub(crate) async fn open_secure(authority: &Authority) -> Self {
        let config = EdgeConfig {
            listen: "https://127.0.0.1:0".parse().unwrap(),
            tls: authority.issue(&["*.notebooks.test"]),
            domain: "notebooks.test".to_owned(),
            ..EdgeConfig::default()
        };
        let trust = Trust::from_config(&config.tls).unwrap();
        Self::open_as(config, Some(trust)).await
    }

    async fn open_as(config: EdgeConfig, trust: Option<Trust>) -> Self {
        let nats = Nats::start();
        let folder = tempfile::tempdir().unwrap();
        let config = EdgeConfig {
            bus: nats.config(),
            relay_dir: folder.path().to_owned(),
            ..config
        };
        let bus = Bus::connect(&config.bus, "test").await.unwrap();
        let routes = Routes::open(&bus).await.unwrap();
        let agent = Agent::start(&folder);
        let (address, door, cancel) = start_door(config.clone()).await;
        Self {
            nats,
            bus,
            routes,
            agent,
            address,
            config,
            trust,
            cancel,
            door,
            folder,
        }
    }

    /// A notebook that runs.
    pub(crate) async fn notebook(&self) -> Notebook {
        let target = Target {
            node_id: self.agent.node.to_string(),
            workload_id: WorkloadId::generate().to_string(),
            generation: 1,
        };
        let route = Route {
            id: NotebookId::generate().to_string(),
            running: true,
            state: "Running".to_owned(),
            reason: String::new(),
            target: Some(target.clone()),
            token_sha256: Sha256::digest(TOKEN)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            revision: 1,
        };
        let played = self.play(&target);
        let mut notebook = Notebook { route, played };
        self.publish(&mut notebook.route, |_| {}).await;
        notebook
    }

    /// Plays a workload and tells the agent of it.
    pub(crate) fn play(&self, target: &Target) -> Arc<Played> {
        let socket = self
            .folder
            .path()
            .join(format!("{}-{}.sock", target.workload_id, target.generation));
        let played = Arc::new(Played::start(socket, target.generation));
        self.agent.runs(target, &played);
        played
    }

    /// Writes a change of a route, and waits until the door has it.
    pub(crate) async fn publish(&self, route: &mut Route, change: impl FnOnce(&mut Route)) {
        route.revision += 1;
        change(route);
        self.routes.put(route).await.unwrap();
        testkit::eventually("the door to know the route", || async {
            let health = self.get(route, "/.quire/health").await;
            let known = (
                health["running"].as_bool(),
                health["state"].as_str(),
                health["reason"].as_str(),
            );
            (known == (Some(route.running), Some(&route.state), Some(&route.reason))).then_some(())
        })
        .await;
    }

    async fn get(&self, route: &Route, path: &str) -> serde_json::Value {
        let answer = self.client(route).get(path).await;
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }

    /// Ends the door, however long that takes.
    pub(crate) async fn close(self) {
        self.cancel.cancel();
        self.door.await.unwrap().unwrap();
    }
}

pub(crate) async fn start_door(
    config: EdgeConfig,
) -> (
    SocketAddr,
    JoinHandle<chassis::Result<()>>,
    CancellationToken,
) {
    let cancel = CancellationToken::new();
    let (tell, told) = tokio::sync::oneshot::channel();
    let ready = |address: &Address| {
        let text = address.to_string();
        let (_, authority) = text.split_once("://").unwrap();
        tell.send(authority.parse().unwrap()).ok();
    };
    let door = tokio::spawn(edge::run(
        config,
        Arc::new(SystemClock),
        cancel.clone(),
        ready,
    ));
    (told.await.unwrap(), door, cancel)
}

/// The relay of a node's agent.
pub(crate) struct Agent {
    pub(crate) node: NodeId,
    pub(crate) questions: Arc<AtomicUsize>,
    places: Places,
    server: JoinHandle<()>,
}

type Places = Arc<Mutex<HashMap<(String, u64), PathBuf>>>;

impl Agent {
    fn start(folder: &TempDir) -> Self {
        let node = NodeId::generate();
        let (places, questions) = (Places::default(), Arc::new(AtomicUsize::new(0)));
        let router = Router::new()
            .route(
                "/v1/workloads/{workload}/{generation}/upstream",
                get(upstream),
            )
            .route("/v1/workloads/{workload}/{generation}/logs", get(logs))
            .with_state((places.clone(), questions.clone()));
        let listener = UnixListener::bind(folder.path().join(format!("{node}.sock"))).unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            node,
            questions,
            places,
            server,
        }
    }

    pub(crate) fn runs(&self, target: &Target, played: &Played) {
        let attempt = (target.workload_id.clone(), target.generation);
        self.places
            .lock()
            .unwrap()
            .insert(attempt, played.socket.clone());
    }

    pub(crate) fn ended(&self, target: &Target) {
        self.places
            .lock()
            .unwrap()
            .remove(&(target.workload_id.clone(), target.generation));
    }

    pub(crate) fn die(&self) {
        self.server.abort();
    }
}

type Asked = State<(Places, Arc<AtomicUsize>)>;

async fn upstream(
    State((places, questions)): Asked,
    Path(attempt): Path<(String, u64)>,
) -> Response {
    questions.fetch_add(1, Ordering::SeqCst);
    match places.lock().unwrap().get(&attempt) {
        Some(socket) => {
            Json(serde_json::json!({ "socket": socket, "token": JUPYTER })).into_response()
        }
        None => not_there(),
    }
}

async fn logs(
    State(_): Asked,
    Path((_, generation)): Path<(String, u64)>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    if generation == 99 {
        return not_there();
    }
    let (follow, tail) = (query["follow"].clone(), query.get("tail").cloned());
    format!("generation {generation} follow {follow} tail {tail:?}\n").into_response()
}

fn not_there() -> Response {
    let body = serde_json::json!({ "code": "NOT_FOUND", "message": "no such attempt here" });
    (StatusCode::NOT_FOUND, Json(body)).into_response()
}

/// A workload that answers as Jupyter would.
pub(crate) struct Played {
    pub(crate) socket: PathBuf,
    /// Each permit lets a waiting answer go on.
    pub(crate) go_on: Arc<Semaphore>,
    /// Told when a request waits for that.
    pub(crate) waits: Arc<Notify>,
    /// Bytes of uploads that have arrived.
    pub(crate) uploaded: Arc<AtomicUsize>,
    server: JoinHandle<()>,
}

#[derive(Clone)]
struct Stage {
    generation: u64,
    go_on: Arc<Semaphore>,
    waits: Arc<Notify>,
    uploaded: Arc<AtomicUsize>,
}

impl Played {
    fn start(socket: PathBuf, generation: u64) -> Self {
        let (go_on, waits, uploaded) = (
            Arc::new(Semaphore::new(0)),
            Arc::new(Notify::new()),
            Arc::new(AtomicUsize::new(0)),
        );
        let stage = Stage {
            generation,
            go_on: go_on.clone(),
            waits: waits.clone(),
            uploaded: uploaded.clone(),
        };
        let router = Router::new()
            .route(
                "/generation",
                get(|State(stage): State<Stage>| async move { stage.generation.to_string() }),
            )
            .route("/echo", get(echo))
            .route("/stream", get(stream))
            .route("/wait", get(wait))
            .route("/never", any(std::future::pending::<String>))
            .route("/upload", post(upload))
            .fallback(seen)
            .with_state(stage);
        let listener = UnixListener::bind(&socket).unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            socket,
            go_on,
            waits,
            uploaded,
            server,
        }
    }

    /// Ends it, as a process would end.
    pub(crate) async fn die(&self) {
        std::fs::remove_file(&self.socket).unwrap();
        self.server.abort();
    }
}

/// All that the notebook was sent.
async fn seen(request: Request) -> Response {
    let headers: Vec<(String, String)> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    let body = serde_json::json!({ "method": request.method().as_str(), "uri": request.uri().to_string(), "headers": headers });
    (
        [("connection", "x-hop"), ("x-hop", "1"), ("x-kept", "1")],
        Json(body),
    )
        .into_response()
}

async fn stream(State(stage): State<Stage>) -> Response {
    let second = async move {
        stage.go_on.acquire().await.unwrap().forget();
        Ok::<_, std::io::Error>(Bytes::from("second"))
    };
    let first = futures::stream::once(async { Ok(Bytes::from("first ")) });
    Body::from_stream(first.chain(futures::stream::once(second))).into_response()
}

async fn wait(State(stage): State<Stage>) -> &'static str {
    stage.waits.notify_one();
    stage.go_on.acquire().await.unwrap().forget();
    "waited"
}

async fn upload(State(stage): State<Stage>, request: Request) -> String {
    let mut body = request.into_body().into_data_stream();
    while let Some(chunk) = body.next().await {
        stage
            .uploaded
            .fetch_add(chunk.unwrap().len(), Ordering::SeqCst);
    }
    stage.uploaded.load(Ordering::SeqCst).to_string()
}

async fn echo(upgrade: WebSocketUpgrade, request: Request) -> Response {
    let authorization = request.headers()["authorization"]
        .to_str()
        .unwrap()
        .to_owned();
    upgrade.on_upgrade(|socket| say_back(socket, authorization))
}

async fn say_back(mut socket: WebSocket, authorization: String) {
    assert_eq!(authorization, format!("token {JUPYTER}"));
    while let Some(Ok(message)) = socket.next().await {
        if message == Message::text("leave") {
            return;
        }
        if matches!(message, Message::Text(_) | Message::Binary(_))
            && socket.send(message).await.is_err()
        {
            return;
        }
    }
}

/// Longest time that something may take that should not happen at all.
pub(crate) const SOON: Duration = Duration::from_secs(20);
