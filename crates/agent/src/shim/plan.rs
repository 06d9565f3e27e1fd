//! What a shim is told on its command line. The agent writes it with [`Plan::into_args`] and the shim reads it back.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;

use super::memory::Memory;

/// What to run, and where to look when it ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The attempt's folder.
    pub(crate) dir: PathBuf,
    /// Size of one of the two log files.
    pub(crate) log_bytes: u64,
    /// Memory that the workload may use; 0 = not limited.
    pub(crate) memory_limit: u64,
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
        add("--memory-limit", self.memory_limit.to_string().into());
        let files = [
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
                Some("--memory-limit") => plan.memory_limit = number(&value)?,
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
        Memory::read(events, peak, self.memory_limit)
    }
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
            memory_limit: 9,
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
}
