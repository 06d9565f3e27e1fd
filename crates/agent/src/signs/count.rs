//! What one workload has used until now: read from its control group, its network and its processes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::Pid;

use super::watch::Counted;
use crate::machine::Gpus;
use crate::moment::up_ms;
use crate::runtime::process::cgroup::{Group, processes};

/// Established, in the kernel's list of connections.
const ESTABLISHED: &str = "01";

/// Counts for the workload in `group` with the GPUs `gpu_uuids`.
pub(crate) fn count(group: Option<&Group>, gpus: &Gpus, gpu_uuids: &[String]) -> Counted {
    let pids = group.map(processes).unwrap_or_default();
    let cpu = group.and_then(|group| group.cpu_stat.as_deref());
    Counted {
        at_ms: up_ms(),
        cpu_us: cpu.and_then(cpu_us),
        network: own_network(&pids).and_then(|folder| network(&folder)),
        gpu: (!gpu_uuids.is_empty()).then(|| gpus.use_percent(gpu_uuids)),
        programs: group.map(|_| programs(&pids)),
    }
}

/// `usage_usec` of a group.
fn cpu_us(file: &Path) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("usage_usec "))?;
    line.trim().parse().ok()
}

/// Memory of a group without files that were read and can be dropped at once, as container engines count it.
pub(crate) fn memory_bytes(group: &Group) -> Option<u64> {
    let text = fs::read_to_string(&group.memory_used).ok()?;
    let used: u64 = text.trim().parse().ok()?;
    let stat = group.memory_used.with_file_name("memory.stat");
    let stat = fs::read_to_string(stat).unwrap_or_default();
    let droppable = stat.lines().find_map(|line| {
        // Of version 1, with those of groups below; of version 2.
        let inactive = line.strip_prefix("total_inactive_file ");
        let inactive = inactive.or_else(|| line.strip_prefix("inactive_file "));
        inactive?.trim().parse::<u64>().ok()
    });
    Some(used.saturating_sub(droppable.unwrap_or(0)))
}

/// Where the network of these processes is told of, unless it is the host's.
fn own_network(pids: &[Pid]) -> Option<PathBuf> {
    let host = fs::read_link("/proc/self/ns/net").ok()?;
    pids.iter()
        .map(|pid| PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero())))
        .find(|process| fs::read_link(process.join("ns/net")).is_ok_and(|own| own != host))
        .map(|process| process.join("net"))
}

/// Bytes over all links but the loopback, on which a kernel talks with its server, and open connections that leave it.
fn network(folder: &Path) -> Option<(u64, usize)> {
    let bytes = fs::read_to_string(folder.join("dev")).ok()?;
    let tables = ["tcp", "tcp6"].map(|table| fs::read_to_string(folder.join(table)));
    let tables = tables.iter().flatten();
    Some((
        link_bytes(&bytes),
        tables.map(|table| outside_connections(table)).sum(),
    ))
}

/// Received and sent bytes of `/proc/net/dev`.
fn link_bytes(text: &str) -> u64 {
    let links = text.lines().filter_map(|line| line.split_once(':'));
    links
        .filter(|(name, _)| name.trim() != "lo")
        .flat_map(|(_, numbers)| {
            let numbers: Vec<u64> = numbers
                .split_whitespace()
                .filter_map(|number| number.parse().ok())
                .collect();
            [numbers.first().copied(), numbers.get(8).copied()]
        })
        .flatten()
        .sum()
}

/// Established connections of `/proc/net/tcp` whose other end is not the workload itself.
fn outside_connections(text: &str) -> usize {
    let is_outside = |line: &&str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        matches!(words.as_slice(), [_, _, remote, state, ..] if *state == ESTABLISHED && !is_loopback(remote))
    };
    text.lines().skip(1).filter(is_outside).count()
}

/// Whether `address:port`, in hexadecimal words of the machine's order, is this network's own.
fn is_loopback(remote: &str) -> bool {
    let address = remote.split(':').next().unwrap_or_default();
    let of_version_4 = |word: &str| word.ends_with("7F");
    match address.len() {
        8 => of_version_4(address),
        _ => {
            let mapped = address.strip_prefix("0000000000000000FFFF0000");
            mapped.map_or(address == "00000000000000000000000001000000", of_version_4)
        }
    }
}

/// Programs that people have begun: those that have a terminal, except what leads its session (shells that wait for their people),
/// and those that ssh runs without one.
fn programs(pids: &[Pid]) -> Vec<String> {
    let stat = |pid: &Pid| fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok();
    let stats: Vec<_> = pids.iter().filter_map(stat).collect();
    begun_by_people(stats.iter().map(String::as_str))
}

/// One process, as `/proc/PID/stat` tells of it (proc(5)).
#[derive(Clone, Copy, Debug)]
struct Process<'a> {
    pid: &'a str,
    name: &'a str,
    parent: &'a str,
    session: &'a str,
    /// "0" = none.
    terminal: &'a str,
}

