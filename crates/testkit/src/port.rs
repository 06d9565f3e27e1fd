//! Ports for programs that are told theirs.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Where to look: below the ports that the system gives to outgoing connections (32768 to 60999 by default on Linux), so that none
/// of them takes a port while its program is being started again.
const FIRST: u16 = 10_000;
const NUMBER: u16 = 22_000;

/// A port of loopback that nobody listens on; each call gives another one.
///
/// # Panics
/// When all are taken.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test programs that run side by side begin at different ports.
    let begin = std::process::id().wrapping_mul(613);
    let mut tried = (0..NUMBER).map(|_| {
        let offset = begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed).into());
        FIRST + u16::try_from(offset % u32::from(NUMBER)).unwrap_or_default()
    });
    let free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    tried.find(free).expect("a free port")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_another_and_can_be_listened_on() {
        let ports: Vec<u16> = (0..50).map(|_| free_port()).collect();
        let listeners: Vec<TcpListener> = ports
            .iter()
            .map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).unwrap())
            .collect();
        assert_eq!(listeners.len(), 50);
        assert!(!ports.contains(&free_port()));
    }
}
