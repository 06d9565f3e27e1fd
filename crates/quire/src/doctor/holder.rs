//! Who listens on an address: the socket's inode in the kernel's tables, found among the open files of all processes.

use std::fs;
use std::net::{IpAddr, SocketAddr};

/// What the kernel's tables call a socket that listens.
const LISTENING: &str = "0A";

/// A process that listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) pid: u32,
    /// Its name, as the kernel has it.
    pub(super) name: String,
}

/// The process that listens on `address`, or everywhere on its port; `None` when there is none or this user may not see it.
pub(super) fn holder_of(address: SocketAddr) -> Option<Holder> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let inode = tables
        .into_iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .find_map(|table| inode(&table, address))?;
    let socket = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?.flatten();
    processes
        .filter_map(|process| {
            let pid = process.file_name().to_str()?.parse().ok()?;
            Some((pid, process.path()))
        })
        .find_map(|(pid, process)| {
            let mut files = fs::read_dir(process.join("fd")).ok()?.flatten();
            files.find(|file| {
                fs::read_link(file.path()).is_ok_and(|link| link.as_os_str() == socket.as_str())
            })?;
            let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
            Some(Holder {
                pid,
                name: name.trim().to_owned(),
            })
        })
}

/// The inode of the socket in a table of `/proc/net` that keeps others from listening on `address`.
fn inode(table: &str, address: SocketAddr) -> Option<u64> {
    table.lines().skip(1).find_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let (ip, port) = columns.get(1)?.split_once(':')?;
        let same_port = u16::from_str_radix(port, 16).ok()? == address.port();
        let listens = *columns.get(3)? == LISTENING;
        let ip = parse(ip)?;
        let in_the_way = ip.is_unspecified()
            || address.ip().is_unspecified()
            || ip.to_canonical() == address.ip().to_canonical();
        (same_port && listens && in_the_way).then(|| columns.get(9)?.parse().ok())?
    })
}

/// An address as those tables write it: each four bytes as one number of this machine's byte order, in hexadecimal.
fn parse(text: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let digits = text.get(at * 8..at * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    match text.len() {
        8 => Some(IpAddr::from(word(0)?)),
        32 => {
            let mut bytes = [0; 16];
            for (at, four) in bytes.chunks_exact_mut(4).enumerate() {
                four.copy_from_slice(&word(at)?);
            }
            Some(IpAddr::from(bytes))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "  sl  local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode\n";

    fn line(local: &str, state: &str, inode: u64) -> String {
        format!(
            "{HEADER}   0: {local} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 0 0 {inode} 1\n"
        )
    }

    #[test]
    fn sockets_of_both_families_are_found_and_others_are_not() {
        let loopback = "127.0.0.1:7700".parse().unwrap();
        let found = |local: &str, state: &str| inode(&line(local, state, 42), loopback);
        assert_eq!(found("0100007F:1E14", "0A"), Some(42));
        assert_eq!(found("00000000:1E14", "0A"), Some(42), "listens everywhere");
        let everywhere = "00000000000000000000000000000000:1E14";
        assert_eq!(found(everywhere, "0A"), Some(42), "and for IPv6 too");
        let mapped = "0000000000000000FFFF00000100007F:1E14";
        assert_eq!(found(mapped, "0A"), Some(42));
        assert_eq!(found("0200007F:1E14", "0A"), None, "another address");
        assert_eq!(found("0100007F:1E15", "0A"), None, "another port");
        assert_eq!(found("0100007F:1E14", "01"), None, "a connection");

        let six = "[::1]:7700".parse().unwrap();
        let own = line("00000000000000000000000001000000:1E14", "0A", 43);
        assert_eq!(inode(&own, six), Some(43));
        assert_eq!(inode(&own, loopback), None);
    }
}
