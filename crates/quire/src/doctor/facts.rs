//! What doctor looks at, and how it is looked at. What it means is said by the rules.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::holder::{Holder, holder_of};

/// A program that Quire calls: its name and the option at which it does no more than answer.
pub(super) const PROGRAMS: [(&str, &str); 8] = [
    ("nats-server", "--version"),
    ("uv", "--version"),
    ("python3", "--version"),
    ("bwrap", "--version"),
    ("nft", "--version"),
    ("ip", "-V"),
    ("setpriv", "--version"),
    ("git", "--version"),
];

/// How many ports above one that is taken are tried for a free one.
const PORTS_TRIED: u16 = 100;

/// What was found on a machine.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// This process is root's.
    pub(super) root: bool,
    /// Those of [`PROGRAMS`] that do not answer.
    pub(super) missing: Vec<&'static str>,
    /// OpenSSH's server is there; it need not run.
    pub(super) ssh_server: bool,
    pub(super) namespaces: Namespaces,
    pub(super) groups: Groups,
    pub(super) disk: Disk,
    pub(super) gpu: Gpu,
    /// One an address, in the order in which they were asked for.
    pub(super) ports: Vec<Port>,
}

/// What the kernel says of namespaces; absent is what this kernel has no switch for.
#[derive(Clone, Debug)]
pub(super) struct Namespaces {
    /// `user.max_user_namespaces`.
    pub(super) max_user: Option<u64>,
    /// `kernel.unprivileged_userns_clone`, of Debian's kernels.
    pub(super) unprivileged_clone: Option<u64>,
    /// `kernel.apparmor_restrict_unprivileged_userns`, of Ubuntu's.
    pub(super) apparmor_restricts: Option<u64>,
    /// What bwrap said when it could not make a sandbox.
    pub(super) refused: Option<String>,
}

/// Control groups, which limit what workloads use.
#[derive(Clone, Debug)]
pub(super) struct Groups {
    /// Controllers that can be used.
    pub(super) controllers: Vec<String>,
    /// Mounted for reading only.
    pub(super) read_only: bool,
}

/// Where the data will lie.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    /// The folder, or the nearest one above it that is there.
    pub(super) folder: PathBuf,
    /// `None` where it cannot be told.
    pub(super) free_gib: Option<u64>,
    /// The mounted file system with the most free space, and how much that is in GiB.
    pub(super) roomiest: Option<(PathBuf, u64)>,
}

/// What there is of NVIDIA's.
#[derive(Clone, Debug)]
pub(super) struct Gpu {
    /// A GPU is plugged in.
    pub(super) plugged_in: bool,
    /// The kernel's half of the driver is loaded.
    pub(super) device: bool,
    /// The library through which GPUs are seen is there.
    pub(super) library: bool,
    /// First number of the loaded driver's version, such as 535.
    pub(super) major: Option<u32>,
    /// The machine runs Ubuntu, whose packages have other names than Debian's.
    pub(super) ubuntu: bool,
}

/// An address that Quire is to listen on.
#[derive(Clone, Debug)]
pub(super) struct Port {
    /// The option that names another one, such as `--gateway`.
    pub(super) option: &'static str,
    pub(super) address: SocketAddr,
    /// Why it cannot be used, and who has it.
    pub(super) refused: Option<(String, Option<Holder>)>,
    /// A port of the same address that is free.
    pub(super) free: Option<u16>,
}

