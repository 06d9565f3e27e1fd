//! Machines that allow less: the agent does what it can, and says what is missing. Tried by running it as a plain user.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use contracts::scheduler::v1::AttemptEnd;
use testkit::eventually;

use crate::node::{Node, PROGRAM, is_root, job, script, skip, spec, write_program};
use crate::notice::is_given_notice;
use crate::relay::server;

/// A user of the host that owns nothing.
const PLAIN: u32 = 65_534;
/// Where its tools are.
const TOOLS: &str = "/usr/local/bin:/usr/bin:/bin";

/// A node whose folders belong to a plain user who can run the agent; `None` where that cannot be arranged.
async fn plain_node() -> Option<Node> {
    if !is_root() {
        skip("only root can become a plain user");
        return None;
    }
    let mut node = Node::stopped().await;
    let program = node.config.data_dir.join("quire-agent");
    write_program(&program, File::open(PROGRAM).unwrap());
    node.config.program = Some(program);
    let root = node.config.data_dir.parent().unwrap().to_owned();
    fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).unwrap();
    for folder in [
        &node.config.data_dir,
        &node.config.run_dir,
        &node.config.relay_dir,
    ] {
        fs::create_dir_all(folder).unwrap();
        chown(folder, Some(PLAIN), Some(PLAIN)).unwrap();
        for file in fs::read_dir(folder).unwrap() {
            chown(file.unwrap().path(), Some(PLAIN), Some(PLAIN)).unwrap();
        }
    }
    Some(node)
}

fn as_plain_user(node: &Node, path: &str) -> Command {
    let mut command = Command::new("setpriv");
    let user = PLAIN.to_string();
    command.args([
        "--reuid",
        &user,
        "--regid",
        &user,
        "--clear-groups",
        "env",
        &format!("PATH={path}"),
    ]);
    command.arg(node.config.program.as_ref().unwrap());
    command.stdin(Stdio::null());
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_user_runs_workloads_and_says_what_is_missing() {
    let Some(mut node) = plain_node().await else {
        return;
    };
    let starter = as_plain_user(&node, TOOLS);
    node.start_process_with(starter).await;
    let beat = eventually("a heartbeat", || async { node.control.heartbeats().pop() }).await;
    for lack in ["own user: ", "limits: ", "network: only root"] {
        assert!(
            beat.missing_isolation
                .iter()
                .any(|missing| missing.starts_with(lack)),
            "{lack} {beat:?}"
        );
    }
    let in_sandbox = !beat
        .missing_isolation
        .iter()
        .any(|missing| missing.starts_with("sandbox: "));
    let looks = script("id -u; pwd; ls /etc/shadow /var 2>/dev/null; exit 0");
    node.control.assign(&looks).await;
    let report = node.control.ended(&looks).await;
    assert_eq!(report.end(), AttemptEnd::Completed, "{report:?}");
    let log = node.log(&looks).await;
    assert!(log.starts_with(&format!("{PLAIN}\n")), "{log}");
    assert_eq!(
        log,
        format!("{PLAIN}\n/notebooks\n"),
        "sandbox: {in_sandbox}"
    );
    is_given_notice(&node).await;

    let server = server();
    node.control.assign(&server).await;
    node.control.running(&server).await;
    node.control.stop(&server, "user").await;
    assert_eq!(node.control.ended(&server).await.end(), AttemptEnd::Stopped);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_sandbox_workloads_run_and_end_all_the_same() {
    let Some(mut node) = plain_node().await else {
        return;
    };
    // Nobody finds bubblewrap there.
    let starter = as_plain_user(&node, "/nowhere");
    node.start_process_with(starter).await;
    let beat = eventually("a heartbeat", || async { node.control.heartbeats().pop() }).await;
    let lack = beat
        .missing_isolation
        .iter()
        .find(|missing| missing.starts_with("sandbox: "));
    assert!(lack.is_some_and(|lack| lack.contains("bwrap")), "{beat:?}");

    is_given_notice(&node).await;
    let server = server();
    let stubborn = script("trap '' TERM; echo up; sleep 1000 & wait; sleep 1000");
    for attempt in [&server, &stubborn] {
        node.control.assign(attempt).await;
        node.control.running(attempt).await;
        node.control.stop(attempt, "user").await;
        assert_eq!(node.control.ended(attempt).await.end(), AttemptEnd::Stopped);
    }
    let home = job(&["sh", "-c", "pwd; echo $HOME"]);
    node.control.assign(&home).await;
    node.control.ended(&home).await;
    let folder = node.config.data_dir.join("homes").join(&home.attempt_id);
    assert_eq!(
        node.log(&home).await,
        format!("{0}\n{0}\n", folder.display())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn root_without_a_sandbox_still_gives_users_of_their_own() {
    if !is_root() {
        return skip("needs root");
    }
    let mut node = Node::stopped().await;
    let tools = node.config.data_dir.join("tools");
    fs::create_dir(&tools).unwrap();
    for tool in ["ip", "nft"] {
        let found = ["/usr/sbin", "/usr/bin", "/sbin"].map(|folder| Path::new(folder).join(tool));
        if let Some(found) = found.iter().find(|path| path.exists()) {
            symlink(found, tools.join(tool)).unwrap();
        }
    }
    // Passed through by the workloads' users, as the system's own folders are.
    let root = node.config.data_dir.parent().unwrap().to_owned();
    fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).unwrap();
    let mut starter = Command::new("/usr/bin/env");
    starter
        .arg(format!("PATH={}", tools.display()))
        .arg(PROGRAM);
    node.start_process_with(starter).await;
    let beat = eventually("a heartbeat", || async { node.control.heartbeats().pop() }).await;
    assert!(
        beat.missing_isolation
            .iter()
            .any(|lack| lack.starts_with("sandbox: ")),
        "{beat:?}"
    );

    let mut looks = script("id -u; grep CapEff /proc/self/status; cat $SECRET || echo refused");
    let secret = node.config.data_dir.join("node.json").display().to_string();
    spec(&mut looks).env.insert("SECRET".to_owned(), secret);
    node.control.assign(&looks).await;
    assert_eq!(
        node.control.ended(&looks).await.end(),
        AttemptEnd::Completed
    );
    let log = node.log(&looks).await;
    let user: u32 = log.lines().next().unwrap().parse().unwrap();
    assert!(user >= node.config.first_uid, "{log}");
    assert!(
        log.contains("CapEff:\t0000000000000000\n") && log.ends_with("refused\n"),
        "{log}"
    );

    let server = server();
    node.control.assign(&server).await;
    node.control.running(&server).await;
    node.control.stop(&server, "user").await;
    assert_eq!(node.control.ended(&server).await.end(), AttemptEnd::Stopped);
}

#[tokio::test(flavor = "multi_thread")]
async fn full_isolation_can_be_required() {
    let Some(mut node) = plain_node().await else {
        return;
    };
    node.config.require_full_isolation = true;
    let file = node.config_file();
    let output = as_plain_user(&node, TOOLS)
        .args(["run", "--config"])
        .arg(file)
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        complaint.contains("full isolation is required, and this machine lacks: own user"),
        "{complaint}"
    );
}
