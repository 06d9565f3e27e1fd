//! Files and signals, tried on real folders and real processes.

use std::cell::Cell;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::{Child, ChildStdout, Command, Stdio};

use super::*;

/// A process that has said "up", ended with the value.
struct Process {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Process {
    fn start(shell: &str, script: &str) -> Self {
        let mut child = Command::new(shell)
            .args(["-c", script])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        let mut process = Self { child, said };
        assert_eq!(process.line(), "up\n");
        process
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        line
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap()
    }

    fn lives(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Also while a test fails.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn the_file_is_whole_readable_and_nobodys_to_write() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join(FILE);
    for content in ["first", "second"] {
        write(folder.path(), content.as_bytes()).unwrap();
        assert_eq!(fs::read_to_string(&place).unwrap(), content);
    }
    let mode = fs::metadata(&place).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o444);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn what_the_workload_has_put_there_leads_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let (own, precious) = (folder.path().join("run"), folder.path().join("precious"));
    fs::create_dir(&own).unwrap();
    fs::write(&precious, "precious").unwrap();
    let place = own.join(FILE);
    symlink(&precious, &place).unwrap();
    write(&own, b"notice").unwrap();
    assert!(fs::symlink_metadata(&place).unwrap().is_file());
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");

    fs::remove_file(&place).unwrap();
    fs::create_dir(&place).unwrap();
    write(&own, b"notice").unwrap_err();
    assert_eq!(fs::read_dir(&own).unwrap().count(), 1, "nothing is left");

    // Nor does the folder itself.
    let link = folder.path().join("link");
    symlink(&own, &link).unwrap();
    write(&link, b"notice").unwrap_err();
}

#[test]
fn only_who_waits_for_the_signal_gets_it() {
    let mut waits = Process::start(
        "sh",
        "trap 'echo told' USR1; echo up; while :; do sleep 0.02; done",
    );
    // By another process: a program that this one has open for writing could not be run.
    let folder = tempfile::tempdir().unwrap();
    let node = folder.path().join("node").display().to_string();
    let copied = Command::new("cp").args(["/bin/sh", &node]).status();
    assert!(copied.unwrap().success());
    let waits_too = "trap 'echo told' USR1; echo up; while :; do sleep 0.02; done";
    let mut others = [
        Process::start(&node, waits_too),
        Process::start("sh", "echo up; exec sleep 1000"),
        Process::start(
            "bash",
            "trap 'echo bye' EXIT; echo up; while :; do sleep 0.02; done",
        ),
    ];
    let pids: Vec<Pid> = others
        .iter()
        .map(Process::pid)
        .chain([waits.pid()])
        .collect();
    assert_eq!(signal(|| pids.clone()), 1);
    assert_eq!(waits.line(), "told\n");
    assert!(waits.lives() && others.iter_mut().all(Process::lives));
}

#[test]
fn who_is_not_of_the_workload_any_more_is_left_alone() {
    let mut waits = Process::start(
        "sh",
        "trap 'echo told' USR1; echo up; while :; do sleep 0.02; done",
    );
    let asked = Cell::new(0);
    let list = || {
        asked.set(asked.get() + 1);
        let there = asked.get() == 1;
        there.then(|| waits.pid()).into_iter().collect()
    };
    assert_eq!((signal(list), asked.get()), (0, 2));
    assert_eq!(signal(|| vec![waits.pid()]), 1);
    assert_eq!(waits.line(), "told\n");
}

#[test]
fn handlers_are_told_apart() {
    for (mask, acts_then) in [
        // Python, and with a handler for SIGUSR1.
        ("0000000000000002", false),
        ("0000000000000202", true),
        // bash at a terminal, with a trap for its end, and with one for the signal.
        ("000000004b813efb", false),
        ("0000000043817efb", false),
        ("0000000000010202", true),
        // A program in Go.
        ("fffffffd7fc1feff", true),
        ("0000000000000000", false),
    ] {
        let status = format!("Name:\tx\nSigIgn:\t0000000000000200\nSigCgt:\t{mask}\nCapInh:\t0\n");
        assert_eq!(caught(&status).is_some_and(acts), acts_then, "{mask}");
    }
    assert_eq!(caught("Name:\tx\n"), None);
}
