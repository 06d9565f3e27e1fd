//! Nodes on hosts of their own, each a network namespace with a cable to this machine: one is cut off, then back, or given up.

use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use chassis::tls::Trust;
use serde_json::{Value, json};
use testkit::wait_for;

use crate::host::{Host, Switch};
use crate::installation::{Installation, package_cache, program};
use crate::jupyter::Jupyter;
use crate::life::{Begun, Run};
use crate::rest::patiently;

/// How often a host reports what goes on running.
const REPORTS: Duration = Duration::from_secs(10);

/// A node on a host of its own; its agent ends with this value.
struct Node {
    agent: Child,
    folder: PathBuf,
}

impl Node {
    fn join(quire: &Installation, host: &Host<'_>, server: &str, name: &str) -> Self {
        let token = quire.quire(&["node", "join-token"])["token"].clone();
        let folder = quire.data_dir().with_file_name(name);
        std::fs::create_dir_all(&folder).unwrap();
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let agent = host
            .door()
            .arg(program("quire"))
            .args(["agent", "--server", server, "--name", name])
            .args(["--cpu-overcommit", "4"])
            .env("QUIRE_DATA_DIR", &folder)
            .env("QUIRE_JOIN_TOKEN", token.as_str().unwrap())
            .env("UV_CACHE_DIR", package_cache())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let node = Self { agent, folder };
        wait_for("the node", || {
            (liveness(quire, name)? == "ready").then_some(())
        });
        node
    }

