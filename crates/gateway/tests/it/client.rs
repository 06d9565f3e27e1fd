//! A caller of the gateway.

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tonic::transport::Channel;

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// The body of a success.
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        self.body
    }

    /// Checks that this is a failure of exactly the agreed shape, and gives its message.
    pub(crate) fn failed(&self, status: u16, code: &str) -> String {
        assert_eq!(
            (self.status, self.body["code"].as_str()),
            (status, Some(code)),
            "{self:?}"
        );
        let keys: Vec<&String> = self.body.as_object().unwrap().keys().collect();
        let of_the_request = [
            "BAD_REQUEST",
            "PARSE_ERROR",
            "PAYLOAD_TOO_LARGE",
            "UNSUPPORTED_MEDIA_TYPE",
        ];
        if of_the_request.contains(&code) {
            assert_eq!(keys, ["code", "issues", "message"], "{self:?}");
            assert_eq!(self.body["issues"][0]["message"], self.body["message"]);
        } else {
            assert_eq!(keys, ["code", "message"], "{self:?}");
        }
        self.body["message"].as_str().unwrap().to_owned()
    }
}

/// A caller of the gateway.
#[derive(Clone)]
pub(crate) struct Client {
    base: String,
    http1: HttpClient<HttpConnector, Full<Bytes>>,
    http2: HttpClient<HttpConnector, Full<Bytes>>,
}

impl Client {
    pub(crate) fn new(base: String) -> Self {
        let builder = |http2| {
            HttpClient::builder(TokioExecutor::new())
                .http2_only(http2)
                .build_http()
        };
        Self {
            base,
            http1: builder(false),
            http2: builder(true),
        }
    }

    /// A request with a bearer key (empty = none) and a body (empty = none) over HTTP/1.1.
    pub(crate) async fn send(&self, method: &str, path: &str, key: &str, body: &str) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base));
        if !key.is_empty() {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        self.raw(request.body(Full::from(body.to_owned())).unwrap(), false)
            .await
    }

    pub(crate) async fn get(&self, path: &str, key: &str) -> Answer {
        self.send("GET", path, key, "").await
    }

    pub(crate) async fn post(&self, path: &str, key: &str, body: &str) -> Answer {
        self.send("POST", path, key, body).await
    }

    /// A request as it is, over HTTP/1.1 or over HTTP/2 with prior knowledge.
    pub(crate) async fn raw(&self, request: Request<Full<Bytes>>, http2: bool) -> Answer {
        let client = if http2 { &self.http2 } else { &self.http1 };
        let (parts, body) = client.request(request).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        }
    }

    /// Where `path` is.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// A gRPC channel on a connection of its own.
    pub(crate) async fn channel(&self) -> Channel {
        Channel::from_shared(self.base.clone())
            .unwrap()
            .connect()
            .await
            .unwrap()
    }
}

/// A gRPC request with a bearer key.
pub(crate) fn with_key<T>(message: T, key: &str) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request
        .metadata_mut()
        .insert("authorization", format!("Bearer {key}").parse().unwrap());
    request
}
