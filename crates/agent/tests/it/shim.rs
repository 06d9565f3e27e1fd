//! The shim alone: the parent of one process.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use testkit::wait_for;

use crate::node::{PROGRAM, is_alive};

struct Shim {
    folder: TempDir,
    child: Child,
}

impl Shim {
    fn start(command: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("env"), "").unwrap();
        let child = launch(folder.path(), command);
        Self { folder, child }
    }

    fn json(&self, file: &str) -> Value {
        let text = wait_for(file, || {
            fs::read_to_string(self.folder.path().join(file)).ok()
        });
        serde_json::from_str(&text).unwrap()
    }

    fn log(&self) -> String {
        let read = |name: &str| fs::read(self.folder.path().join(name)).unwrap_or_default();
        String::from_utf8([read("log.1"), read("log")].concat()).unwrap()
    }
}

fn launch(folder: &Path, command: &[&str]) -> Child {
    Command::new(PROGRAM)
        .arg("shim")
        .arg(folder)
        .args(["--log-bytes", "10000", "--"])
        .args(command)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn writes_down_how_it_ended() {
    for (script, code, signal) in [
        (
            "echo out; echo err >&2; exit 7",
            Value::from(7),
            Value::Null,
        ),
        ("kill -9 $$", Value::Null, Value::from(9)),
    ] {
        let mut shim = Shim::start(&["sh", "-c", script]);
        assert!(shim.child.wait().unwrap().success());
        let (start, exit) = (shim.json("shim.json"), shim.json("exit.json"));
        assert_eq!((&exit["code"], &exit["signal"]), (&code, &signal), "{exit}");
        assert_eq!(exit["boot_id"], start["boot_id"]);
        assert!(exit["ended_ms"].as_u64() >= start["started_ms"].as_u64());
    }
}

#[test]
fn keeps_the_newest_output_within_bounds() {
    let mut shim = Shim::start(&[
        "sh",
        "-c",
        "for i in $(seq 1 20000); do echo line $i; done; echo end >&2",
    ]);
    shim.child.wait().unwrap();
    let log = shim.log();
    assert!(log.ends_with("line 19999\nline 20000\nend\n"), "{log}");
    assert!((10_000..=20_000).contains(&log.len()), "{}", log.len());
}

#[test]
fn a_program_that_is_not_there_is_an_end_too() {
    let mut shim = Shim::start(&["/no/such/program"]);
    shim.child.wait().unwrap();
    assert_eq!(shim.json("exit.json")["code"], 125);
    assert!(
        shim.log().contains("cannot start the workload"),
        "{}",
        shim.log()
    );
}

#[test]
fn what_was_left_behind_ends_too() {
    let mut shim = Shim::start(&[
        PROGRAM,
        "stage",
        "enter",
        "--",
        "sh",
        "-c",
        "sleep 1000 & echo $!; exit 0",
    ]);
    shim.child.wait().unwrap();
    let left: u64 = shim.log().trim().parse().unwrap();
    wait_for("the end of what was left behind", || {
        (!is_alive(left)).then_some(())
    });
}

#[test]
fn an_attempt_has_one_shim_and_runs_once() {
    let mut shim = Shim::start(&[PROGRAM, "stage", "enter", "--", "sleep", "1000"]);
    shim.json("shim.json");
    let lock = File::open(shim.folder.path().join("lock")).unwrap();
    assert!(lock.try_lock().is_err(), "a living shim holds the lock");
    let mut second = launch(shim.folder.path(), &["sh", "-c", "echo twice"]);
    assert!(!second.wait().unwrap().success());
    shim.child.kill().unwrap();
    shim.child.wait().unwrap();
    lock.lock().unwrap();
    lock.unlock().unwrap();
    let mut third = launch(shim.folder.path(), &["sh", "-c", "echo twice"]);
    assert!(!third.wait().unwrap().success());
    assert!(!shim.log().contains("twice"));
}
