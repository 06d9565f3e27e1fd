//! What the kernel counts of a workload's memory, in the files of its control group.

use std::fs;
use std::path::Path;

/// How a workload does with the memory that it was given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// How many of its processes were killed for memory.
    pub(crate) oom_kills: u64,
    /// Most that it used at once, in bytes; 0 where the machine does not say.
    pub(crate) peak_bytes: u64,
    /// What it may use, in bytes; 0 = not limited.
    pub(crate) limit_bytes: u64,
}

impl Memory {
    /// Reads `events`, which has a line `oom_kill N`, and `peak`, which is a number. What is not there counts as 0.
    pub(crate) fn read(events: Option<&Path>, peak: Option<&Path>, limit_bytes: u64) -> Self {
        let text = |file: Option<&Path>| file.and_then(|file| fs::read_to_string(file).ok());
        let oom_kills = text(events)
            .unwrap_or_default()
            .lines()
            .find_map(|line| line.strip_prefix("oom_kill "))
            .and_then(|count| count.trim().parse().ok())
            .unwrap_or(0);
        let peak_bytes = text(peak).and_then(|text| text.trim().parse().ok());
        Self {
            oom_kills,
            peak_bytes: peak_bytes.unwrap_or(0),
            limit_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_events_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("events");
        let read = || {
            let memory = Memory::read(Some(&file), Some(&file), 7);
            (memory.oom_kills, memory.peak_bytes, memory.limit_bytes)
        };
        assert_eq!(read(), (0, 0, 7), "the group is gone");
        fs::write(&file, "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n").unwrap();
        assert_eq!(read(), (3, 0, 7));
        fs::write(&file, "low 0\nmax 8\noom 2\noom_kill 2\noom_group_kill 0\n").unwrap();
        assert_eq!(read(), (2, 0, 7));
        fs::write(&file, "4096\n").unwrap();
        assert_eq!(read(), (0, 4096, 7));
    }
}
