//! What edges ask the agent.

use std::os::unix::fs::PermissionsExt as _;

use contracts::agent::v1::Assignment;
use contracts::scheduler::v1::AttemptEnd;
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use serde_json::Value;

use crate::node::{Node, get, job, script, spec};

/// A web server on the workload's socket that asks for the token.
const SERVER: &str = r#"
import os, socketserver
from http.server import BaseHTTPRequestHandler
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        known = self.headers.get("authorization") == "token " + os.environ["QUIRE_HTTP_TOKEN"]
        self.send_response(200 if known else 403)
        self.end_headers()
        self.wfile.write(b"hello" if known else b"who are you")
    def address_string(self):
        return "edge"
print("serving", flush=True)
socketserver.UnixStreamServer(os.environ["QUIRE_HTTP_SOCKET"], Handler).serve_forever()
"#;

pub(crate) fn server() -> Assignment {
    let mut server = job(&["python3", "-c", SERVER]);
    spec(&mut server).ready_path = "/".to_owned();
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_workload_is_found_and_answers_with_its_token_only() {
    let node = Node::start().await;
    let server = server();
    node.control.assign(&server).await;
    node.control.running(&server).await;
    let path = |generation| format!("/v1/workloads/{}/{generation}/upstream", server.workload_id);
    let (status, body) = node.ask(&path(1)).await;
    assert_eq!(status, 200, "{body}");
    let upstream: Value = serde_json::from_str(&body).unwrap();
    let (socket, token) = (
        upstream["socket"].as_str().unwrap(),
        upstream["token"].as_str().unwrap(),
    );
    assert_eq!(
        get(socket.as_ref(), "/x", token).await,
        Some((200, "hello".to_owned()))
    );
    assert_eq!(
        get(socket.as_ref(), "/x", "wrong").await,
        Some((403, "who are you".to_owned()))
    );

    for missing in [
        path(2),
        "/v1/workloads/wo-none/1/upstream".to_owned(),
        "/v1/workloads/wo-none/1/logs".to_owned(),
    ] {
        let (status, body) = node.ask(&missing).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            (status, &body["code"]),
            (404, &Value::from("NOT_FOUND")),
            "{missing}"
        );
        assert!(
            body["message"].as_str().unwrap().contains("not found"),
            "{body}"
        );
    }
    node.control.stop(&server, "user").await;
    node.control.ended(&server).await;
    assert_eq!(node.ask(&path(1)).await.0, 404);
    let relay = node
        .config
        .relay_dir
        .join(format!("{}.sock", node.control.node));
    assert_eq!(
        std::fs::metadata(relay).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_read_from_their_end_and_followed_to_theirs() {
    let node = Node::start().await;
    let talks = script("for i in 1 2 3 4 5; do echo line $i; done; sleep 1000");
    let path = format!("/v1/workloads/{}/1/logs", talks.workload_id);
    node.control.assign(&talks).await;
    crate::node::logged(&node, &talks, "line 5").await;
    assert_eq!(
        node.ask(&format!("{path}?tail=2")).await,
        (200, "line 4\nline 5\n".to_owned())
    );

    let socket = node
        .config
        .relay_dir
        .join(format!("{}.sock", node.control.node));
    let stream = tokio::net::UnixStream::connect(socket).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = http::Request::get(format!("{path}?tail=1&follow=true"))
        .header("host", "localhost")
        .body(http_body_util::Empty::<bytes::Bytes>::new())
        .unwrap();
    let mut body = sender.send_request(request).await.unwrap().into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first, "line 5\n");
    node.control.stop(&talks, "user").await;
    assert_eq!(node.control.ended(&talks).await.end(), AttemptEnd::Stopped);
    let rest = tokio::time::timeout(std::time::Duration::from_secs(10), body.collect()).await;
    assert_eq!(
        rest.expect("following ends with the workload")
            .unwrap()
            .to_bytes(),
        ""
    );
    assert_eq!(
        node.ask(&format!("{path}?tail=1")).await,
        (200, "line 5\n".to_owned())
    );
}