/// Looks at everything.
pub(super) fn look(data_dir: &Path, addresses: &[(&'static str, SocketAddr)]) -> Facts {
    let answers = PROGRAMS.map(|(name, option)| (name, answers(name, option)));
    Facts {
        root: rustix::process::geteuid().is_root(),
        missing: answers
            .into_iter()
            .filter_map(|(name, there)| (!there).then_some(name))
            .collect(),
        ssh_server: agent::has_ssh_server(),
        namespaces: namespaces(),
        groups: groups(Path::new("/sys/fs/cgroup")),
        disk: disk(data_dir),
        gpu: gpu(),
        ports: addresses
            .iter()
            .map(|(option, address)| port(option, *address))
            .collect(),
    }
}

fn answers(program: &str, option: &str) -> bool {
    let started = Command::new(program)
        .arg(option)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    started.is_ok_and(|status| status.success())
}

fn number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn namespaces() -> Namespaces {
    let trial = Command::new("bwrap")
        .args(["--unshare-all", "--ro-bind", "/", "/", "/bin/sh", "-c", ":"])
        .stdin(Stdio::null())
        .output();
    // One that cannot be called is told of among the programs.
    let refused = trial
        .ok()
        .filter(|output| !output.status.success())
        .map(|output| {
            let said = String::from_utf8_lossy(&output.stderr);
            said.lines().next().unwrap_or("no word why").to_owned()
        });
    Namespaces {
        max_user: number("/proc/sys/user/max_user_namespaces"),
        unprivileged_clone: number("/proc/sys/kernel/unprivileged_userns_clone"),
        apparmor_restricts: number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
        refused,
    }
}

/// Of version 2 where it is mounted whole, else of version 1, as the agent takes them.
fn groups(root: &Path) -> Groups {
    let writable = |folder: &Path| {
        rustix::fs::statvfs(folder)
            .is_ok_and(|stat| !stat.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
    };
    if let Ok(text) = fs::read_to_string(root.join("cgroup.controllers")) {
        return Groups {
            controllers: text.split_whitespace().map(str::to_owned).collect(),
            read_only: !writable(root),
        };
    }
    let mounted = ["cpu", "memory", "pids"].map(|name| (name, root.join(name)));
    let mounted: Vec<_> = mounted
        .into_iter()
        .filter(|(_, folder)| folder.join("cgroup.procs").is_file())
        .collect();
    Groups {
        read_only: mounted.iter().any(|(_, folder)| !writable(folder)),
        controllers: mounted
            .into_iter()
            .map(|(name, _)| name.to_owned())
            .collect(),
    }
}

fn free_gib(folder: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(folder).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize) >> 30)
}

fn disk(data_dir: &Path) -> Disk {
    // The folder itself may not be there yet.
    let folder = data_dir
        .ancestors()
        .find(|folder| folder.exists())
        .unwrap_or(Path::new("/"));
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let of_disks = mounts.lines().filter_map(|line| {
        let mut columns = line.split(' ');
        let (device, mounted) = (columns.next()?, columns.next()?);
        // Names with spaces are escaped there; such a one is not proposed.
        (device.starts_with("/dev/") && !mounted.contains('\\')).then(|| PathBuf::from(mounted))
    });
    Disk {
        folder: folder.to_owned(),
        free_gib: free_gib(folder),
        roomiest: of_disks
            .filter(|mounted| mounted.is_dir())
            .filter_map(|mounted| free_gib(&mounted).map(|free| (mounted, free)))
            .max_by_key(|(_, free)| *free),
    }
}

/// NVIDIA's number among makers of PCI devices, and the class of displays and 3D controllers.
const NVIDIA: &str = "0x10de";
const DISPLAY: &str = "0x03";

fn gpu() -> Gpu {
    let read = |path: PathBuf| fs::read_to_string(path).unwrap_or_default();
    let devices = fs::read_dir("/sys/bus/pci/devices").into_iter().flatten();
    let plugged_in = devices.flatten().map(|device| device.path()).any(|device| {
        read(device.join("vendor")).trim() == NVIDIA
            && read(device.join("class")).starts_with(DISPLAY)
    });
    let library = ["x86_64-linux-gnu", "aarch64-linux-gnu", ""].map(|of| {
        let folder = Path::new("/usr/lib").join(of);
        folder.join("libnvidia-ml.so.1").exists()
    });
    Gpu {
        plugged_in,
        device: Path::new("/dev/nvidiactl").exists(),
        library: library.contains(&true) || Path::new("/usr/lib64/libnvidia-ml.so.1").exists(),
        major: major(&read("/proc/driver/nvidia/version".into())),
        ubuntu: read("/etc/os-release".into())
            .lines()
            .any(|line| line == "ID=ubuntu"),
    }
}

/// `NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  …` -> 535.
fn major(version: &str) -> Option<u32> {
    let words = version.lines().next()?.split_whitespace();
    words
        .filter_map(|word| word.split_once('.'))
        .find_map(|(major, _)| major.parse().ok())
}

fn port(option: &'static str, address: SocketAddr) -> Port {
    let Err(error) = TcpListener::bind(address) else {
        return Port {
            option,
            address,
            refused: None,
            free: None,
        };
    };
    let above = (1..=PORTS_TRIED).filter_map(|step| address.port().checked_add(step * 10));
    Port {
        option,
        address,
        refused: Some((error.to_string(), holder_of(address))),
        free: above
            .into_iter()
            .find(|port| TcpListener::bind(SocketAddr::new(address.ip(), *port)).is_ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drivers_version_is_read() {
        let text = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024\nGCC version: 12.2.0\n";
        assert_eq!(major(text), Some(535));
        assert_eq!(major(""), None);
    }

    #[test]
    fn a_port_that_is_taken_is_told_with_its_holder_and_another_one() {
        for loopback in ["127.0.0.1:0", "[::1]:0"] {
            let taken = TcpListener::bind(loopback).unwrap();
            let found = port("--edge", taken.local_addr().unwrap());
            let (error, holder) = found.refused.unwrap();
            assert!(error.contains("in use"), "{error}");
            assert_eq!(holder.unwrap().pid, std::process::id());
            assert_ne!(found.free, Some(found.address.port()));
        }
    }

    #[test]
    fn groups_of_both_versions_are_read() {
        let root = tempfile::tempdir().unwrap();
        assert!(groups(root.path()).controllers.is_empty());
        for name in ["memory", "pids"] {
            fs::create_dir(root.path().join(name)).unwrap();
            fs::write(root.path().join(name).join("cgroup.procs"), "").unwrap();
        }
        assert_eq!(groups(root.path()).controllers, ["memory", "pids"]);
        fs::write(
            root.path().join("cgroup.controllers"),
            "cpuset cpu memory\n",
        )
        .unwrap();
        let found = groups(root.path());
        assert_eq!(found.controllers, ["cpuset", "cpu", "memory"]);
        assert!(!found.read_only);
    }
}
