//! Tells a workload that it will be told to end: by a file in the folder of its socket, which every sandbox sees, and by SIGUSR1 to
//! those of its processes that wait for it.
//!
//! That folder belongs to the workload, which may put anything there. So nothing there is ever opened but what was just made: the
//! file grows under a name that nobody can guess, and the rename that puts it in its place follows no link.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use opentelemetry::metrics::Counter;
use opentelemetry::{KeyValue, global};
use rustix::fs::{AtFlags, Mode, OFlags, fchmod, open, openat, renameat, unlinkat};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::{ProcessRuntime, cgroup, shims, stop};
use crate::attempt::Notice;
use crate::runtime::Job;

/// Name of the file.
pub(super) const FILE: &str = "notice.json";
/// So many processes are held at once: each is an open file of the agent's, and a workload may have thousands.
const AT_ONCE: usize = 64;

/// What is counted.
#[derive(Debug)]
pub(super) struct Metrics(Counter<u64>);

impl Metrics {
    pub(super) fn new() -> Self {
        let text = "workloads that were told that they will be stopped, by how they were told";
        let meter = global::meter("quire");
        let counter = meter.u64_counter("quire_agent_notices");
        Self(counter.with_description(text).build())
    }

    fn given(&self, how: &'static str) {
        self.0.add(1, &[KeyValue::new("how", how)]);
    }
}

impl ProcessRuntime {
    /// Writes the file, then signals.
    pub(super) async fn tell(self: &Arc<Self>, job: &Job, notice: &Notice) {
        let (runtime, of, content) = (self.clone(), job.clone(), notice.content());
        let told = tokio::task::spawn_blocking(move || {
            let written = write(of.folder.run(), &content);
            // Also without the file: who waits for the signal can save what it has.
            (written, runtime.signal_workload(&of))
        });
        let (written, signalled) = match told.await {
            Ok(told) => told,
            Err(error) => (Err(io::Error::other(error)), 0),
        };
        let (attempt, stop_at) = (job.id(), notice.stop_at());
        match &written {
            Ok(()) => tracing::info!(attempt, stop_at, signalled, "a notice was given"),
            Err(error) => {
                tracing::warn!(attempt, stop_at, signalled, %error, "the file of a notice cannot be written");
            }
        }
        self.notices.given(match (written.is_ok(), signalled) {
            (_, 1..) => "signal",
            (true, 0) => "file",
            (false, 0) => "not at all",
        });
    }

    /// How many processes of the workload were signalled.
    fn signal_workload(&self, job: &Job) -> usize {
        let Some(shim) = shims::record(&job.folder) else {
            return 0;
        };
        let group = self.isolation.group(&job.folder.sandbox_name());
        signal(|| match &group {
            Some(group) => cgroup::processes(group),
            None => stop::tree(&shim),
        })
    }
}

/// Puts the file into the workload's own folder, for its user to read: whole, or not at all.
fn write(folder: &Path, content: &[u8]) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = open(folder, flags, Mode::empty())?;
    let growing = format!(".{FILE}.{:016x}", rand::random::<u64>());
    let written = grow(folder.as_fd(), &growing, content)
        .and_then(|()| Ok(renameat(&folder, &growing, &folder, FILE)?));
    if written.is_err() {
        unlinkat(&folder, &growing, AtFlags::empty()).ok();
    }
    written
}

fn grow(folder: impl AsFd, name: &str, content: &[u8]) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mut file = File::from(openat(folder, name, flags, Mode::RUSR | Mode::WUSR)?);
    file.write_all(content)?;
    fchmod(&file, Mode::RUSR | Mode::RGRP | Mode::ROTH)?;
    Ok(())
}

/// Sends SIGUSR1 to those of `list` that wait for it; how many there were.
///
/// A number may become another process's at any time, outside the workload too. So each is held first, then `list` is asked again:
/// who is still held when it is signalled had its number all the time, and so it was what the list and `/proc` spoke of.
fn signal(list: impl Fn() -> Vec<Pid>) -> usize {
    let waiting: Vec<Pid> = list().into_iter().filter(|pid| waits(*pid)).collect();
    let mut signalled = 0;
    for some in waiting.chunks(AT_ONCE) {
        let hold = |pid: &Pid| Some((*pid, pidfd_open(*pid, PidfdFlags::empty()).ok()?));
        let held: Vec<(Pid, OwnedFd)> = some.iter().filter_map(hold).collect();
        let there: HashSet<Pid> = list().into_iter().collect();
        let sent = held
            .iter()
            .filter(|(pid, _)| there.contains(pid) && waits(*pid))
            .filter(|(_, process)| pidfd_send_signal(process, Signal::USR1).is_ok());
        signalled += sent.count();
    }
    signalled
}

/// Programs that have a handler for SIGUSR1 without being asked for it: Node.js opens its debugger, Ruby ends (`SignalException`), and
/// `mpirun` passes it on to processes that it may end.
const OTHERWISE: [&str; 5] = ["node", "ruby", "mpirun", "orterun", "prterun"];

/// Whether a process does something of its own at SIGUSR1, which ends whoever has not asked for it.
fn waits(pid: Pid) -> bool {
    let folder = Path::new("/proc").join(pid.as_raw_nonzero().to_string());
    // A process may have any bytes in its name.
    let status = fs::read(folder.join("status")).unwrap_or_default();
    let means_another_thing = || {
        let program = fs::read_link(folder.join("exe")).unwrap_or_default();
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        // So it reads when the file was replaced meanwhile.
        let name = name.trim_end_matches(" (deleted)");
        OTHERWISE.contains(&name)
    };
    caught(&String::from_utf8_lossy(&status)).is_some_and(acts) && !means_another_thing()
}

/// The signals that a process has handlers for, one bit each (proc(5), SigCgt).
fn caught(status: &str) -> Option<u64> {
    let mut lines = status.lines();
    let mask = lines.find_map(|line| line.strip_prefix("SigCgt:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

/// Whether who has handlers for these signals does something of its own at SIGUSR1.
fn acts(caught: u64) -> bool {
    // At a terminal, and in a script with `trap … EXIT`, bash catches whatever would end it, to end in good order: in just these. From
    // outside its own `trap … USR1` looks the same, and better one that is not signalled than one that is ended. Go's programs catch
    // these as well, and SIGURG, which bash never does.
    const BY_BASH: [i32; 10] = [
        libc::SIGILL,
        libc::SIGTRAP,
        libc::SIGFPE,
        libc::SIGUSR2,
        libc::SIGALRM,
        libc::SIGVTALRM,
        libc::SIGXCPU,
        libc::SIGXFSZ,
        libc::SIGSYS,
        libc::SIGSEGV,
    ];
    let catches = |signal: i32| caught & (1_u64 << (signal - 1)) != 0;
    let is_bash = BY_BASH.into_iter().all(catches) && !catches(libc::SIGURG);
    catches(libc::SIGUSR1) && !is_bash
}

#[cfg(test)]
mod tests;
