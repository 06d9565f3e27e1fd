//! Which process of a workload is asked to end, and how all of them are ended.

use std::collections::BTreeSet;
use std::fs;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::cgroup::{self, Group};
use super::shims::ShimRecord;

/// Asks the workload's own program to end: not what stands around it, which would end it without asking.
pub(super) fn ask(shim: &ShimRecord, group: Option<&Group>) {
    let Some(outer) = shim.living_child() else {
        return;
    };
    if let Some(command) = command_in_sandbox(shim.child) {
        kill_process(command, Signal::TERM).ok();
        return;
    }
    match group {
        Some(group) if is_sandbox(shim.child) => {
            for pid in cgroup::processes(group)
                .into_iter()
                .filter(|pid| !is_sandbox(number(*pid)))
            {
                kill_process(pid, Signal::TERM).ok();
            }
        }
        // Without a sandbox the program leads its own group.
        _ => {
            kill_process_group(outer, Signal::TERM).ok();
        }
    }
}

/// Ends all processes of a workload.
pub(super) fn end(shim: &ShimRecord, group: Option<&Group>) {
    if let Some(group) = group {
        cgroup::kill(group);
    }
    if let Some(outer) = shim.living_child() {
        // With the sandbox's outer process everything inside ends.
        kill_process(outer, Signal::KILL).ok();
        kill_process_group(outer, Signal::KILL).ok();
    }
}

/// The first process that bubblewrap ran: number 2 of its namespace, child of number 1.
pub(super) fn command_in_sandbox(outer: u32) -> Option<Pid> {
    let init = *children(outer).first()?;
    let command = children(init)
        .into_iter()
        .find(|child| number_inside(*child) == Some(2))?;
    pid(command)
}

/// The process that the shim is the parent of, and all below it: for where no control group knows them. Who has left the tree by
/// giving its parent up is missing, where there is no sandbox.
pub(super) fn tree(shim: &ShimRecord) -> Vec<Pid> {
    let mut next: Vec<u32> = shim.living_child().map(number).into_iter().collect();
    let mut found = BTreeSet::new();
    while let Some(process) = next.pop() {
        if found.insert(process) {
            next.extend(children_of_threads(process));
        }
    }
    found.into_iter().filter_map(pid).collect()
}

/// The children that any thread of a process has begun.
fn children_of_threads(parent: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{parent}/task"));
    let threads = threads.into_iter().flatten().flatten();
    let lists =
        threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| numbers(&list)).collect()
}

fn numbers(list: &str) -> Vec<u32> {
    list.split_whitespace()
        .filter_map(|child| child.parse().ok())
        .collect()
}

fn children(parent: u32) -> Vec<u32> {
    let list =
        fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    numbers(&list)
}

/// A process's number in the innermost namespace.
fn number_inside(pid: u32) -> Option<u32> {
    // A process may have any bytes in its name.
    let status = fs::read(format!("/proc/{pid}/status")).ok()?;
    let status = String::from_utf8_lossy(&status);
    let numbers = status
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:"))?;
    numbers.split_whitespace().last()?.parse().ok()
}

fn is_sandbox(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "bwrap")
}

fn pid(number: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(number).ok()?)
}

fn number(pid: Pid) -> u32 {
    u32::try_from(pid.as_raw_nonzero().get()).unwrap_or(0)
}
