//! Version 1: one tree for each of cpu, memory and pids.

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::{CPU_PERIOD_US, Cgroups, Group, Limits, PIDS_MAX, make, names_in, set};

/// Groups of version 1.
#[derive(Debug)]
pub(crate) struct V1 {
    root: PathBuf,
    instance: String,
}

impl V1 {
    pub(crate) fn new(root: &Path, instance: &str) -> Self {
        Self {
            root: root.to_owned(),
            instance: instance.to_owned(),
        }
    }

    fn folder(&self, controller: &str, name: &str) -> PathBuf {
        self.root
            .join(controller)
            .join("quire")
            .join(&self.instance)
            .join(name)
    }

    /// On the hybrid layout version 2 is mounted beside, without controllers, but with its way to end a tree.
    fn unified(&self, name: &str) -> Option<PathBuf> {
        let mounted = self.root.join("unified/cgroup.procs").is_file();
        mounted.then(|| self.folder("unified", name))
    }
}

impl Cgroups for V1 {
    fn group(&self, name: &str) -> Group {
        let memory = self.folder("memory", name);
        let unified = self.unified(name);
        let mut folders = vec![
            self.folder("cpu", name),
            memory.clone(),
            self.folder("pids", name),
        ];
        folders.extend(unified.clone());
        Group {
            folders,
            memory_limit: memory.join("memory.limit_in_bytes"),
            memory_used: memory.join("memory.usage_in_bytes"),
            memory_events: memory.join("memory.oom_control"),
            memory_peak: memory.join("memory.max_usage_in_bytes"),
            cpu_stat: unified.as_ref().map(|folder| folder.join("cpu.stat")),
            kill: unified.map(|folder| folder.join("cgroup.kill")),
        }
    }

    fn create(&self, name: &str, limits: Limits) -> io::Result<Group> {
        let group = self.group(name);
        group.folders.iter().try_for_each(|folder| make(folder))?;
        let cpu = self.folder("cpu", name);
        set(&cpu, "cpu.cfs_period_us", CPU_PERIOD_US)?;
        set(
            &cpu,
            "cpu.cfs_quota_us",
            limits
                .cpu_quota_us()
                .map_or("-1".to_owned(), |quota| quota.to_string()),
        )?;
        set(&cpu, "cpu.shares", if limits.yields { 2 } else { 1_024 })?;
        if limits.memory_mib > 0 {
            let memory = self.folder("memory", name);
            // Only where swap is counted; there it must not stretch the limit. It may never be the lower of the two, so it
            // goes up before and down after the other.
            let with_swap = || {
                let file = "memory.memsw.limit_in_bytes";
                set(&memory, file, limits.memory_bytes()).ok()
            };
            with_swap();
            set(&memory, "memory.limit_in_bytes", limits.memory_bytes())?;
            with_swap();
        }
        set(&self.folder("pids", name), "pids.max", PIDS_MAX)?;
        Ok(group)
    }

    fn names(&self) -> Vec<String> {
        names_in(&self.folder("memory", ""))
    }

    fn leave(&self) {
        for folder in self.group("").folders {
            fs::remove_dir(folder).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_go_to_the_tree_of_each_controller() {
        let root = tempfile::tempdir().unwrap();
        let v1 = V1::new(root.path(), "i");
        let group = v1
            .create(
                "at-1",
                Limits {
                    milli_cores: 1_500,
                    memory_mib: 2,
                    yields: false,
                },
            )
            .unwrap();
        let read = |path: &str| fs::read_to_string(root.path().join(path)).unwrap();
        assert_eq!(read("cpu/quire/i/at-1/cpu.cfs_quota_us"), "150000");
        assert_eq!(read("cpu/quire/i/at-1/cpu.shares"), "1024");
        assert_eq!(read("memory/quire/i/at-1/memory.limit_in_bytes"), "2097152");
        assert_eq!(read("pids/quire/i/at-1/pids.max"), "4096");
        assert_eq!((group.kill, group.folders.len()), (None, 3));
        assert_eq!(v1.names(), ["at-1"]);

        fs::create_dir(root.path().join("unified")).unwrap();
        fs::write(root.path().join("unified/cgroup.procs"), "").unwrap();
        let kill = root.path().join("unified/quire/i/at-1/cgroup.kill");
        assert_eq!(v1.group("at-1").kill, Some(kill));
    }
}
