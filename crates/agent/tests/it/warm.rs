//! Finished sandboxes that wait for notebooks: taken over once, as strict as others, and gone with their agent.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use contracts::agent::v1::Assignment;
use contracts::inventory::v1::WarmPool;
use contracts::scheduler::v1::{AttemptEnd, Fault};
use kernel::id::VolumeId;
use serde_json::Value;
use testkit::eventually;

use crate::environments::inside;
use crate::node::{Node, get, is_alive, is_root, job, spec};

/// Starts as the notebook service starts its server.
const LAB: &str = "JUPYTER_TOKEN=\"$QUIRE_HTTP_TOKEN\" exec jupyter lab --no-browser \
    --ServerApp.sock=\"$QUIRE_HTTP_SOCKET\" --ServerApp.root_dir=\"$HOME\"";
/// Makes the package of a server that is small and quick to install.
const PACK: &str = "import sys, zipfile\n\
    info = 'stublab-1.0.dist-info/'\n\
    with zipfile.ZipFile(sys.argv[2], 'w') as wheel:\n\
    \x20   wheel.write(sys.argv[1], 'stub_lab.py')\n\
    \x20   wheel.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: stublab\\nVersion: 1.0\\n')\n\
    \x20   wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n\
    \x20   wheel.writestr(info + 'entry_points.txt', '[console_scripts]\\njupyter = stub_lab:main\\njupyter-lab = stub_lab:main\\n')\n\
    \x20   wheel.writestr(info + 'RECORD', '')\n";

/// A node where `most` sandboxes may wait, and the lock of the server's environment; `None` where there cannot be any.
async fn node(most: u32) -> Option<(Node, String)> {
    if !is_root() {
        return None;
    }
    let mut node = Node::stopped().await;
    node.config.warm = most;
    let wheel = node.config.data_dir.join("stublab-1.0-py3-none-any.whl");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/stub_lab.py");
    let packed = Command::new("python3")
        .args(["-c", PACK])
        .arg(source)
        .arg(&wheel)
        .status();
    assert!(packed.unwrap().success());
    let lock = format!("stublab @ file://{}\n", wheel.display());
    Some((node, lock))
}

fn notebook(lock: &str) -> Assignment {
    let mut notebook = inside(job(&["sh", "-c", LAB]), lock);
    let spec = spec(&mut notebook);
    spec.environment = "stub".to_owned();
    spec.volume_id = VolumeId::generate().to_string();
    spec.ready_path = "/api/status".to_owned();
    notebook
}

/// What the newest heartbeat says of the one pool.
fn pool(node: &Node) -> Option<WarmPool> {
    let warm = node.control.heartbeats().pop()?.warm?;
    warm.pools.into_iter().next()
}

