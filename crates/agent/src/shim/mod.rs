//! The shim: the parent of one workload, apart from the agent's life. It holds the log pipe, waits for the end, and writes down
//! what it saw. One thread, no runtime, nothing but the standard library and system calls, so that it is small and hard to break.
//!
//! While it lives it holds a lock on `lock` in the attempt's folder: whoever finds the lock free knows that there is no shim.

mod log;
mod memory;
pub(crate) mod plan;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, PipeReader, Read as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, setsid};

use self::log::BoundedLog;
pub(crate) use self::memory::Memory;
use self::plan::Plan;
use crate::{files, moment};

/// Exit code of a workload that could not even be begun.
const NOT_BEGUN: i32 = 125;
/// How much is read from the pipe at once.
const CHUNK: usize = 64 << 10;
/// After the end, output that still comes is awaited this long, in milliseconds, and at most [`DRAIN_CHUNKS`] times.
const DRAIN_MS: u64 = 100;
const DRAIN_CHUNKS: usize = 256;
/// How often, and how far apart, the lock of the attempt is tried.
const LOCK_TRIES: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Runs the shim with the arguments after the hidden subcommand `shim`.
pub fn main(args: impl IntoIterator<Item = impl Into<OsString>>) -> ExitCode {
    let outcome = Plan::parse(args.into_iter().map(Into::into)).and_then(|plan| run(&plan));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("shim: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs one step into a sandbox with the arguments after the hidden subcommand `stage`. Comes back only when it fails.
pub fn stage(args: impl IntoIterator<Item = impl Into<OsString>>) -> ExitCode {
    crate::stage::main(args.into_iter().map(Into::into))
}

fn run(plan: &Plan) -> io::Result<()> {
    // Fails only where this process leads a session already.
    setsid().ok();
    let _lock = sole_shim(&plan.dir)?;
    let mut log = BoundedLog::open(&plan.dir, plan.log_bytes)?;
    let started_ms = moment::up_ms();
    let status = match begin(plan) {
        Ok((child, pipe)) => {
            record_start(&plan.dir, &child, started_ms)?;
            attend(plan, child, pipe, &mut log)?
        }
        Err(error) => {
            log.write(format!("cannot start the workload: {error}\n").as_bytes());
            ExitStatus::from_raw(NOT_BEGUN << 8)
        }
    };
    record_end(plan, status, started_ms)
}

/// Takes the attempt for this shim. An attempt runs once: whoever comes second gives up.
fn sole_shim(dir: &Path) -> io::Result<File> {
    let lock = File::create(dir.join("lock"))?;
    // An agent that looks whether there is a shim holds the lock for a moment.
    for _ in 0..LOCK_TRIES {
        if lock.try_lock().is_ok() {
            if dir.join("shim.json").exists() || dir.join("exit.json").exists() {
                return Err(io::Error::other("the attempt has run already"));
            }
            return Ok(lock);
        }
        std::thread::sleep(LOCK_PAUSE);
    }
    Err(io::Error::other("the attempt has another shim"))
}

fn begin(plan: &Plan) -> io::Result<(Child, PipeReader)> {
    let (reader, writer) = io::pipe()?;
    // Its own variables reach the workload through this file, which `stage drop` empties once it has read them.
    let env = File::options()
        .read(true)
        .write(true)
        .open(plan.dir.join("env"))?;
    let child = Command::new(&plan.program)
        .args(&plan.args)
        .stdin(env)
        .stdout(writer.try_clone()?)
        .stderr(Stdio::from(writer))
        .spawn()?;
    Ok((child, reader))
}

/// Copies output until the workload has ended, then ends what it left behind.
fn attend(
    plan: &Plan,
    mut child: Child,
    mut pipe: PipeReader,
    log: &mut BoundedLog,
) -> io::Result<ExitStatus> {
    let pid = Pid::from_child(&child);
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    copy_until_end(&mut pipe, &pidfd, log)?;
    if let Some(kill) = &plan.kill {
        fs::write(kill, "1").ok();
    }
    // The child is not reaped yet, so the number of its group cannot have been given to another.
    kill_process_group(pid, Signal::KILL).ok();
    drain(&mut pipe, log);
    child.wait()
}

fn copy_until_end(pipe: &mut PipeReader, child: &OwnedFd, log: &mut BoundedLog) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    let mut open = true;
    loop {
        let (output, ended) = {
            let mut fds = [
                PollFd::new(child, PollFlags::IN),
                PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN),
            ];
            let watched = if open { &mut fds[..] } else { &mut fds[..1] };
            match poll(watched, None) {
                Err(rustix::io::Errno::INTR) => continue,
                other => other?,
            };
            let [child, pipe] = &fds;
            (
                open && !pipe.revents().is_empty(),
                !child.revents().is_empty(),
            )
        };
        if output {
            open = copy_once(pipe, &mut buffer, log);
        }
        if ended {
            return Ok(());
        }
    }
}

/// Copies what is there; false at the end of the pipe.
fn copy_once(pipe: &mut PipeReader, buffer: &mut [u8], log: &mut BoundedLog) -> bool {
    match pipe.read(buffer) {
        Ok(0) | Err(_) => false,
        Ok(read) => {
            log.write(buffer.get(..read).unwrap_or_default());
            true
        }
    }
}

fn drain(pipe: &mut PipeReader, log: &mut BoundedLog) {
    let mut buffer = vec![0; CHUNK];
    let patience = Timespec {
        tv_sec: 0,
        tv_nsec: i64::try_from(DRAIN_MS * 1_000_000).unwrap_or(0),
    };
    for _ in 0..DRAIN_CHUNKS {
        let mut fds = [PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)];
        let ready = poll(&mut fds, Some(&patience)).is_ok_and(|count| count > 0);
        if !ready || !copy_once(pipe, &mut buffer, log) {
            return;
        }
    }
}

fn record_start(dir: &Path, child: &Child, started_ms: u64) -> io::Result<()> {
    let pid = std::process::id();
    let ticks = start_ticks(pid).unwrap_or(0);
    let (child, boot) = (child.id(), moment::boot_id());
    let record = format!(
        r#"{{"pid":{pid},"start_ticks":{ticks},"child":{child},"started_ms":{started_ms},"boot_id":"{boot}"}}"#
    );
    files::write(&dir.join("shim.json"), record.as_bytes())
}

fn record_end(plan: &Plan, status: ExitStatus, started_ms: u64) -> io::Result<()> {
    let number = |value: Option<i64>| value.map_or("null".to_owned(), |value| value.to_string());
    let code = number(status.code().map(i64::from));
    let signal = number(status.signal().map(i64::from));
    let Memory {
        oom_kills,
        peak_bytes,
        limit_bytes,
    } = plan.memory();
    let (ended_ms, boot) = (moment::up_ms(), moment::boot_id());
    let record = format!(
        r#"{{"code":{code},"signal":{signal},"started_ms":{started_ms},"ended_ms":{ended_ms},"boot_id":"{boot}","oom_kills":{oom_kills},"memory_peak_bytes":{peak_bytes},"memory_limit_bytes":{limit_bytes}}}"#
    );
    files::write(&plan.dir.join("exit.json"), record.as_bytes())
}

/// When a process was started, in clock ticks since the boot: with the number it names one process of this boot.
pub(crate) fn start_ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; the fields after it are counted from 3.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(19)?.parse().ok()
}
