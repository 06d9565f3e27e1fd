//! Other ports of a workload are reached in its own network, and nothing of the host's.

use std::net::TcpListener;

use contracts::agent::v1::Assignment;
use http_body_util::Empty;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use crate::edge::{Edge, ask};
use crate::node::{Node, is_root, job, skip, spec};

/// A web server on the workload's socket, and others on its loopback: on 8001 for IPv4, on 8002 for IPv6.
const SERVERS: &str = r#"
import os, socket, socketserver, threading
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(self.server.server_address[1:2]).encode())
    def address_string(self):
        return "edge"
class HTTPServer6(HTTPServer):
    address_family = socket.AF_INET6
for kind, address in [(HTTPServer, ("127.0.0.1", 8001)), (HTTPServer6, ("::1", 8002))]:
    threading.Thread(target=kind(address, Handler).serve_forever, daemon=True).start()
socketserver.UnixStreamServer(os.environ["QUIRE_HTTP_SOCKET"], Handler).serve_forever()
"#;

/// A stream as an edge on the agent's host gets it; the status and why not, else.
async fn upgraded(node: &Node, server: &Assignment, port: u16) -> Result<Upgraded, u16> {
    let relay = &node.config.relay_dir;
    let relay = relay.join(format!("{}.sock", node.control.node));
    let stream = UnixStream::connect(relay).await.unwrap();
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection.with_upgrades());
    let path = format!("/v1/workloads/{}/1/ports/{port}", server.workload_id);
    let request = http::Request::get(path)
        .header("host", "relay")
        .header("connection", "upgrade")
        .header("upgrade", "quire-stream")
        .body(Empty::<bytes::Bytes>::new())
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    match answer.status().as_u16() {
        101 => Ok(hyper::upgrade::on(answer).await.unwrap()),
        status => Err(status),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_listens_inside_is_reached_and_what_listens_outside_is_not() {
    if !is_root() {
        return skip("only root can make networks");
    }
    let node = Node::start().await;
    let mut edge = Edge::start(node.control.identity.authority()).await;
    node.control.list_edges(vec![edge.listed()]);
    let agent = edge.dialled().await;
    let mut server = job(&["python3", "-c", SERVERS]);
    spec(&mut server).ready_path = "/".to_owned();
    node.control.assign(&server).await;
    node.control.running(&server).await;

    for port in [8001, 8002] {
        let expected = (200, format!("({port},)"));
        let name = format!("{port}.{}:1", server.workload_id);
        let stream = agent.connect(&name).await.unwrap();
        assert_eq!(ask(stream, "/", "").await, expected);
        let stream = upgraded(&node, &server, port).await.unwrap();
        assert_eq!(ask(stream, "/", "").await, expected);
    }
    let outside = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = outside.local_addr().unwrap().port();
    let name = format!("{port}.{}:1", server.workload_id);
    let (status, body) = agent.connect(&name).await.unwrap_err();
    assert_eq!(status, 502, "{body}");
    assert!(
        body.contains(&format!("nothing answers on port {port} of it")),
        "{body}"
    );
    assert_eq!(upgraded(&node, &server, port).await.unwrap_err(), 502);

    node.control.stop(&server, "user").await;
    node.control.ended(&server).await;
    assert_eq!(upgraded(&node, &server, 8001).await.unwrap_err(), 404);
}
