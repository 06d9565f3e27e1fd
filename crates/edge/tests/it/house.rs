//! A running door, and what it needs around it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, RawQuery, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use bus::{Bus, Route, Routes, Target};
use chassis::Address;
use chassis::tls::Trust;
use edge::{EdgeConfig, Limits};
use futures::StreamExt as _;
use hyper_util::rt::TokioIo;
use kernel::id::{NodeId, NotebookId, WorkloadId};
use kernel::time::SystemClock;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use testkit::{Authority, Nats};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What opens every notebook of these tests.
pub(crate) const TOKEN: &str = "users-own-secret";
/// What the played notebooks want.
pub(crate) const JUPYTER: &str = "jupyters-own-secret";

/// What the played agents measure.
pub(crate) const SIGNS: &str = r#"{"signs": []}"#;

/// A running door, and what it needs around it.
pub(crate) struct House {
    pub(crate) nats: Nats,
    pub(crate) bus: Bus,
    pub(crate) routes: Routes,
    pub(crate) agent: Agent,
    pub(crate) address: SocketAddr,
    pub(crate) relay: Option<Address>,
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

/// The files of every notebook here.
pub(crate) const VOLUME: &str = "vo-1";

impl Notebook {
    /// Where it runs.
    pub(crate) fn target(&self) -> Target {
        self.route.target.clone().unwrap()
    }
}

impl House {
    pub(crate) async fn open() -> Self {
        Self::open_with(|_| {}).await
    }

    pub(crate) async fn open_with(limit: impl FnOnce(&mut Limits)) -> Self {
        Self::open_as(|config| limit(&mut config.limits)).await
    }

    /// A door that listens by `https://`, with a certificate of `authority`.
    pub(crate) async fn open_secure(authority: &Authority) -> Self {
        Self::open_as(|config| {
            config.listen = "https://127.0.0.1:0".parse().unwrap();
            config.tls = authority.issue(&["*.notebooks.test"]);
            config.domain = "notebooks.test".to_owned();
        })
        .await
    }

    pub(crate) async fn open_as(change: impl FnOnce(&mut EdgeConfig)) -> Self {
        let nats = Nats::start();
        let folder = tempfile::tempdir().unwrap();
        let mut config = EdgeConfig {
            listen: "http://127.0.0.1:0".parse().unwrap(),
            bus: nats.config(),
            relay_dir: folder.path().to_owned(),
            ..EdgeConfig::default()
        };
        change(&mut config);
        let secure = matches!(config.listen, Address::Https(_));
        let trust = secure.then(|| Trust::from_config(&config.tls).unwrap());
        let bus = Bus::connect(&config.bus, "test").await.unwrap();
        let routes = Routes::open(&bus).await.unwrap();
        let agent = Agent::start(&folder);
        let (reached, door, cancel) = start_door(config.clone()).await;
        Self {
            nats,
            bus,
            routes,
            agent,
            address: socket_address(&reached.door),
            relay: reached.relay,
            config,
            trust,
            cancel,
            door,
            folder,
        }
    }

    /// A notebook that runs.
    pub(crate) async fn notebook(&self) -> Notebook {
        self.notebook_of(&self.agent).await
    }

    /// A notebook that runs on the node of `agent`.
    pub(crate) async fn notebook_of(&self, agent: &Agent) -> Notebook {
        let target = Target {
            node_id: agent.node.to_string(),
            workload_id: WorkloadId::generate().to_string(),
            generation: 1,
            volume_id: VOLUME.to_owned(),
        };
        let route = Route {
            id: NotebookId::generate().to_string(),
            running: true,
            state: "Running".to_owned(),
            reason: String::new(),
            target: Some(target.clone()),
            note: String::new(),
            idle: bus::RouteIdle::default(),
            shares: Vec::new(),
            token_sha256: Sha256::digest(TOKEN)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            revision: 1,
        };
        let played = self.play_on(agent, &target);
        let mut notebook = Notebook { route, played };
        self.publish(&mut notebook.route, |_| {}).await;
        notebook
    }

    /// Plays a workload and tells the agent of it.
    pub(crate) fn play(&self, target: &Target) -> Arc<Played> {
        self.play_on(&self.agent, target)
    }

    /// Plays a workload of another node.
    pub(crate) fn play_on(&self, agent: &Agent, target: &Target) -> Arc<Played> {
        let socket = self
            .folder
            .path()
            .join(format!("{}-{}.sock", target.workload_id, target.generation));
        let played = Arc::new(Played::start(socket, target.generation));
        agent.runs(target, &played);
        played
    }

