//! A Quire that others on the network reach: TLS of its own authority, logins that know it by its fingerprint, and nodes that
//! join with certificates.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};

use chassis::tls::Trust;
use serde_json::Value;
use testkit::wait_for;

use crate::installation::Installation;
use crate::jupyter::Jupyter;

/// What a program said where people read it.
fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn server(quire: &Installation) -> String {
    format!("https://127.0.0.1:{}", quire.gateway)
}

fn authority(quire: &Installation) -> PathBuf {
    quire.data_dir().join("authority")
}

/// The fingerprint as it is told where the authority lies.
fn fingerprint(quire: &Installation) -> String {
    let folder = authority(quire).display().to_string();
    let shown = quire.quire(&["authority", "show", &folder]);
    shown["fingerprint"].as_str().unwrap().to_owned()
}

/// Another fingerprint, which differs in its last digit.
fn another(fingerprint: &str) -> String {
    let last = if fingerprint.ends_with('0') { "1" } else { "0" };
    format!("{}{last}", &fingerprint[..fingerprint.len() - 1])
}

#[tokio::test(flavor = "multi_thread")]
async fn others_log_in_by_the_fingerprint() {
    let quire = Installation::start_with_tls();
    let (server, expected) = (server(&quire), fingerprint(&quire));
    let asked = quire.quire(&["authority", "show", "--server", &server]);
    assert_eq!(asked["fingerprint"], expected.as_str());

    // Somebody on another machine, who trusts nobody here yet.
    let other = quire.profile("other");
    let key = quire.quire(&["api-key", "create", "other"])["key"]
        .as_str()
        .unwrap()
        .to_owned();
    let login = ["login", "--server", &server, "--api-key", &key];
    let unknown = quire.quire_as(&other, &login);
    let accept = format!("quire login --server {server} --fingerprint {expected}");
    assert!(
        !unknown.status.success() && said(&unknown).contains(&accept),
        "{}",
        said(&unknown)
    );
    assert!(!said(&unknown).contains(&key));

    let wrong = another(&expected);
    let refused = quire.quire_as(&other, &[&login[..], &["--fingerprint", &wrong]].concat());
    let text = said(&refused);
    assert!(
        !refused.status.success() && text.contains(&wrong) && text.contains(&expected),
        "{text}"
    );
    assert!(!other.exists(), "nothing was kept of a login that failed");

    let right = quire.quire_as(
        &other,
        &[&login[..], &["--fingerprint", &expected]].concat(),
    );
    assert!(right.status.success(), "{}", said(&right));
    let whoami = quire.quire_as(&other, &["whoami"]);
    assert!(whoami.status.success(), "{}", said(&whoami));
    // The same server again needs no fingerprint.
    let again = quire.quire_as(&other, &login);
    assert!(again.status.success(), "{}", said(&again));

    // Who does not speak TLS is not answered.
    let clear = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://127.0.0.1:{}/v1/health", quire.gateway);
    let clear = clear.get(url).send().await;
    assert!(clear.is_err(), "{clear:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn notebooks_are_reached_by_tls() {
    let quire = Installation::start_with_tls();
    let created = quire.quire(&["notebook", "create", "--name", "first"]);
    let id = created["id"].as_str().unwrap();
    let url = format!("https://{id}.quire.localhost:{}/", quire.edge);
    assert_eq!(created["url"], url.as_str());
    let trust = Trust::from_file(Some(&authority(&quire).join("authority.pem"))).unwrap();
    let jupyter = Jupyter::new(&created, &trust);
    assert!(jupyter.get("/api/status").await["kernels"].is_number());
    let mut kernel = jupyter.kernel().await;
    assert_eq!(kernel.run("print(6 * 7)").await, Ok("42".to_owned()));
    let logs = quire.try_quire(&["notebook", "logs", "first"]);
    assert!(
        logs.status.success() && !logs.stdout.is_empty(),
        "{}",
        said(&logs)
    );
}

/// An agent as on another machine: a data folder and a name of its own; it ends with this value.
struct Agent {
    child: Child,
    log: PathBuf,
}

impl Agent {
    fn start(quire: &Installation, folder: &Path, token: &str) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let log = folder.join("log");
        let written = std::fs::File::create(&log).unwrap();
        let child = quire
            .command()
            .env("QUIRE_DATA_DIR", folder)
            .env("QUIRE_JOIN_TOKEN", token)
            .args(["agent", "--server", &server(quire), "--name", "second"])
            .args(["--workload-network", "10.233.0.0/16"])
            .stdout(written.try_clone().unwrap())
            .stderr(written)
            .spawn()
            .unwrap();
        Self { child, log }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it ends by itself, and gives what it said.
    fn refusal(mut self) -> String {
        let ended = wait_for("the agent's end", || self.child.try_wait().unwrap());
        assert!(!ended.success());
        self.said()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        // Asked to stop, it leaves nothing on the machine.
        let id = self.child.id().to_string();
        let asked = Command::new("kill").arg(id).status();
        if !asked.is_ok_and(|asked| asked.success()) {
            self.child.kill().ok();
        }
        self.child.wait().ok();
    }
}

#[test]
fn a_second_machine_joins_with_a_certificate() {
    let quire = Installation::start_with_tls();
    let printed = quire.try_quire(&["node", "join-token"]);
    let token = String::from_utf8(printed.stdout.clone())
        .unwrap()
        .trim()
        .to_owned();
    let command = format!("quire agent --server {} --token {token}", server(&quire));
    assert!(said(&printed).contains(&command), "{}", said(&printed));
    let (secret, found) = token.split_once('.').unwrap();
    assert_eq!(found, fingerprint(&quire));

    // A token with another fingerprint: the server is not even asked to let it in.
    let folder = |name: &str| quire.data_dir().with_file_name(name);
    let wrong = another(found);
    let text = Agent::start(&quire, &folder("x"), &format!("{secret}.{wrong}")).refusal();
    assert!(
        text.contains("is not trusted") && text.contains(&wrong) && text.contains(found),
        "{text}"
    );

    let agent = Agent::start(&quire, &folder("b"), &token);
    wait_for("the second node", || {
        let nodes = quire.quire(&["node", "list"]);
        let ready = |node: &Value| node["name"] == "second" && node["liveness"] == "ready";
        nodes.as_array().unwrap().iter().any(ready).then_some(())
    });
    for name in ["key.pem", "certificate.pem", "authority.pem"] {
        assert!(
            folder("b").join("agent/tls").join(name).is_file(),
            "{name}: {}",
            agent.said()
        );
    }
    let text = Agent::start(&quire, &folder("c"), &token).refusal();
    assert!(text.contains("already used"), "{text}");

    // It stays who it is, without a token.
    drop(agent);
    let again = Agent::start(&quire, &folder("b"), "");
    wait_for("the second node's return", || {
        again
            .said()
            .contains("this machine is a node now")
            .then_some(())
    });
}

/// The edge cannot see the second agent's socket: it goes over the connection that the agent keeps to it.
#[tokio::test(flavor = "multi_thread")]
async fn a_notebook_of_a_second_machine_is_reached_over_the_network() {
    let quire = Installation::start_with_tls();
    let token = quire.quire(&["node", "join-token"])["token"].clone();
    let folder = quire.data_dir().with_file_name("b");
    let agent = Agent::start(&quire, &folder, token.as_str().unwrap());
    let first = wait_for("the second node", || {
        let nodes = quire.quire(&["node", "list"]);
        let (second, first): (Vec<&Value>, Vec<&Value>) = nodes
            .as_array()?
            .iter()
            .partition(|node| node["name"] == "second");
        (second.first()?["liveness"] == "ready").then_some(())?;
        Some(first.first()?["name"].as_str()?.to_owned())
    });
    quire.quire(&["node", "cordon", &first]);
    let created = quire.quire(&["notebook", "create", "--name", "far"]);
    let runs = std::fs::read_dir(folder.join("agent/attempts")).unwrap();
    assert_eq!(runs.count(), 1, "{}", agent.said());

    let pem = std::fs::read(authority(&quire).join("authority.pem")).unwrap();
    let jupyter = Jupyter::new(&created, &Trust::from_pem(&pem).unwrap());
    assert!(jupyter.get("/api/status").await["kernels"].is_number());
    let mut kernel = jupyter.kernel().await;
    assert_eq!(kernel.run("print(6 * 7)").await, Ok("42".to_owned()));
    let logs = quire.try_quire(&["notebook", "logs", "far"]);
    assert!(logs.status.success() && !logs.stdout.is_empty());
    // So are its files, in both directions.
    let (there, back) = (folder.join("there"), folder.join("back"));
    std::fs::write(&there, vec![7; 1_000_000]).unwrap();
    let (sent, fetched) = (there.display().to_string(), back.display().to_string());
    quire.quire(&["notebook", "cp", &sent, "far:data/there"]);
    quire.quire(&["notebook", "cp", "far:data/there", &fetched]);
    assert_eq!(std::fs::read(back).unwrap(), vec![7; 1_000_000]);

    // The agent may go and come back: what it runs stays, and is reached again.
    drop(agent);
    let _again = Agent::start(&quire, &folder, "");
    testkit::eventually("the notebook again", || async {
        let answer = jupyter.try_get("/api/status").await.ok()?;
        (answer.status() == 200).then_some(())
    })
    .await;
    quire.quire(&["notebook", "stop", "far"]);
}
