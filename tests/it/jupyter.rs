//! A person at a notebook: HTTP and the kernel's WebSocket through the edge (Jupyter's messaging protocol, version 5.3).

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use chassis::tls::{HTTP1, Trust};
use futures::{SinkExt as _, StreamExt as _};
use reqwest::Url;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest as _};

use crate::rest::patiently;

/// A notebook as its user reaches it.
#[derive(Clone, Debug)]
pub(crate) struct Jupyter {
    url: Url,
    token: String,
    /// How TLS is spoken where the address is `https://`.
    tls: Arc<ClientConfig>,
}

/// Longest wait for an answer; nothing that tests run is silent for so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a kernel's WebSocket goes over.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A running kernel with an open WebSocket.
pub(crate) struct Kernel {
    id: String,
    /// Requests so far: names the next one.
    requests: u32,
    socket: WebSocketStream<Box<dyn Stream>>,
}

impl Jupyter {
    /// From the JSON of `quire notebook`.
    pub(crate) fn new(notebook: &Value, trust: &Trust) -> Self {
        Self {
            url: notebook["url"].as_str().unwrap().parse().unwrap(),
            token: notebook["token"].as_str().unwrap().to_owned(),
            tls: trust.client_config(&[HTTP1]).unwrap(),
        }
    }

    /// Another port of the notebook, at the address that `quire notebook open --port` gives.
    pub(crate) fn at(&self, opened: &Value) -> Self {
        let mut url: Url = opened["url"].as_str().unwrap().parse().unwrap();
        url.set_query(None);
        Self {
            url,
            ..self.clone()
        }
    }

    fn host(&self) -> &str {
        self.url.host_str().unwrap()
    }

    /// Where that is: nobody but this test knows the name.
    fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.url.port().unwrap()).into()
    }

    async fn connect(&self) -> Box<dyn Stream> {
        let tcp = TcpStream::connect(self.address()).await.unwrap();
        if self.url.scheme() == "http" {
            return Box::new(tcp);
        }
        let name = ServerName::try_from(self.host().to_owned()).unwrap();
        let tls = TlsConnector::from(self.tls.clone());
        Box::new(tls.connect(name, tcp).await.unwrap())
    }

    fn asking(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        reqwest::Client::builder()
            .resolve(self.host(), self.address())
            .tls_backend_preconfigured((*self.tls).clone())
            .timeout(PATIENCE)
            .build()
            .unwrap()
            .request(method, self.url.join(path).unwrap())
            .header("authorization", format!("token {}", self.token))
    }

    /// Asks where nobody may be there to answer.
    pub(crate) async fn try_get(&self, path: &str) -> reqwest::Result<reqwest::Response> {
        self.asking(reqwest::Method::GET, path).send().await
    }

    /// Writes where nobody may be there to take it.
    pub(crate) async fn try_put(
        &self,
        path: &str,
        body: &Value,
    ) -> reqwest::Result<reqwest::Response> {
        self.asking(reqwest::Method::PUT, path)
            .json(body)
            .send()
            .await
    }

    pub(crate) async fn request(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<Value>,
    ) -> reqwest::Response {
        let request = self.asking(method, path);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        request.send().await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let response = self.request(reqwest::Method::GET, path, None).await;
        assert_eq!(
            response.status(),
            200,
            "{path}: {}",
            response.text().await.unwrap()
        );
        response.json().await.unwrap()
    }

    /// Starts a kernel and connects to it.
    pub(crate) async fn kernel(&self) -> Kernel {
        // The door hears of a new notebook a moment after its owner.
        let (status, told) = patiently("the door to know the notebook", || async {
            let named = Some(json!({"name": "python3"}));
            let response = self
                .request(reqwest::Method::POST, "/api/kernels", named)
                .await;
            let status = response.status();
            let told = response.text().await.unwrap();
            let is_unknown = status == 404 && told.contains("no notebook");
            (!is_unknown).then_some((status, told))
        })
        .await;
        assert_eq!(status, 201, "{told}");
        let id = serde_json::from_str::<Value>(&told).unwrap()["id"]
            .as_str()
            .unwrap()
            .to_owned();
        self.reconnect(&id).await
    }

    /// Connects to a kernel that runs already.
    pub(crate) async fn reconnect(&self, id: &str) -> Kernel {
        let mut url = self
            .url
            .join(&format!("/api/kernels/{id}/channels"))
            .unwrap();
        let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
        url.set_scheme(scheme).unwrap();
        let mut request = url.as_str().into_client_request().unwrap();
        let header = format!("token {}", self.token).parse().unwrap();
        request.headers_mut().insert("authorization", header);
        let (socket, _) = tokio_tungstenite::client_async(request, self.connect().await)
            .await
            .unwrap();
        Kernel {
            id: id.to_owned(),
            requests: 0,
            socket,
        }
    }
}

impl Kernel {
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Waits for the kernel's next word, and answers pings; `false` when the connection is over.
    pub(crate) async fn hear(&mut self) -> bool {
        matches!(self.socket.next().await, Some(Ok(_)))
    }

    /// Runs code and gives what it printed, and the error if it raised one.
    pub(crate) async fn run(&mut self, code: &str) -> Result<String, String> {
        self.requests += 1;
        let id = format!("request-{}", self.requests);
        let message = json!({
            "header": {"msg_id": id, "msg_type": "execute_request", "username": "test", "session": "test", "version": "5.3"},
            "parent_header": {}, "metadata": {}, "channel": "shell", "buffers": [],
            "content": {"code": code, "silent": false, "store_history": false, "user_expressions": {}, "allow_stdin": false}
        });
        self.socket
            .send(Message::text(message.to_string()))
            .await
            .unwrap();
        let mut printed = String::new();
        let mut failure = None;
        loop {
            let message = tokio::time::timeout(PATIENCE, self.socket.next())
                .await
                .expect("the kernel says nothing")
                .expect("the kernel went away")
                .unwrap();
            let Message::Text(text) = message else {
                continue;
            };
            let message: Value = serde_json::from_str(&text).unwrap();
            if message["parent_header"]["msg_id"] != id.as_str() {
                continue;
            }
            let content = &message["content"];
            match message["header"]["msg_type"].as_str().unwrap_or_default() {
                "stream" => printed.push_str(content["text"].as_str().unwrap_or_default()),
                "error" => failure = Some(format!("{}: {}", content["ename"], content["evalue"])),
                "status" if content["execution_state"] == "idle" => {
                    return failure.map_or(Ok(printed.trim().to_owned()), Err);
                }
                _ => {}
            }
        }
    }
}