fn waiting(node: &Node) -> Vec<PathBuf> {
    let folder = node.config.data_dir.join("sandboxes");
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// Waits until one sandbox waits; its folder.
async fn ready(node: &Node) -> PathBuf {
    eventually("a sandbox that waits", || async {
        (pool(node)?.ready == 1).then_some(())
    })
    .await;
    waiting(node).pop().unwrap()
}

/// The process that the shim in `folder` is the parent of.
fn child(folder: &Path) -> u64 {
    let record = fs::read_to_string(folder.join("shim.json")).unwrap();
    let record: Value = serde_json::from_str(&record).unwrap();
    record["child"].as_u64().unwrap()
}

/// What a notebook's server makes of a Python expression.
async fn eval(node: &Node, notebook: &Assignment, expression: &str) -> String {
    let path = format!("/v1/workloads/{}/1/upstream", notebook.workload_id);
    let (_, upstream) = node.ask(&path).await;
    let upstream: Value = serde_json::from_str(&upstream).unwrap();
    let socket = Path::new(upstream["socket"].as_str().unwrap()).to_owned();
    let token = upstream["token"].as_str().unwrap();
    let quoted: String = expression
        .bytes()
        .map(|byte| format!("%{byte:02x}"))
        .collect();
    let answer = get(&socket, &format!("/eval?{quoted}"), token).await;
    answer.map_or("no answer".to_owned(), |(_, body)| body)
}

async fn start(node: &Node, notebook: &Assignment) -> bool {
    node.control.assign(notebook).await;
    node.control.running(notebook).await;
    let reports = node.control.reports(notebook);
    assert!(
        reports.iter().any(|report| report.ran_ms.is_some()),
        "it answered: {reports:?}"
    );
    node.attempt(notebook).join("sandbox").is_dir()
}

/// What a workload can see and do, each as an expression.
const POWERS: [&str; 7] = [
    "[line for line in open('/proc/self/status') if line.split(':')[0] in ('Groups', 'CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb', 'NoNewPrivs', 'Seccomp')]",
    "__import__('os').getcwd(), sorted(__import__('os').listdir('/')), sorted(__import__('os').listdir('/run/quire')), sorted(__import__('os').listdir('/tmp')), sorted(__import__('os').listdir('/etc'))",
    "[(line.split()[4], line.split()[5], line.split(' - ')[1].split()[0]) for line in open('/proc/self/mountinfo')]",
    "sorted(__import__('os').readlink(f'/proc/self/fd/{fd}').split(':')[0] for fd in __import__('os').listdir('/proc/self/fd') if __import__('os').path.exists(f'/proc/self/fd/{fd}'))",
    // Without secrets, and without what a shell adds on the way.
    "sorted((name, value) for name, value in __import__('os').environ.items() if 'TOKEN' not in name and name not in ('PWD', 'OLDPWD', 'SHLVL', '_'))",
    "__import__('resource').getrlimit(__import__('resource').RLIMIT_CORE), __import__('os').umask(0o22), __import__('os').getpid()",
    "sorted(pid for pid in __import__('os').listdir('/proc') if pid.isdigit())",
];

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_taken_over_and_is_as_strict_as_what_is_made_anew() {
    let Some((mut node, lock)) = node(1).await else {
        return;
    };
    node.start_task().await;
    let first = notebook(&lock);
    assert!(
        !start(&node, &first).await,
        "nothing waits in an environment that was never used"
    );
    let there = ready(&node).await;
    let said = pool(&node).unwrap();
    assert_eq!((said.environment.as_str(), said.wanted), ("stub", 1));
    assert!(said.memory_mib < 256, "{said:?}");
    let before = child(&there);
    let empty = fs::read_dir(node.config.data_dir.join("homes"))
        .unwrap()
        .count();
    assert_eq!(empty, 1, "it has an empty home of its own");

    let second = notebook(&lock);
    assert!(start(&node, &second).await, "what waited was taken over");
    assert_eq!(
        child(&node.attempt(&second).join("sandbox")),
        before,
        "no process was begun for it"
    );
    let reasons = node.control.reports(&second);
    assert!(
        reasons
            .iter()
            .any(|report| report.reason.ends_with("in a sandbox that was ready")),
        "{reasons:?}"
    );
    for power in POWERS {
        let (cold, warm) = (
            eval(&node, &first, power).await,
            eval(&node, &second, power).await,
        );
        assert_eq!(cold, warm, "{power}");
    }
    let user = "__import__('os').getresuid(), __import__('os').getresgid(), __import__('os').stat('/notebooks').st_uid";
    assert_ne!(
        eval(&node, &first, user).await,
        eval(&node, &second, user).await
    );
    // Nobody sees the other's files, and what is written is in the volume.
    let write = "open('/notebooks/mine', 'w').write('second')";
    assert_eq!(eval(&node, &second, write).await, "6");
    assert_eq!(
        eval(&node, &first, "__import__('os').listdir('/notebooks')").await,
        "[]"
    );
    let volume = node.volume(&spec(&mut second.clone()).volume_id);
    assert_eq!(fs::read_to_string(volume.join("mine")).unwrap(), "second");

    // It is told as others are.
    let told = "open(__import__('os').environ['QUIRE_NOTICE']).read()";
    assert!(
        eval(&node, &second, told)
            .await
            .starts_with("FileNotFoundError")
    );
    node.control.notice(&second, 30_000).await;
    eventually("the notice", || async {
        let said = eval(&node, &second, told).await;
        said.contains("room is needed").then_some(())
    })
    .await;

    // Its own limits, and what happens at them.
    let hungry = eval(&node, &second, "len(bytearray(1 << 30))").await;
    let report = node.control.ended(&second).await;
    assert_eq!(
        (report.end(), report.fault()),
        (AttemptEnd::Failed, Fault::User),
        "{hungry} {report:?}"
    );
    assert!(
        report
            .reason
            .starts_with("out of memory: limit 256 MiB, peak "),
        "{report:?}"
    );
    assert_eq!(node.log(&second).await, "serving\n");

    // The same files again, shown in a sandbox with another user, who owns them there; on the disk nothing changes hands.
    ready(&node).await;
    let mut third = notebook(&lock);
    spec(&mut third)
        .volume_id
        .clone_from(&spec(&mut second.clone()).volume_id);
    assert!(start(&node, &third).await, "what waited was taken over");
    assert_eq!(
        eval(&node, &third, "open('/notebooks/mine').read()").await,
        "second"
    );
    let mine = "__import__('os').stat('/notebooks/mine').st_uid == __import__('os').getuid()";
    assert_eq!(eval(&node, &third, mine).await, "True");
    assert_eq!(
        eval(&node, &third, "open('/notebooks/more', 'w').write('x')").await,
        "1"
    );
    assert_eq!(
        eval(&node, &third, "__import__('os').mkdir('/notebooks/.quire')").await,
        "None"
    );
    let owner = |name: &str| fs::metadata(volume.join(name)).unwrap().uid();
    assert_eq!(owner("more"), fs::metadata(&volume).unwrap().uid());
    assert_ne!(
        eval(&node, &third, "__import__('os').getuid()").await,
        owner("more").to_string()
    );
    node.control.stop(&third, "user").await;
    assert_eq!(node.control.ended(&third).await.reason, "user");

    // A package of the volume's that comes before one that was imported is what the user wants.
    fs::create_dir(volume.join(".quire/site-packages")).unwrap();
    fs::write(volume.join(".quire/site-packages/socketserver.py"), "").unwrap();
    ready(&node).await;
    let mut fourth = notebook(&lock);
    spec(&mut fourth)
        .volume_id
        .clone_from(&spec(&mut second.clone()).volume_id);
    node.control.assign(&fourth).await;
    let report = node.control.ended(&fourth).await;
    assert_eq!(
        (report.end(), report.ran_ms),
        (AttemptEnd::Failed, None),
        "{report:?}"
    );
    assert!(
        report
            .reason
            .contains("module 'socketserver' has no attribute"),
        "{report:?}"
    );
    assert_eq!(waiting(&node).len(), 1, "it was not taken");
    node.control.stop(&first, "user").await;
    node.control.ended(&first).await;
    eventually("the ends to be acknowledged", || async {
        (!node.attempt(&first).exists() && !node.attempt(&fourth).exists()).then_some(())
    })
    .await;
    node.stop().await;
    assert_eq!(
        (node.traces(""), waiting(&node)),
        (Vec::new(), Vec::new()),
        "nothing is left"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn none_is_used_twice_and_one_that_was_taken_ends_as_others_do() {
    let Some((mut node, lock)) = node(1).await else {
        return;
    };
    node.start_task().await;
    let first = notebook(&lock);
    start(&node, &first).await;
    ready(&node).await;
    let both = [notebook(&lock), notebook(&lock)];
    for notebook in &both {
        node.control.assign(notebook).await;
    }
    for notebook in &both {
        node.control.running(notebook).await;
    }
    let taken = both
        .iter()
        .filter(|one| node.attempt(one).join("sandbox").is_dir());
    assert_eq!(taken.count(), 1);
    let process = "imported_at, __import__('os').getuid()";
    let (one, other) = (
        eval(&node, &both[0], process).await,
        eval(&node, &both[1], process).await,
    );
    assert_ne!(one, other);
    for notebook in &both {
        node.control.stop(notebook, "user").await;
        let report = node.control.ended(notebook).await;
        assert_eq!(
            (report.end(), report.reason.as_str()),
            (AttemptEnd::Stopped, "user")
        );
        eventually("no traces", || async {
            node.traces(&notebook.attempt_id).is_empty().then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_dies_is_replaced() {
    let Some((mut node, lock)) = node(1).await else {
        return;
    };
    node.start_task().await;
    start(&node, &notebook(&lock)).await;
    let there = ready(&node).await;
    let pid = i32::try_from(child(&there)).unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    eventually("another one", || async {
        let said = pool(&node)?;
        let other = waiting(&node).pop().filter(|folder| *folder != there);
        (said.ready == 1 && said.failures == 1 && other.is_some()).then_some(())
    })
    .await;
    let name = there.file_name().unwrap().to_string_lossy().into_owned();
    assert_eq!(
        node.traces(&name),
        Vec::<PathBuf>::new(),
        "nothing is left of the dead one"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_agent_takes_what_waits_along_and_a_start_that_it_broke_off_goes_on() {
    let Some((mut node, lock)) = node(1).await else {
        return;
    };
    node.start_process().await;
    start(&node, &notebook(&lock)).await;
    let there = ready(&node).await;
    let process = child(&there);
    node.kill();
    eventually("the end of what waited", || async {
        (!is_alive(process)).then_some(())
    })
    .await;

    // As if it had been killed between the claim and the message: the volume is there, and nothing has run in it.
    let broken_off = notebook(&lock);
    let folder = node.attempt(&broken_off);
    fs::create_dir(&folder).unwrap();
    fs::write(
        folder.join("assignment"),
        prost::Message::encode_to_vec(&broken_off),
    )
    .unwrap();
    let seen = "{\"boot_id\":\"\",\"up_ms\":1,\"at_micros\":1}";
    let state = format!(
        "{{\"phase\":\"launching\",\"running_since\":null,\"ran_ms\":null,\"stop\":null,\"end\":null,\"reason\":\"\",\"sequence\":2,\"acknowledged\":0,\"seen\":{seen}}}"
    );
    fs::write(folder.join("state.json"), state).unwrap();
    fs::rename(&there, folder.join("sandbox")).unwrap();
    node.start_process().await;
    node.control.running(&broken_off).await;
    assert!(
        !folder.join("sandbox").exists(),
        "what was claimed is not used again"
    );
    assert_eq!(eval(&node, &broken_off, "1 + 1").await, "2");
    let name = there.file_name().unwrap().to_string_lossy().into_owned();
    assert_eq!(node.traces(&name), Vec::<PathBuf>::new());
    let home = node.config.data_dir.join("homes").join(&name);
    assert!(!home.exists(), "its empty home is gone, too");
}
