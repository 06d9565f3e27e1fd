//! A visitor.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::pin::Pin;

use axum::body::Bytes;
use bus::Route;
use chassis::tls::{HTTP1, Trust};
use futures::Stream;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite;

use crate::house::{House, TOKEN};

pub(crate) type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// A connection, with TLS or without.
pub(crate) trait Connected: AsyncRead + AsyncWrite + Debug + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Debug + Send + Unpin> Connected for T {}

/// Somebody who visits one notebook, with the token in the header unless told otherwise.
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    pub(crate) host: String,
    trust: Option<Trust>,
    headers: Vec<(&'static str, String)>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl House {
    pub(crate) fn client(&self, route: &Route) -> Client {
        self.stranger(route)
            .with("authorization", &format!("token {TOKEN}"))
    }

    /// A client without a token.
    pub(crate) fn stranger(&self, route: &Route) -> Client {
        let domain = &self.config.domain;
        Client {
            address: self.address,
            host: format!("{}.{domain}:{}", route.id, self.address.port()),
            trust: self.trust.clone(),
            headers: Vec::new(),
        }
    }
}

impl Client {
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path).await
    }

    pub(crate) async fn ask(&self, method: &str, path: &str) -> Answer {
        read(self.send(method, path, whole("")).await.unwrap()).await
    }

    /// A connection of its own, for `protocol` where there is TLS.
    pub(crate) async fn connect(&self, protocol: &[u8]) -> Box<dyn Connected> {
        let tcp = TcpStream::connect(self.address).await.unwrap();
        let Some(trust) = &self.trust else {
            return Box::new(tcp);
        };
        let (host, _) = self.host.split_once(':').unwrap();
        let tls = TlsConnector::from(trust.client_config(&[protocol]).unwrap());
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let stream = tls.connect(name, tcp).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol));
        Box::new(stream)
    }

    /// Sends a request on a connection of its own; the answer's body comes as it comes.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        body: Body,
    ) -> hyper::Result<Response<Incoming>> {
        let stream = self.connect(HTTP1).await;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        sender.send_request(self.request(method, path, body)).await
    }

    pub(crate) fn request(&self, method: &str, path: &str, body: Body) -> Request<Body> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.host);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        request.body(body).unwrap()
    }

    pub(crate) async fn websocket(
        &self,
        path: &str,
    ) -> tungstenite::Result<WebSocketStream<Box<dyn Connected>>> {
        use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
        let mut request = format!("ws://{}{path}", self.host).into_client_request()?;
        for (name, value) in &self.headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let stream = self.connect(HTTP1).await;
        Ok(tokio_tungstenite::client_async(request, stream).await?.0)
    }
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(|value| value.to_str().unwrap())
            .unwrap_or_default()
    }

    /// Header that the notebook was sent, as `/seen` tells it.
    pub(crate) fn sent(&self, name: &str) -> Option<String> {
        let headers: Vec<(String, String)> =
            serde_json::from_value(self.json()["headers"].clone()).unwrap();
        let mut found = headers
            .into_iter()
            .filter(|(found, _)| found == name)
            .map(|(_, value)| value);
        let first = found.next();
        assert_eq!(found.next(), None, "{name} came twice");
        first
    }
}

pub(crate) fn whole(text: impl Into<Bytes>) -> Body {
    Full::new(text.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

pub(crate) fn chunks(chunks: impl Stream<Item = Bytes> + Send + 'static) -> Body {
    use futures::StreamExt as _;
    let frames: Pin<Box<dyn Stream<Item = _> + Send>> =
        Box::pin(chunks.map(|chunk| Ok(Frame::data(chunk))));
    StreamBody::new(frames).boxed_unsync()
}

pub(crate) async fn read(response: Response<Incoming>) -> Answer {
    let (parts, body) = response.into_parts();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: body.collect().await.unwrap().to_bytes(),
    }
}