    /// The processes of workloads that run there.
    fn workloads(&self) -> Vec<String> {
        let attempts: Vec<String> = names(&self.folder.join("agent/attempts"));
        let mut processes = names(Path::new("/proc"));
        processes.retain(|process| {
            let command = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command);
            attempts.iter().any(|attempt| command.contains(attempt))
        });
        processes
    }

    /// Whether any process of a workload runs there.
    fn works(&self) -> bool {
        !self.workloads().is_empty()
    }

    /// Asks the agent to end, which takes its rules and networks off the host.
    fn end(&mut self) {
        if matches!(self.agent.try_wait(), Ok(None)) {
            let id = self.agent.id().to_string();
            std::process::Command::new("kill").arg(id).status().ok();
            self.agent.wait().ok();
        }
        // What a test that failed left there would go on for ever.
        for process in self.workloads() {
            let mut kill = std::process::Command::new("kill");
            kill.args(["-9", &process]).status().ok();
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.end();
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

fn liveness(quire: &Installation, name: &str) -> Option<String> {
    let output = quire.try_quire(&["node", "list", "--output", "json"]);
    let nodes: Vec<Value> = serde_json::from_slice(&output.stdout).ok()?;
    let node = nodes.into_iter().find(|node| node["name"] == name)?;
    Some(node["liveness"].as_str()?.to_owned())
}

fn wait_until(quire: &Installation, name: &str, wanted: &str) {
    wait_for(&format!("{name} to be {wanted}"), || {
        (liveness(quire, name)? == wanted).then_some(())
    });
}

/// A notebook on the one node that is open.
fn create(quire: &Installation, name: &str) -> (Value, Begun) {
    let asked = Instant::now();
    let created = quire.quire(&["notebook", "create", "--name", name]);
    (created, Begun::now(asked))
}

fn jupyter(quire: &Installation, created: &Value) -> Jupyter {
    let authority = quire.data_dir().join("authority/authority.pem");
    Jupyter::new(created, &Trust::from_file(Some(&authority)).unwrap())
}

async fn answers(jupyter: &Jupyter) {
    patiently("the notebook", || async {
        let answer = jupyter.try_get("/api/status").await.ok()?;
        (answer.status() == 200).then_some(())
    })
    .await;
}

fn work_on(quire: &Installation, node: &str) -> Vec<Value> {
    let shown = quire.quire(&["node", "show", node]);
    shown["work"].as_array().unwrap().clone()
}

/// Each notebook has run once, and is billed for no more and no less than was seen; the audit finds nothing.
fn billed(quire: &Installation, runs: &[(&Value, Run)]) {
    let lines = wait_for("the usage of all runs", || {
        let usage = quire.quire(&["usage"]);
        let lines = usage["lines"].as_array()?.clone();
        let over = lines.iter().all(|line| line["running"] == false);
        (over && lines.len() == runs.len()).then_some(lines)
    });
    for (notebook, run) in runs {
        let mut own = lines
            .iter()
            .filter(|line| line["resourceId"] == notebook["id"]);
        let line = own.next().unwrap();
        assert!(own.next().is_none(), "{lines:?}");
        let (least, most) = run.bounds();
        let billed = line["milliseconds"].as_i64().unwrap();
        assert!(
            (least..=most).contains(&billed),
            "{least} <= {billed} <= {most}"
        );
    }
    assert_eq!(quire.quire(&["audit"])["differences"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_cut_off_serves_on_and_comes_back() {
    let switch = Switch::new();
    let (north, south) = (switch.host(2), switch.host(3));
    let quire = Installation::start_for_hosts(switch.address());
    let server = format!("https://{}:{}", switch.address(), quire.gateway);
    let near = quire.quire(&["node", "list"])[0]["name"].clone();
    quire.quire(&["node", "cordon", near.as_str().unwrap()]);
    let _north = Node::join(&quire, &north, &server, "north");
    let (here, begun_here) = create(&quire, "here");
    let _south = Node::join(&quire, &south, &server, "south");
    quire.quire(&["node", "cordon", "north"]);
    let (there, begun_there) = create(&quire, "there");
    quire.quire(&["node", "uncordon", "north"]);
    let (here_jupyter, there_jupyter) = (jupyter(&quire, &here), jupyter(&quire, &there));
    let mut kernel = there_jupyter.kernel().await;
    assert_eq!(kernel.run("memory = 'kept'").await, Ok(String::new()));
    let before = work_on(&quire, "south");
    assert_eq!(before[0]["ownerId"], there["id"]);

    south.unplug();
    wait_until(&quire, "south", "silent");
    let why = String::from_utf8(quire.try_quire(&["why", "there"]).stdout).unwrap();
    assert!(why.contains("its node does not answer"), "{why}");
    let shown = quire.quire(&["notebook", "show", "there"]);
    assert_eq!(shown["state"], "Running", "{shown}");
    assert_eq!(work_on(&quire, "south"), before, "it is not moved");
    // The other one does not notice, and takes what is new.
    answers(&here_jupyter).await;
    let (new, begun_new) = create(&quire, "new");
    assert_eq!(work_on(&quire, "north").len(), 2);

    south.plug_in();
    wait_until(&quire, "south", "ready");
    answers(&there_jupyter).await;
    let mut kernel = there_jupyter.reconnect(kernel.id()).await;
    assert_eq!(kernel.run("print(memory)").await, Ok("kept".to_owned()));
    assert_eq!(work_on(&quire, "south"), before, "it came back as it was");

    let mut runs = Vec::new();
    for (notebook, begun) in [
        (&here, begun_here),
        (&there, begun_there),
        (&new, begun_new),
    ] {
        let stopping = Instant::now();
        quire.quire(&["notebook", "stop", notebook["id"].as_str().unwrap()]);
        runs.push((notebook, begun.ended(stopping)));
    }
    billed(&quire, &runs);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_given_up_is_over_and_stops_what_it_runs() {
    let switch = Switch::new();
    let host = switch.host(2);
    let quire = Installation::start_for_hosts(switch.address());
    let server = format!("https://{}:{}", switch.address(), quire.gateway);
    let near = quire.quire(&["node", "list"])[0]["name"].clone();
    quire.quire(&["node", "cordon", near.as_str().unwrap()]);
    let lost = Node::join(&quire, &host, &server, "lost");
    let (notebook, begun) = create(&quire, "mine");
    answers(&jupyter(&quire, &notebook)).await;

    wait_for("a report after the first", || {
        let usage = quire.quire(&["usage"]);
        let ran = usage["lines"][0]["milliseconds"].as_u64()?;
        (u128::from(ran) > REPORTS.as_millis() + 1_000).then_some(())
    });
    // What the host has not reported by then will never be heard of, and costs nothing.
    let reported = Instant::now() - REPORTS;
    host.unplug();
    wait_until(&quire, "lost", "silent");
    let run = begun.ended(reported);
    quire.quire(&["node", "give-up", "lost", "--yes"]);
    let over = wait_for("its end", || {
        let shown = quire.quire(&["notebook", "show", "mine"]);
        (shown["state"] == "Error").then_some(shown)
    });
    let reason = over["reason"].as_str().unwrap();
    assert!(reason.contains("given up"), "{reason}");
    assert!(lost.works(), "nobody could tell the host yet");
    billed(&quire, &[(&notebook, run)]);

    host.plug_in();
    patiently("the host to stop what it runs", || async {
        (!lost.works()).then_some(())
    })
    .await;
    assert_eq!(liveness(&quire, "lost").as_deref(), Some("given up"));
}
