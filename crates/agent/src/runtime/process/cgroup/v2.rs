//! Version 2: one tree for all.

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::{CPU_PERIOD_US, Cgroups, Group, Limits, PIDS_MAX, make, names_in, set};

/// What must be handed down from the root to a workload's group.
const CONTROLLERS: &str = "+cpu +memory +pids";

/// Groups of version 2.
#[derive(Debug)]
pub(crate) struct V2 {
    root: PathBuf,
    instance: String,
}

impl V2 {
    pub(crate) fn new(root: &Path, instance: &str) -> Self {
        Self {
            root: root.to_owned(),
            instance: instance.to_owned(),
        }
    }

    fn parent(&self) -> PathBuf {
        self.root.join("quire").join(&self.instance)
    }
}

impl Cgroups for V2 {
    fn group(&self, name: &str) -> Group {
        let folder = self.parent().join(name);
        Group {
            memory_events: folder.join("memory.events"),
            memory_peak: folder.join("memory.peak"),
            cpu_stat: Some(folder.join("cpu.stat")),
            kill: Some(folder.join("cgroup.kill")),
            folders: vec![folder],
        }
    }

    fn create(&self, name: &str, limits: Limits) -> io::Result<Group> {
        make(&self.parent())?;
        for folder in [&self.root, &self.root.join("quire"), &self.parent()] {
            set(folder, "cgroup.subtree_control", CONTROLLERS)?;
        }
        let folder = self.parent().join(name);
        make(&folder)?;
        let quota = limits
            .cpu_quota_us()
            .map_or("max".to_owned(), |quota| quota.to_string());
        set(&folder, "cpu.max", format!("{quota} {CPU_PERIOD_US}"))?;
        if limits.memory_mib > 0 {
            set(&folder, "memory.max", limits.memory_bytes())?;
            // Absent without swap; where there is swap it must not stretch the limit.
            set(&folder, "memory.swap.max", 0).ok();
        }
        set(&folder, "pids.max", PIDS_MAX)?;
        Ok(self.group(name))
    }

    fn names(&self) -> Vec<String> {
        names_in(&self.parent())
    }

    fn leave(&self) {
        fs::remove_dir(self.parent()).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_go_to_one_folder() {
        let root = tempfile::tempdir().unwrap();
        let v2 = V2::new(root.path(), "i");
        let group = v2
            .create(
                "at-1",
                Limits {
                    milli_cores: 250,
                    memory_mib: 1_024,
                },
            )
            .unwrap();
        let read = |path: &str| fs::read_to_string(root.path().join(path)).unwrap();
        assert_eq!(read("quire/i/at-1/cpu.max"), "25000 100000");
        assert_eq!(read("quire/i/at-1/memory.max"), "1073741824");
        assert_eq!(read("quire/i/at-1/pids.max"), "4096");
        assert_eq!(read("quire/i/cgroup.subtree_control"), CONTROLLERS);
        assert_eq!(group, v2.group("at-1"));
        assert_eq!(v2.names(), ["at-1"]);

        v2.create(
            "at-1",
            Limits {
                milli_cores: 0,
                memory_mib: 0,
            },
        )
        .unwrap();
        assert_eq!(read("quire/i/at-1/cpu.max"), "max 100000");
    }
}
