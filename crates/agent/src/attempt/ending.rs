//! From how a process ended to how its attempt ended: whose fault, and why, in words.

use contracts::scheduler::v1::{AttemptEnd, Fault};
use serde::{Deserialize, Serialize};

use crate::runtime::{Ending, Exit, Memory};

/// Signal that nothing survives, and the exit code by which shells pass it on.
const SIGKILL: i32 = 9;
const SHELL_SIGNAL: i32 = 128;

/// How and why an attempt ended or shall end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct End {
    /// Number of the [`AttemptEnd`].
    pub(crate) end: i32,
    /// Number of the [`Fault`].
    pub(crate) fault: i32,
    /// In words.
    pub(crate) reason: String,
}

impl End {
    pub(crate) fn new(end: AttemptEnd, fault: Fault, reason: impl Into<String>) -> Self {
        Self {
            end: end.into(),
            fault: fault.into(),
            reason: reason.into(),
        }
    }

    /// The platform's fault.
    pub(crate) fn broken(reason: impl Into<String>) -> Self {
        Self::new(AttemptEnd::Failed, Fault::Platform, reason)
    }

    /// As somebody wished.
    pub(crate) fn stopped(reason: impl Into<String>) -> Self {
        Self::new(AttemptEnd::Stopped, Fault::Unspecified, reason)
    }
}

/// How an attempt that nobody stopped has ended; `tail` is the end of its log.
pub(super) fn end_of(ending: &Ending, tail: &str) -> End {
    match ending {
        Ending::Exited(exit) => of_exit(exit, tail),
        Ending::NotBegun => End::broken(with_log("the sandbox could not be made", tail)),
        Ending::ShimLost => End::broken("its shim was killed, and the workload with it"),
        Ending::Rebooted => End::broken("the machine was booted while it ran"),
    }
}

fn of_exit(exit: &Exit, tail: &str) -> End {
    let killed = exit.signal == Some(SIGKILL) || exit.code == Some(SHELL_SIGNAL + SIGKILL);
    if killed && exit.oom_kills > 0 {
        let reason = out_of_memory(exit.memory_limit_bytes, exit.memory_peak_bytes);
        return End::new(AttemptEnd::Failed, Fault::User, reason);
    }
    let what = match (exit.code, exit.signal) {
        (Some(0), _) => {
            return End::new(
                AttemptEnd::Completed,
                Fault::Unspecified,
                "it ended by itself",
            );
        }
        (Some(code), _) if (SHELL_SIGNAL + 1..SHELL_SIGNAL + 65).contains(&code) => {
            format!("ended by signal {}", code - SHELL_SIGNAL)
        }
        (Some(code), _) => format!("exit code {code}"),
        (None, signal) => format!("ended by signal {}", signal.unwrap_or(0)),
    };
    End::new(AttemptEnd::Failed, Fault::User, with_log(&what, tail))
}

/// What is said of a workload that goes on when processes of it were killed for memory: of a notebook whose kernel was, which
/// Jupyter begins anew without a word.
pub(super) fn killed_within(memory: Memory) -> String {
    let what = out_of_memory(memory.limit_bytes, memory.peak_bytes);
    let ended = match memory.oom_kills {
        1 => "a process was ended".to_owned(),
        kills => format!("{kills} processes were ended so far"),
    };
    format!("{what}; {ended}, the rest goes on")
}

/// That there was not enough memory, in words.
fn out_of_memory(limit_bytes: u64, peak_bytes: u64) -> String {
    let (limit, peak) = (limit_bytes >> 20, peak_bytes >> 20);
    format!("out of memory: limit {limit} MiB, peak {peak} MiB")
}

fn with_log(what: &str, tail: &str) -> String {
    if tail.is_empty() {
        what.to_owned()
    } else {
        format!("{what}; its log ends: {tail}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(code: Option<i32>, signal: Option<i32>, oom_kills: u64) -> Ending {
        Ending::Exited(Exit {
            code,
            signal,
            started_ms: 0,
            ended_ms: 1,
            boot_id: String::new(),
            oom_kills,
            memory_peak_bytes: (2_047 << 20) + 5,
            memory_limit_bytes: 2_048 << 20,
        })
    }

    #[test]
    fn ends_name_the_fault() {
        let table = [
            (
                exit(Some(0), None, 0),
                AttemptEnd::Completed,
                Fault::Unspecified,
                "it ended by itself",
            ),
            (
                exit(Some(0), None, 3),
                AttemptEnd::Completed,
                Fault::Unspecified,
                "it ended by itself",
            ),
            (
                exit(Some(3), None, 0),
                AttemptEnd::Failed,
                Fault::User,
                "exit code 3; its log ends: oops",
            ),
            (
                exit(Some(139), None, 0),
                AttemptEnd::Failed,
                Fault::User,
                "ended by signal 11; its log ends: oops",
            ),
            (
                exit(None, Some(9), 0),
                AttemptEnd::Failed,
                Fault::User,
                "ended by signal 9; its log ends: oops",
            ),
            (
                exit(Some(137), None, 1),
                AttemptEnd::Failed,
                Fault::User,
                "out of memory: limit 2048 MiB, peak 2047 MiB",
            ),
            (
                exit(None, Some(9), 1),
                AttemptEnd::Failed,
                Fault::User,
                "out of memory: limit 2048 MiB, peak 2047 MiB",
            ),
            // One process was killed for memory, and the workload ended later for another reason.
            (
                exit(Some(1), None, 1),
                AttemptEnd::Failed,
                Fault::User,
                "exit code 1; its log ends: oops",
            ),
            (
                Ending::ShimLost,
                AttemptEnd::Failed,
                Fault::Platform,
                "its shim was killed, and the workload with it",
            ),
            (
                Ending::NotBegun,
                AttemptEnd::Failed,
                Fault::Platform,
                "the sandbox could not be made; its log ends: oops",
            ),
        ];
        for (ending, end, fault, reason) in table {
            assert_eq!(
                end_of(&ending, "oops"),
                End::new(end, fault, reason),
                "{ending:?}"
            );
        }
        assert_eq!(end_of(&exit(Some(3), None, 0), "").reason, "exit code 3");
    }
}
