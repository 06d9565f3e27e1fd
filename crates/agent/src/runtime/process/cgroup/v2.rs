//! Version 2: one tree for all.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::{CPU_PERIOD_US, Cgroups, Group, Limits, PIDS_MAX, make, names_in, set};

/// What must be handed down from the root to a workload's group.
const CONTROLLERS: &str = "+cpu +memory +pids";

/// Where processes go that were in a folder which hands controllers down.
const LEAF: &str = "init";
/// How often they are moved before it is given up.
const VACATED_AT_MOST: u32 = 10;

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

/// Lets the groups below `folder` have controllers. A folder with processes of its own may not do that (kernel documentation, "Control
/// Group v2", No Internal Process Constraint), such as the root that a container sees: they move into a leaf first. Some may be born
/// meanwhile.
fn hand_down(folder: &Path, controllers: &str) -> io::Result<()> {
    for _ in 0..VACATED_AT_MOST {
        match set(folder, "cgroup.subtree_control", controllers) {
            Err(error) if error.kind() == ErrorKind::ResourceBusy => vacate(folder)?,
            done => return done,
        }
    }
    set(folder, "cgroup.subtree_control", controllers)
}

/// Moves the processes of `folder` itself into a leaf.
fn vacate(folder: &Path) -> io::Result<()> {
    let leaf = folder.join(LEAF);
    make(&leaf)?;
    for pid in fs::read_to_string(folder.join("cgroup.procs"))?.lines() {
        // One that has ended meanwhile need not move, and one of the kernel's own cannot.
        set(&leaf, "cgroup.procs", pid).ok();
    }
    Ok(())
}

impl Cgroups for V2 {
    fn group(&self, name: &str) -> Group {
        let folder = self.parent().join(name);
        Group {
            memory_limit: folder.join("memory.max"),
            memory_used: folder.join("memory.current"),
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
            hand_down(folder, CONTROLLERS)?;
        }
        let folder = self.parent().join(name);
        make(&folder)?;
        let quota = limits
            .cpu_quota_us()
            .map_or("max".to_owned(), |quota| quota.to_string());
        set(&folder, "cpu.max", format!("{quota} {CPU_PERIOD_US}"))?;
        set(&folder, "cpu.weight", if limits.yields { 1 } else { 100 })?;
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

    /// A group of the real kernel, as a child of the root, that may have `controller`; the tree is left as it was found.
    struct Real {
        folder: PathBuf,
        controller: &'static str,
    }

    impl Real {
        /// `None` where there is no version 2 tree whose controllers this process may use.
        fn make() -> Option<Self> {
            let roots = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(Path::new);
            let (root, there) = roots.into_iter().find_map(|root| {
                let there = fs::read_to_string(root.join("cgroup.controllers")).ok()?;
                Some((root, there))
            })?;
            // One that cannot be handed down by a group with processes, and that limits nothing here.
            let controller = ["hugetlb", "misc", "rdma"]
                .into_iter()
                .find(|name| there.split_whitespace().any(|one| one == *name))?;
            set(root, "cgroup.subtree_control", format!("+{controller}")).ok()?;
            let folder = root.join(format!("quire-trial-{}", std::process::id()));
            make(&folder).unwrap();
            Some(Self { folder, controller })
        }
    }

    impl Drop for Real {
        fn drop(&mut self) {
            fs::remove_dir(self.folder.join(LEAF)).ok();
            fs::remove_dir(&self.folder).ok();
            let root = self.folder.parent().unwrap();
            set(
                root,
                "cgroup.subtree_control",
                format!("-{}", self.controller),
            )
            .ok();
        }
    }

    #[test]
    fn a_real_group_with_processes_hands_controllers_down() {
        let Some(real) = Real::make() else {
            eprintln!("skipped: this machine has no version 2 group to try it in");
            return;
        };
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        set(&real.folder, "cgroup.procs", child.id()).unwrap();
        let controllers = format!("+{}", real.controller);
        let refused = set(&real.folder, "cgroup.subtree_control", &controllers).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ResourceBusy, "{refused}");

        let handed = hand_down(&real.folder, &controllers);
        let moved = fs::read_to_string(real.folder.join(LEAF).join("cgroup.procs"));
        child.kill().unwrap();
        child.wait().unwrap();
        handed.unwrap();
        assert_eq!(moved.unwrap().trim(), child.id().to_string());
    }

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
                    yields: true,
                },
            )
            .unwrap();
        let read = |path: &str| fs::read_to_string(root.path().join(path)).unwrap();
        assert_eq!(read("quire/i/at-1/cpu.max"), "25000 100000");
        assert_eq!(read("quire/i/at-1/cpu.weight"), "1");
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
                yields: false,
            },
        )
        .unwrap();
        assert_eq!(read("quire/i/at-1/cpu.max"), "max 100000");
        assert_eq!(read("quire/i/at-1/cpu.weight"), "100");
    }
}
