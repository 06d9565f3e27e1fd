//! A notebook as the "existing Jupyter server" of somebody's own: a real Jupyter server on another machine, with nothing but the
//! notebook's URL and token, runs its kernels there, as editors do (Jupyter's gateway protocol).

use std::path::Path;
use std::process::{Child, Command, Stdio};

use chassis::tls::Trust;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{eventually, free_port};

use crate::installation::{Installation, package_cache};
use crate::jupyter::Jupyter;

/// Names below "localhost" are this machine (RFC 6761, 6.3), also where its resolver does not know them.
const RESOLVER: &str = "\
import socket
known = socket.getaddrinfo
def getaddrinfo(host, *args, **kwargs):
    name = host.decode() if isinstance(host, bytes) else host
    return known('127.0.0.1' if name and name.endswith('.localhost') else host, *args, **kwargs)
socket.getaddrinfo = getaddrinfo
";

/// What opens the server of one's own.
const OWN_TOKEN: &str = "own";

/// The server of one's own; it is ended with this value.
struct Server {
    child: Child,
    jupyter: Jupyter,
}

impl Server {
    fn start(folder: &Path, notebook: &Value) -> Self {
        std::fs::write(folder.join("sitecustomize.py"), RESOLVER).unwrap();
        let port = free_port();
        let url = notebook["url"].as_str().unwrap().trim_end_matches('/');
        let child = Command::new("uv")
            .args([
                "run",
                "--quiet",
                "--no-project",
                "--with",
                "jupyter-server>=2",
            ])
            .args(["jupyter", "server", "--no-browser", "--allow-root"])
            .args(["--ip=127.0.0.1", "--ServerApp.port_retries=0"])
            .arg(format!("--port={port}"))
            .arg(format!("--IdentityProvider.token={OWN_TOKEN}"))
            .arg(format!("--gateway-url={url}"))
            .env(
                "JUPYTER_GATEWAY_AUTH_TOKEN",
                notebook["token"].as_str().unwrap(),
            )
            .env("UV_CACHE_DIR", package_cache())
            .env("PYTHONPATH", folder)
            .env("HOME", folder)
            .current_dir(folder)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let here = json!({"url": format!("http://127.0.0.1:{port}/"), "token": OWN_TOKEN});
        Self {
            child,
            jupyter: Jupyter::new(&here, &Trust::public()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // `uv` stays in front of it and passes this on.
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_elsewhere_runs_its_kernels_in_a_notebook() {
    let quire = Installation::shared();
    let made = quire.quire(&["notebook", "create", "--name", "remote"]);
    let notebook = quire.jupyter(&made);
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &made);
    let own = &server.jupyter;
    eventually("a server of one's own", || async {
        let answer = own.try_get("/api/status").await.ok()?;
        answer.status().is_success().then_some(())
    })
    .await;
    let specs = own.get("/api/kernelspecs").await;
    assert_eq!(specs["default"], "python3", "the notebook's: {specs}");

    // Start and execute: there, not here.
    let mut kernel = own.kernel().await;
    let id = kernel.id().to_owned();
    let there = notebook.get("/api/kernels").await;
    assert_eq!(there[0]["id"], id.as_str(), "{there}");
    let look = "import os; x = 1; print(os.getcwd(), os.environ['QUIRE_HTTP_SOCKET'])";
    assert_eq!(
        kernel.run(look).await,
        Ok("/notebooks /run/quire/http.sock".to_owned())
    );

    // Interrupt.
    let path = format!("/api/kernels/{id}");
    let sleeping = kernel.run("import time; time.sleep(600)");
    let interrupting = async {
        eventually("a busy kernel", || async {
            let kernel = notebook.get(&path).await;
            (kernel["execution_state"] == "busy").then_some(())
        })
        .await;
        let interrupt = format!("{path}/interrupt");
        let asked = own.request(Method::POST, &interrupt, None);
        assert_eq!(asked.await.status(), 204);
    };
    let (slept, ()) = tokio::join!(sleeping, interrupting);
    assert!(slept.unwrap_err().contains("KeyboardInterrupt"));
    assert_eq!(kernel.run("print(x)").await, Ok("1".to_owned()));

    // Restart: the same kernel, with nothing in it.
    let restart = format!("{path}/restart");
    let asked = own.request(Method::POST, &restart, None);
    assert_eq!(asked.await.status(), 200);
    let mut kernel = own.reconnect(&id).await;
    let left = kernel.run("print('x' in globals())").await;
    assert_eq!(left, Ok("False".to_owned()));

    // Shut down.
    let asked = own.request(Method::DELETE, &path, None);
    assert_eq!(asked.await.status(), 204);
    assert_eq!(notebook.get("/api/kernels").await, json!([]));

    // With another token the server of one's own comes in no more.
    quire.quire(&["notebook", "token", "remote", "--rotate"]);
    let refused = own.request(
        Method::POST,
        "/api/kernels",
        Some(json!({"name": "python3"})),
    );
    let refused = refused.await.status();
    assert!(
        refused.is_client_error() || refused.is_server_error(),
        "{refused}"
    );
    drop(server);
    quire.quire(&["notebook", "delete", "remote", "--yes"]);
}