    /// Writes a change of a route, and waits until the door has it.
    pub(crate) async fn publish(&self, route: &mut Route, change: impl FnOnce(&mut Route)) {
        route.revision += 1;
        change(route);
        // What the door tells is how the new route is told from the one that it knows.
        if self.knows(route).await {
            route.reason = format!("revision {}", route.revision);
        }
        self.routes.put(route).await.unwrap();
        testkit::eventually("the door to know the route", || async {
            self.knows(route).await.then_some(())
        })
        .await;
    }

    /// Whether the door tells of a notebook what this route says.
    async fn knows(&self, route: &Route) -> bool {
        let health = self.get(route, "/.quire/health").await;
        let known = (
            health["running"].as_bool(),
            health["state"].as_str(),
            health["reason"].as_str(),
        );
        known == (Some(route.running), Some(&route.state), Some(&route.reason))
    }

    /// Writes a route as it is.
    pub(crate) async fn put(&self, route: &Route) {
        self.routes.put(route).await.unwrap();
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

/// Where TCP comes in at a door.
pub(crate) fn socket_address(address: &Address) -> SocketAddr {
    let text = address.to_string();
    let (_, authority) = text.split_once("://").unwrap();
    authority.parse().unwrap()
}

pub(crate) async fn start_door(
    config: EdgeConfig,
) -> (
    edge::Reached,
    JoinHandle<chassis::Result<()>>,
    CancellationToken,
) {
    let cancel = CancellationToken::new();
    let (tell, told) = tokio::sync::oneshot::channel();
    let ready = |reached: &edge::Reached| {
        tell.send(reached.clone()).ok();
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
    /// Each permit lets a followed log go on to its end.
    pub(crate) go_on: Arc<Semaphore>,
    places: Places,
    server: Option<JoinHandle<()>>,
}

type Places = Arc<Mutex<HashMap<(String, u64), PathBuf>>>;

impl Agent {
    /// One on the door's host.
    fn start(folder: &TempDir) -> Self {
        let mut agent = Self::elsewhere();
        let router = agent.questions();
        let listener =
            UnixListener::bind(folder.path().join(format!("{}.sock", agent.node))).unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        agent.server = Some(server);
        agent
    }

    /// One on another host.
    pub(crate) fn elsewhere() -> Self {
        Self::of(NodeId::generate())
    }

    /// Another agent's process of a node.
    pub(crate) fn of(node: NodeId) -> Self {
        Self {
            node,
            questions: Arc::default(),
            go_on: Arc::new(Semaphore::new(0)),
            places: Places::default(),
            server: None,
        }
    }

    /// What it answers.
    pub(crate) fn questions(&self) -> Router {
        let upstream = get(upstream);
        Router::new()
            .route("/v1/workloads/{workload}/{generation}/upstream", upstream)
            .route("/v1/workloads/{workload}/{generation}/logs", get(logs))
            .route("/v1/workloads/{workload}/{generation}/signs", get(SIGNS))
            .route(
                "/v1/workloads/{workload}/{generation}/exec",
                post(|request: Request| async { Body::new(request.into_body()) }),
            )
            .route(
                "/v1/workloads/{workload}/{generation}/ssh",
                post(|RawQuery(query): RawQuery, request: Request| async {
                    let asked = Bytes::from(format!("{}\n", query.unwrap_or_default()));
                    let asked = futures::stream::once(async { Ok(asked) });
                    let body = Body::new(request.into_body()).into_data_stream();
                    Body::from_stream(asked.chain(body))
                }),
            )
            .route(
                "/v1/workloads/{workload}/{generation}/ports/{port}",
                get(to_port),
            )
            .with_state(Answers {
                places: self.places.clone(),
                questions: self.questions.clone(),
                go_on: self.go_on.clone(),
            })
    }

    /// The socket of a workload that runs there.
    pub(crate) fn socket(&self, workload: &str, generation: u64) -> Option<PathBuf> {
        let places = self.places.lock().unwrap();
        places.get(&(workload.to_owned(), generation)).cloned()
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
        self.server.as_ref().unwrap().abort();
    }
}

#[derive(Clone)]
struct Answers {
    places: Places,
    questions: Arc<AtomicUsize>,
    go_on: Arc<Semaphore>,
}

async fn upstream(State(answers): State<Answers>, Path(attempt): Path<(String, u64)>) -> Response {
    answers.questions.fetch_add(1, Ordering::SeqCst);
    match answers.places.lock().unwrap().get(&attempt) {
        Some(socket) => {
            Json(serde_json::json!({ "socket": socket, "token": JUPYTER })).into_response()
        }
        None => not_there(),
    }
}

/// The played workload answers on one other port too.
pub(crate) const PORT: u16 = 8080;

/// What an agent says of a port on which nothing listens.
pub(crate) fn closed() -> Response {
    let body = serde_json::json!({ "code": "UNAVAILABLE", "message": "nothing answers" });
    (StatusCode::BAD_GATEWAY, Json(body)).into_response()
}

async fn to_port(
    State(answers): State<Answers>,
    Path((workload, generation, port)): Path<(String, u64, u16)>,
    mut request: Request,
) -> Response {
    let found = answers.places.lock().unwrap();
    let Some(socket) = found.get(&(workload, generation)).cloned() else {
        return not_there();
    };
    if port != PORT {
        return closed();
    }
    assert_eq!(request.headers()["upgrade"], "quire-stream");
    join(hyper::upgrade::on(&mut request), socket);
    let changes = [("connection", "upgrade"), ("upgrade", "quire-stream")];
    (StatusCode::SWITCHING_PROTOCOLS, changes).into_response()
}

/// Lets bytes through between an edge and a workload.
pub(crate) fn join(edge: hyper::upgrade::OnUpgrade, socket: PathBuf) {
    tokio::spawn(async move {
        let mut workload = UnixStream::connect(socket).await.unwrap();
        let mut edge = TokioIo::new(edge.await.unwrap());
        tokio::io::copy_bidirectional(&mut edge, &mut workload)
            .await
            .ok();
    });
}

async fn logs(
    State(answers): State<Answers>,
    Path((_, generation)): Path<(String, u64)>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    if generation == 99 {
        return not_there();
    }
    let (follow, tail) = (query["follow"].clone(), query.get("tail").cloned());
    if follow == "true" && tail.is_none() {
        return in_two("so far\n", "from now on\n", answers.go_on);
    }
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
    /// Bytes of `/bytes` that were taken.
    pub(crate) downloaded: Arc<AtomicUsize>,
    server: JoinHandle<()>,
}

#[derive(Clone)]
struct Stage {
    generation: u64,
    go_on: Arc<Semaphore>,
    waits: Arc<Notify>,
    uploaded: Arc<AtomicUsize>,
    downloaded: Arc<AtomicUsize>,
}

impl Played {
    fn start(socket: PathBuf, generation: u64) -> Self {
        let stage = Stage {
            generation,
            go_on: Arc::new(Semaphore::new(0)),
            waits: Arc::default(),
            uploaded: Arc::default(),
            downloaded: Arc::default(),
        };
        let (go_on, waits) = (stage.go_on.clone(), stage.waits.clone());
        let (uploaded, downloaded) = (stage.uploaded.clone(), stage.downloaded.clone());
        let router = Router::new()
            .route(
                "/generation",
                get(|State(stage): State<Stage>| async move { stage.generation.to_string() }),
            )
            .route("/echo", get(echo))
            .route("/stream", get(stream))
            .route("/wait", get(wait))
            .route("/bytes/{count}", get(bytes))
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
            downloaded,
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
    in_two("first ", "second", stage.go_on)
}

/// A text, of which the second part comes when it may.
fn in_two(first: &'static str, second: &'static str, go_on: Arc<Semaphore>) -> Response {
    let second = async move {
        go_on.acquire().await.unwrap().forget();
        Ok::<_, std::io::Error>(Bytes::from(second))
    };
    let first = futures::stream::once(async move { Ok(Bytes::from(first)) });
    Body::from_stream(first.chain(futures::stream::once(second))).into_response()
}

/// So many bytes, as fast as they are taken.
async fn bytes(State(stage): State<Stage>, Path(count): Path<usize>) -> Response {
    let chunks = futures::stream::iter(0..count / CHUNK).map(move |_| {
        stage.downloaded.fetch_add(CHUNK, Ordering::SeqCst);
        Ok::<_, std::io::Error>(Bytes::from_static(&[7; CHUNK]))
    });
    Body::from_stream(chunks).into_response()
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
    let authorization = request.headers().get("authorization");
    let authorization = authorization.map_or("none", |sent| sent.to_str().unwrap());
    let authorization = authorization.to_owned();
    upgrade.on_upgrade(|socket| say_back(socket, authorization))
}

/// A program at another port is told no token.
async fn say_back(mut socket: WebSocket, authorization: String) {
    assert!(["none", &format!("token {JUPYTER}")].contains(&authorization.as_str()));
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

/// Size of the pieces of `/bytes`.
const CHUNK: usize = 64 << 10;

/// Longest time that something may take that should not happen at all.
pub(crate) const SOON: Duration = Duration::from_secs(20);
