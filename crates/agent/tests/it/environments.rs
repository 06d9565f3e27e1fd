//! Environments: built once, shared, read only.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use chassis::seal::sha256_hex;
use contracts::agent::v1::Assignment;
use contracts::scheduler::v1::{AttemptEnd, Fault};

use crate::node::{Node, job, spec, write_script};

pub(crate) fn inside(mut attempt: Assignment, lock: &str) -> Assignment {
    spec(&mut attempt).environment_lock = lock.to_owned();
    spec(&mut attempt).environment_digest = sha256_hex(lock);
    attempt
}

fn environments(node: &Node) -> PathBuf {
    node.config.data_dir.join("environments")
}

fn library(environment: &Path) -> PathBuf {
    let lib = fs::read_dir(environment.join("lib"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    lib.join("site-packages")
}

#[tokio::test(flavor = "multi_thread")]
async fn one_environment_is_built_once_however_many_ask() {
    let mut node = Node::stopped().await;
    // Counts how often the builder is called.
    let calls = node.config.data_dir.join("calls");
    let uv = node.config.data_dir.join("uv");
    write_script(
        &uv,
        &format!(
            "#!/bin/sh\necho $1 >> {}\nexec uv \"$@\"\n",
            calls.display()
        ),
    );
    node.config.uv = uv.display().to_string();
    node.start_task().await;

    let look =
        "import six, sys, os; print(six.__version__, sys.prefix, os.access(six.__file__, os.W_OK))";
    let lock = "six==1.17.0\n";
    let five: Vec<Assignment> = (0..5)
        .map(|_| inside(job(&["python", "-c", look]), lock))
        .collect();
    for attempt in &five {
        node.control.assign(attempt).await;
    }
    let folder = environments(&node).join(sha256_hex(lock));
    for attempt in &five {
        let report = node.control.ended(attempt).await;
        assert_eq!(
            report.end(),
            AttemptEnd::Completed,
            "{report:?} {}",
            node.log(attempt).await
        );
        assert_eq!(
            node.log(attempt).await,
            format!("1.17.0 {} False\n", folder.display())
        );
    }
    assert_eq!(fs::read_to_string(&calls).unwrap(), "venv\npip\n");
    let said: Vec<String> = node
        .control
        .reports(&five[0])
        .into_iter()
        .map(|report| report.reason)
        .collect();
    assert!(
        said.iter()
            .any(|reason| reason.starts_with("environment: ")),
        "{said:?}"
    );

    // Byte code is there, and packages are shared with the cache by hard link.
    let site = library(&folder);
    assert!(
        site.join("__pycache__")
            .read_dir()
            .unwrap()
            .flatten()
            .any(|file| file.file_name().to_string_lossy().starts_with("six."))
    );
    assert!(fs::metadata(site.join("six.py")).unwrap().nlink() > 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unfinished_environment_is_built_anew() {
    let mut node = Node::stopped().await;
    let lock = "six==1.16.0\n";
    let folder = environments(&node).join(sha256_hex(lock));
    fs::create_dir_all(folder.join("bin")).unwrap();
    fs::write(folder.join("pyvenv.cfg"), "home = /nowhere/bin\n").unwrap();
    node.start_task().await;
    let attempt = inside(
        job(&["python", "-c", "import six; print(six.__version__)"]),
        lock,
    );
    node.control.assign(&attempt).await;
    assert_eq!(
        node.control.ended(&attempt).await.end(),
        AttemptEnd::Completed
    );
    assert_eq!(node.log(&attempt).await, "1.16.0\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_builds_is_waited_for() {
    let node = Node::start().await;
    let lock = "six==1.15.0\n";
    fs::create_dir_all(environments(&node)).unwrap();
    let other =
        File::create(environments(&node).join(format!("{}.lock", sha256_hex(lock)))).unwrap();
    other.lock().unwrap();
    let attempt = inside(
        job(&["python", "-c", "import six; print(six.__version__)"]),
        lock,
    );
    node.control.assign(&attempt).await;
    node.control
        .report(&attempt, "the wait", |report| {
            report.reason == "environment: waiting for another agent to build it"
        })
        .await;
    other.unlock().unwrap();
    assert_eq!(
        node.control.ended(&attempt).await.end(),
        AttemptEnd::Completed
    );
    assert_eq!(node.log(&attempt).await, "1.15.0\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_built_says_why() {
    let node = Node::start().await;
    let missing = inside(job(&["true"]), "six==99.0.0\n");
    let hashes = inside(
        job(&["true"]),
        "six==1.17.0 --hash=sha256:0000000000000000000000000000000000000000000000000000000000000000\n",
    );
    let mut mixed_up = inside(job(&["true"]), "six==1.17.0\n");
    spec(&mut mixed_up).environment_digest = sha256_hex("another");
    for (attempt, reason) in [
        (&missing, "six==99.0.0"),
        (&hashes, "ash mismatch"),
        (&mixed_up, "environment_digest"),
    ] {
        node.control.assign(attempt).await;
        let report = node.control.ended(attempt).await;
        assert_eq!(
            (report.end(), report.fault()),
            (AttemptEnd::Failed, Fault::Platform),
            "{report:?}"
        );
        assert!(report.reason.contains(reason), "{report:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_a_build() {
    let mut node = Node::stopped().await;
    let uv = node.config.data_dir.join("uv");
    write_script(&uv, "#!/bin/sh\nexec sleep 1000\n");
    node.config.uv = uv.display().to_string();
    node.start_task().await;
    let attempt = inside(job(&["true"]), "six==1.17.0\n");
    node.control.assign(&attempt).await;
    node.control
        .report(&attempt, "the build", |report| {
            report.reason == "environment: resolving"
        })
        .await;
    node.control.stop(&attempt, "user").await;
    let report = node.control.ended(&attempt).await;
    assert_eq!(
        (report.end(), report.reason.as_str(), report.ran_ms),
        (AttemptEnd::Stopped, "user", None)
    );
}
