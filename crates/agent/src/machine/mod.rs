//! What this machine has.

mod disk;
mod gpu;
mod model;

use std::fs;

use contracts::inventory::v1::Hardware;

pub(crate) use self::disk::Disk;
pub(crate) use self::gpu::Gpus;

/// What workloads can have of this machine: its processors, its memory less `reserve_mib`, and `disk_gib` of its disk.
pub(crate) fn hardware(gpus: &Gpus, disk_gib: u32, reserve_mib: u32) -> Hardware {
    // Respects affinity and the quota of the control group that the agent itself is in.
    let cores = std::thread::available_parallelism()
        .map_or(1, |count| u32::try_from(count.get()).unwrap_or(u32::MAX));
    Hardware {
        milli_cores: cores.saturating_mul(1_000),
        memory_mib: memory_mib().saturating_sub(reserve_mib),
        disk_gib,
        gpus: gpus.list(),
    }
}

/// Memory of the machine, or of the container that the agent is in.
fn memory_mib() -> u32 {
    let limits = [
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ];
    let container = limits
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok())
        .min();
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let machine = total_memory_bytes(&meminfo).unwrap_or(0);
    let bytes = container.map_or(machine, |container| container.min(machine));
    u32::try_from(bytes >> 20).unwrap_or(u32::MAX)
}

fn total_memory_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

/// The host's own name.
pub(crate) fn host_name() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_something() {
        assert_eq!(
            total_memory_bytes("MemTotal:       1024 kB\nMemFree: 1 kB\n"),
            Some(1 << 20)
        );
        assert_eq!(total_memory_bytes("MemFree: 1 kB\n"), None);
        let hardware = hardware(&Gpus::open(0), 7, 64);
        assert!(
            hardware.milli_cores >= 1_000 && hardware.memory_mib > 0,
            "{hardware:?}"
        );
    }
}
