//! What people start inside a notebook and look at from outside, by its ports or by a command of their own.

use std::io::Write as _;
use std::process::Stdio;

use crate::installation::Installation;

/// A web server as many programs bring one: it listens on the notebook's loopback.
const SERVER: &str = "import subprocess, sys\n\
    open('hello.txt', 'w').write('from inside')\n\
    server = subprocess.Popen([sys.executable, '-m', 'http.server', '6006', '--bind', '127.0.0.1'])";

#[tokio::test(flavor = "multi_thread")]
async fn a_port_of_a_notebook_has_an_address_of_its_own() {
    let quire = Installation::start();
    let made = quire.quire(&["notebook", "create", "--name", "first"]);
    let jupyter = quire.jupyter(&made);
    let opened = quire.quire(&["notebook", "open", "first", "--port", "6006"]);
    let port = jupyter.at(&opened);
    let early = port.try_get("/hello.txt").await.unwrap();
    assert_eq!(early.status(), 502);
    let early = early.text().await.unwrap();
    assert!(early.contains("nothing answers on port 6006"), "{early}");

    let mut kernel = jupyter.kernel().await;
    assert_eq!(kernel.run(SERVER).await, Ok(String::new()));
    let seen = testkit::eventually("the server inside", || async {
        let answer = port.try_get("/hello.txt").await.unwrap();
        let found = answer.status().is_success();
        found.then_some(answer)
    })
    .await;
    assert_eq!(seen.text().await.unwrap(), "from inside");
    a_command_runs_beside_it(&quire);
    its_use_is_measured(&quire);
    // The same port of the host is another's.
    let gateway = quire.gateway.to_string();
    let opened = quire.quire(&["notebook", "open", "first", "--port", &gateway]);
    let answer = jupyter.at(&opened).try_get("/v1/openapi.json").await;
    assert_eq!(answer.unwrap().status(), 502);
}

/// `quire notebook exec`: streams, packages and exit code.
fn a_command_runs_beside_it(quire: &Installation) {
    let code = "import jupyterlab, os, sys\n\
        print(os.getcwd(), open('hello.txt').read(), sys.stdin.read())\n\
        sys.exit('and out')";
    let exec = ["notebook", "exec", "first", "--", "python", "-c", code];
    let mut child = quire
        .command()
        .args(exec)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"in").unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{complained}");
    assert_eq!(said, "/notebooks from inside in\n");
    assert_eq!(complained, "and out\n");
}

fn its_use_is_measured(quire: &Installation) {
    let used = quire.quire(&["notebook", "metrics", "first", "--once"]);
    let memory = used["memoryBytes"].as_u64().unwrap();
    assert!(memory > 10 << 20, "a Jupyter server is there: {used}");
    assert!(
        memory < used["memoryLimitBytes"].as_u64().unwrap(),
        "{used}"
    );
    let cores = used["cores"].as_f64().unwrap();
    assert!(
        cores <= used["coresLimit"].as_f64().unwrap() + 0.5,
        "{used}"
    );
}