impl<'a> Process<'a> {
    fn read(stat: &'a str) -> Option<Self> {
        let (head, tail) = stat.rsplit_once(')')?;
        let (pid, name) = head.split_once(" (")?;
        let mut words = tail.split_whitespace().skip(1);
        let parent = words.next()?;
        let (session, terminal) = (words.nth(1)?, words.next()?);
        Some(Self {
            pid,
            name,
            parent,
            session,
            terminal,
        })
    }

    /// It serves a visit by ssh: "sshd", and "sshd-session" from OpenSSH 9.8 on.
    fn serves_ssh(&self) -> bool {
        self.name.starts_with("sshd")
    }
}

fn begun_by_people<'a>(stats: impl Iterator<Item = &'a str>) -> Vec<String> {
    let processes: Vec<_> = stats.filter_map(Process::read).collect();
    let servers: BTreeSet<_> = processes
        .iter()
        .filter(|process| process.serves_ssh())
        .map(|process| process.pid)
        .collect();
    let counts = |process: &&Process<'_>| match process.terminal {
        "0" => servers.contains(process.parent) && !process.serves_ssh(),
        _ => process.session != process.pid,
    };
    let found: BTreeSet<_> = processes
        .iter()
        .filter(counts)
        .map(|process| process.name.to_owned())
        .collect();
    found.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_can_be_dropped_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let group = Group {
            folders: Vec::new(),
            memory_limit: file("memory.max"),
            memory_used: file("memory.current"),
            memory_events: file("memory.events"),
            memory_peak: file("memory.peak"),
            cpu_stat: None,
            kill: None,
        };
        assert_eq!(memory_bytes(&group), None);
        fs::write(file("memory.current"), "5000\n").unwrap();
        assert_eq!(memory_bytes(&group), Some(5_000));
        fs::write(file("memory.stat"), "anon 1\ninactive_file 1500\n").unwrap();
        assert_eq!(memory_bytes(&group), Some(3_500));
        let both = "inactive_anon 7\ntotal_inactive_file 6000\n";
        fs::write(file("memory.stat"), both).unwrap();
        assert_eq!(memory_bytes(&group), Some(0));
    }

    #[test]
    fn links_are_added_without_the_loopback() {
        let text = "Inter-|   Receive                                                |  Transmit\n \
             face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n    \
             lo: 9999       9    0    0    0     0          0         0     9999       9    0    0    0     0       0          0\n  \
             eth0: 1000      10    0    0    0     0          0         0      200       2    0    0    0     0       0          0\n";
        assert_eq!(link_bytes(text), 1_200);
    }

    #[test]
    fn connections_to_itself_are_none_to_the_outside() {
        let text = "  sl  local_address rem_address   st tx_queue rx_queue\n   \
             0: 0100007F:1F90 00000000:0000 0A 00000000:00000000\n   \
             1: 0100007F:1F90 0100007F:C350 01 00000000:00000000\n   \
             2: 0200E70A:C351 08080808:01BB 01 00000000:00000000\n   \
             3: 0200E70A:C352 08080808:01BB 06 00000000:00000000\n";
        assert_eq!(outside_connections(text), 1);
        for own in [
            "0100007F:1F90",
            "00000000000000000000000001000000:1F90",
            "0000000000000000FFFF00000100007F:1F90",
        ] {
            assert!(is_loopback(own), "{own}");
        }
        assert!(!is_loopback("0000000000000000FFFF000008080808:01BB"));
        assert!(!is_loopback("B80D0120000000000000000001000000:01BB"));
    }

    #[test]
    fn a_shell_that_waits_is_no_program() {
        let stat = |pid: u32, name: &str, parent: u32, session: u32, terminal: u32| {
            format!("{pid} ({name}) S {parent} {pid} {session} {terminal} -1 4194304")
        };
        let begun = |stats: &[String]| begun_by_people(stats.iter().map(String::as_str));
        let shell = stat(7, "bash", 1, 7, 34_816);
        assert!(begun(std::slice::from_ref(&shell)).is_empty());
        assert!(begun(&[stat(9, "python3", 1, 9, 0)]).is_empty());
        assert_eq!(begun(&[shell, stat(9, "a) (b", 7, 7, 34_816)]), ["a) (b"]);
    }

    #[test]
    fn what_ssh_runs_counts_and_the_visit_itself_does_not() {
        let stat = |pid: u32, name: &str, parent: u32, session: u32, terminal: u32| {
            format!("{pid} ({name}) S {parent} {pid} {session} {terminal} -1 4194304")
        };
        let visit = [
            stat(10, "sshd", 1, 10, 0),
            stat(11, "sshd", 10, 10, 0),
            stat(20, "sshd-session", 1, 20, 0),
            // The shell at a prompt, at a terminal of its own.
            stat(12, "bash", 11, 12, 34_817),
        ];
        let begun = |more: &[String]| {
            let all: Vec<_> = visit.iter().chain(more).map(String::as_str).collect();
            begun_by_people(all.into_iter())
        };
        assert!(begun(&[]).is_empty());
        assert_eq!(begun(&[stat(13, "rsync", 11, 13, 0)]), ["rsync"]);
        assert_eq!(begun(&[stat(21, "sh", 20, 21, 0)]), ["sh"]);
    }
}
