//! What a shim is told on its command line. The agent writes it with [`Plan::into_args`] and the shim reads it back.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::{fs, io};

use super::memory::Memory;

/// Control groups of version 1 have no word for no limit: they name the largest number of whole pages.
const UNLIMITED: u64 = 1 << 62;

/// What to run, and where to look when it ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The attempt's folder.
    pub(crate) dir: PathBuf,
    /// Size of one of the two log files.
    pub(crate) log_bytes: u64,
    /// File with the memory that the workload may use, in bytes. Looked at when it ends: limits may change until then.
    pub(crate) memory_limit: Option<PathBuf>,
    /// File that counts processes killed for memory, in a line `oom_kill N`.
    pub(crate) memory_events: Option<PathBuf>,
    /// File with the highest use of memory in bytes.
    pub(crate) memory_peak: Option<PathBuf>,
    /// File that ends what is left when `1` is written to it.
    pub(crate) kill: Option<PathBuf>,
    /// The program.
    pub(crate) program: OsString,
    /// Its arguments.
    pub(crate) args: Vec<OsString>,
}

impl Plan {
    /// The arguments that [`Plan::parse`] understands.
    pub(crate) fn into_args(self) -> Vec<OsString> {
        let mut args = vec![self.dir.into_os_string()];
        let mut add = |name: &str, value: OsString| args.extend([name.into(), value]);
        add("--log-bytes", self.log_bytes.to_string().into());
        let files = [
            ("--memory-limit", self.memory_limit),
            ("--memory-events", self.memory_events),
            ("--memory-peak", self.memory_peak),
            ("--kill", self.kill),
        ];
        for (name, file) in files {
            if let Some(file) = file {
                add(name, file.into_os_string());
            }
        }
        args.extend(["--".into(), self.program]);
        args.extend(self.args);
        args
    }

    /// Reads arguments back.
    pub(super) fn parse(args: impl IntoIterator<Item = OsString>) -> io::Result<Self> {
        let mut args = args.into_iter();
        let dir = args.next().ok_or_else(|| wrong(OsStr::new("folder")))?;
        let mut plan = Self {
            dir: dir.into(),
            ..Self::default()
        };
        while let Some(name) = args.next() {
            let value = args.next().ok_or_else(|| wrong(&name))?;
            match name.to_str() {
                Some("--log-bytes") => plan.log_bytes = number(&value)?,
                Some("--memory-limit") => plan.memory_limit = Some(value.into()),
                Some("--memory-events") => plan.memory_events = Some(value.into()),
                Some("--memory-peak") => plan.memory_peak = Some(value.into()),
                Some("--kill") => plan.kill = Some(value.into()),
                Some("--") => {
                    plan.program = value;
                    plan.args = args.collect();
                    return Ok(plan);
                }
                _ => return Err(wrong(&name)),
            }
        }
        Err(wrong(OsStr::new("--")))
    }

    /// What the workload's memory is like now.
    pub(super) fn memory(&self) -> Memory {
        let (events, peak) = (self.memory_events.as_deref(), self.memory_peak.as_deref());
        Memory::read(events, peak, self.memory_limit())
    }

    /// Memory that the workload might use, in bytes; 0 = it was not limited.
    fn memory_limit(&self) -> u64 {
        let limit = bytes_in(self.memory_limit.as_ref());
        limit.filter(|limit| *limit < UNLIMITED).unwrap_or(0)
    }
}

/// The number in a file; `None` where it holds a word, such as `max`.
fn bytes_in(file: Option<&PathBuf>) -> Option<u64> {
    fs::read_to_string(file?).ok()?.trim().parse().ok()
}

fn number(value: &OsStr) -> io::Result<u64> {
    value
        .to_str()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| wrong(value))
}

fn wrong(argument: &OsStr) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("unexpected or missing argument {argument:?}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_understood() {
        let plan = Plan {
            dir: "/d".into(),
            log_bytes: 7,
            memory_limit: Some("/l".into()),
            memory_events: Some("/e".into()),
            memory_peak: None,
            kill: Some("/k".into()),
            program: "sh".into(),
            args: vec!["-c".into(), "--kill".into()],
        };
        assert_eq!(Plan::parse(plan.clone().into_args()).unwrap(), plan);
        for wrong in [
            vec![],
            vec!["/d"],
            vec!["/d", "--log-bytes", "x", "--", "sh"],
            vec!["/d", "--what", "1", "--", "sh"],
        ] {
            assert!(
                Plan::parse(wrong.iter().map(OsString::from)).is_err(),
                "{wrong:?}"
            );
        }
    }

    #[test]
    fn both_kinds_of_no_limit_are_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("limit");
        let plan = Plan {
            memory_limit: Some(file.clone()),
            ..Plan::default()
        };
        for (text, limit) in [
            ("67108864\n", 64 << 20),
            ("max\n", 0),
            ("9223372036854771712\n", 0),
        ] {
            fs::write(&file, text).unwrap();
            assert_eq!(plan.memory_limit(), limit, "{text}");
        }
        assert_eq!(Plan::default().memory_limit(), 0);
    }
}
